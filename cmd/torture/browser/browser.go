// Package browser opens pages in a real Chromium for tests. It is the only place
// that knows what drives it.
package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Settings in the environment.
const (
	pathSetting     = "CONFMAN_CHROME"  // the browser to use, instead of the one that is installed
	requiredSetting = "CONFMAN_BROWSER" // "required": without a browser tests fail; so they do when CI is "true"
)

// names are those of Chromium, the lightest first.
func names() []string {
	return []string{"chromium-headless-shell", "chromium", "google-chrome"}
}

// AnyCertificate has a browser believe whatever certificate it is shown.
const AnyCertificate = "ignore-certificate-errors"

// patience is how long a page may take to come to something.
const patience = 30 * time.Second

// Browser is one browser process. It ends with its test.
type Browser struct {
	t   testing.TB
	ctx context.Context //nolint:containedctx // how the driver identifies a browser
}

// Open starts a browser, with more command-line switches if any are named, such as
// [AnyCertificate]. Where there is none the test is skipped, or fails if the
// environment requires one.
func Open(t testing.TB, switches ...string) *Browser {
	t.Helper()
	path := find()
	if path == "" {
		const missing = "there is no browser (apt-get install -y --no-install-recommends chromium-headless-shell fonts-dejavu-core; " + pathSetting + " names another)"
		if os.Getenv("CI") == "true" || os.Getenv(requiredSetting) == "required" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		// Pages of a test ask nothing of the internet.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)
	for _, name := range switches {
		options = append(options, chromedp.Flag(name, true))
	}
	allocator, wait := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(wait)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return &Browser{t: t, ctx: ctx}
}

func find() string {
	if path := os.Getenv(pathSetting); path != "" {
		return path
	}
	for _, name := range names() {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Page is one tab.
type Page struct {
	t    testing.TB
	name string
	ctx  context.Context //nolint:containedctx // how the driver identifies a tab

	mu    sync.Mutex // guards the field below
	wrong []string   // errors on the console
}

// Page opens a page in a tab of its own. An exception that nothing caught and an
// error on its console fail the test, unless one of the tolerated regular expressions
// matches in the message, with a space and the URL that it is about at its end.
func (b *Browser) Page(url string, tolerated ...string) *Page {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	p := &Page{t: b.t, name: url, ctx: ctx}
	console := chromedp.Console(ctx)
	var listening sync.WaitGroup
	listening.Go(func() {
		for m, err := range console {
			if err != nil {
				return // the tab is closed
			}
			p.heard(m, tolerated)
		}
	})
	b.t.Cleanup(func() {
		cancel()
		listening.Wait()
		for _, message := range p.wrong {
			b.t.Errorf("%s: %s", p.name, message)
		}
	})
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		b.t.Fatalf("open %s: %v", url, err)
	}
	return p
}

// Strict opens a page as [Browser.Page] does, and fails the test as well for what
// the page's policy forbids and for a request to another origin.
func (b *Browser) Strict(url string, tolerated ...string) *Page {
	b.t.Helper()
	p := b.Page("about:blank", tolerated...)
	p.name = url
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		b.t.Fatalf("open %s: %v", url, err)
	}
	if err := p.staysAt(originOf(url)); err != nil {
		b.t.Fatalf("open %s: %v", url, err)
	}
	p.Go(url)
	return p
}

func (p *Page) heard(m chromedp.ConsoleMessage, tolerated []string) {
	bad := m.IsException() || m.Type == chromedp.ConsoleError
	if !bad || slices.ContainsFunc(tolerated, func(s string) bool { return regexp.MustCompile(s).MatchString(m.Text + " " + m.URL) }) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = append(p.wrong, fmt.Sprintf("%s (%s:%d)", m, m.URL, m.Line+1))
}

// Eval evaluates JavaScript in the page and decodes the result, or what a promise
// comes to.
func Eval[T any](p *Page, script string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %.200s: %v", p.name, script, err)
	}
	return v
}

// Await returns once JavaScript comes to true.
func (p *Page) Await(what, script string) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !Eval[bool](p, script); <-tick.C {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: %s: not within %v; the page shows\n%.2000s", p.name, what, patience, Eval[string](p, "document.body.innerText"))
		}
	}
}
