package browser

import (
	"context"
	"strconv"
	"sync"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Choose sets the field with the label to a value at once: one of a list, a time
// as the browser writes it, or any text.
func (p *Page) Choose(label, value string) {
	p.t.Helper()
	p.Await("field "+strconv.Quote(label), p.finder("focus", label))
	Eval[bool](p, `((el) => {
		Object.getOwnPropertyDescriptor(Object.getPrototypeOf(el), 'value').set.call(el, `+strconv.QuoteToASCII(value)+`);
		for (const type of ['input', 'change']) el.dispatchEvent(new Event(type, {bubbles: true}));
		return el.value === `+strconv.QuoteToASCII(value)+`;
	})(document.activeElement) || (() => { throw new Error('the field does not take it') })()`)
}

// SaveTo has the browser of the page save what it downloads to a directory.
func (p *Page) SaveTo(dir string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	info, err := chromedp.Call(ctx, target.GetTargetInfo, target.GetTargetInfoParams{})
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	allowed := browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, BrowserContextID: info.TargetInfo.BrowserContextID, DownloadPath: dir,
	}
	if _, err := chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, allowed); err != nil {
		p.t.Fatalf("%s: save downloads to %s: %v", p.name, dir, err)
	}
}

// Accept answers every question that the page asks from now on by a dialog of the
// browser's own, such as whether it may be left, with yes.
func (p *Page) Accept() {
	p.t.Helper()
	var answering sync.WaitGroup
	p.t.Cleanup(answering.Wait)
	err := chromedp.Listen(p.ctx, func(ev any) {
		if _, asks := ev.(*page.EventJavascriptDialogOpening); asks {
			answering.Go(func() {
				// A dialog that is gone by then needs no answer.
				_, _ = chromedp.Call(p.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
			})
		}
	})
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}
