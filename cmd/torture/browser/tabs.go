package browser

import (
	"context"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Close closes the tab, as its cross would.
func (p *Page) Close() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	info, err := chromedp.Call(ctx, target.GetTargetInfo, target.GetTargetInfoParams{})
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	if _, err := chromedp.CallBrowser(ctx, target.CloseTarget, target.CloseTargetParams{TargetID: info.TargetInfo.TargetID}); err != nil {
		p.t.Fatalf("%s: close the tab: %v", p.name, err)
	}
}

// Before has a script run in each document that the page opens from now on, before
// any of its own.
func (p *Page) Before(script string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	params := page.AddScriptToEvaluateOnNewDocumentParams{Source: script}
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, params); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// EndWorkers ends the shared workers of the page's browser, as a browser does that
// needs the memory.
func (p *Page) EndWorkers() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	found, err := chromedp.CallBrowser(ctx, target.GetTargets, target.GetTargetsParams{})
	if err != nil {
		p.t.Fatalf("%s: list the workers: %v", p.name, err)
	}
	for _, info := range found.TargetInfos {
		if info.Type != "shared_worker" {
			continue
		}
		worker, detach := chromedp.NewContext(ctx, chromedp.WithTargetID(info.TargetID))
		_, err := chromedp.Run(worker, chromedp.Evaluate[bool]("(close(), true)"))
		detach()
		if err != nil {
			p.t.Fatalf("%s: end the worker %s: %v", p.name, info.URL, err)
		}
	}
}
