package browser

import (
	"context"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Cookie is a cookie that the browser would send with a request of the page.
type Cookie struct {
	Name, Value, SameSite string
	Secure, HTTPOnly      bool
}

// Cookies are those of the page, scripts may read them or not.
func (p *Page) Cookies() (found []Cookie) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	said, err := chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{})
	if err != nil {
		p.t.Fatalf("%s: cookies: %v", p.name, err)
	}
	for _, c := range said.Cookies {
		found = append(found, Cookie{c.Name, c.Value, string(c.SameSite), c.Secure, c.HTTPOnly})
	}
	return found
}

// Framed are the addresses of what the page has in frames. A frame whose content
// the browser refused to show is not among them.
func (p *Page) Framed() (found []string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	said, err := chromedp.Call(ctx, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		p.t.Fatalf("%s: frames: %v", p.name, err)
	}
	for _, f := range said.FrameTree.ChildFrames {
		if f.Frame.UnreachableURL == "" {
			found = append(found, f.Frame.URL)
		}
	}
	return found
}
