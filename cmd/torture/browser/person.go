package browser

import (
	"net/url"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Person opens what a browser of somebody else would be: a context with cookies,
// storage and workers of its own.
func (b *Browser) Person() *Browser {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	b.t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		b.t.Fatalf("open a browser context: %v", err)
	}
	return &Browser{t: b.t, ctx: ctx}
}

// staysAt notes what the page asks of anybody but its origin, which then fails
// the test.
func (p *Page) staysAt(origin string) error {
	var once sync.Once
	return chromedp.Listen(p.ctx, func(ev any) {
		sent, ok := ev.(*network.EventRequestWillBeSent)
		if !ok || ownRequest(sent.Request.URL, origin) {
			return
		}
		once.Do(func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.wrong = append(p.wrong, "asked another origin: "+sent.Request.URL)
		})
	})
}

// ownRequest reports whether a URL is of the origin, or of nobody.
func ownRequest(asked, origin string) bool {
	return strings.HasPrefix(asked, origin+"/") || strings.HasPrefix(asked, "blob:"+origin) ||
		strings.HasPrefix(asked, "data:") || asked == "about:blank"
}

// originOf is the origin of a URL.
func originOf(page string) string {
	u, err := url.Parse(page)
	if err != nil {
		return page
	}
	return u.Scheme + "://" + u.Host
}
