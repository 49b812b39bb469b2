package browser

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// View sets how large the page is seen, in CSS pixels.
func (p *Page) View(width, height int64) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// Prefer sets what the person prefers: "light" or "dark".
func (p *Page) Prefer(scheme string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
		p.t.Fatalf("%s: prefer %s: %v", p.name, scheme, err)
	}
}

// Shoot writes a WebP of what is in sight.
func (p *Page) Shoot(path string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	shot, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp})
	if err != nil {
		p.t.Fatalf("%s: screenshot: %v", p.name, err)
	}
	if err := os.WriteFile(path, shot.Data, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// Violation is what axe-core finds wrong with a page.
type Violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		Target         []any
		FailureSummary string
	}
}

func (v Violation) String() string {
	text := fmt.Sprintf("%s (%s): %s", v.ID, v.Impact, v.Help)
	for i, n := range v.Nodes {
		if i == 4 {
			return text + fmt.Sprintf("\n\t… and %d more", len(v.Nodes)-i)
		}
		text += fmt.Sprintf("\n\t%v: %.300s", n.Target, n.FailureSummary)
	}
	return text
}

// Axe runs axe-core, given as its source, over the page: all its rules, or those
// that are named.
func (p *Page) Axe(source string, rules ...string) []Violation {
	p.t.Helper()
	if !Eval[bool](p, "'axe' in globalThis") {
		Eval[bool](p, source+"; true")
	}
	options := "{resultTypes: ['violations']}"
	if len(rules) > 0 {
		options = fmt.Sprintf("{resultTypes: ['violations'], runOnly: {type: 'rule', values: %q.split(',')}}", strings.Join(rules, ","))
	}
	return Eval[[]Violation](p, "axe.run(document, "+options+").then((r) => r.violations.map(({id, impact, help, nodes}) => ({ID: id, Impact: impact ?? '', Help: help, Nodes: nodes.map((n) => ({Target: n.target, FailureSummary: n.failureSummary}))})))")
}
