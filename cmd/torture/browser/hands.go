package browser

import (
	"context"
	_ "embed" // the finders
	"fmt"
	"strconv"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

//go:embed hands.js
var hands string

// Click clicks what has the role and the accessible name, once it is in sight and
// may be clicked. A name that begins with = must be whole, others need only begin
// so.
func (p *Page) Click(role, name string) {
	p.t.Helper()
	p.Await(role+" "+strconv.Quote(name), p.finder("ready", role, name))
	Eval[bool](p, p.finder("click", role, name))
}

// Sees waits until the page shows a text.
func (p *Page) Sees(text string) {
	p.t.Helper()
	p.Await("shows "+strconv.Quote(text), p.finder("sees", text))
}

// Misses waits until the page does not show a text.
func (p *Page) Misses(text string) {
	p.t.Helper()
	p.Await("does not show "+strconv.Quote(text), "!("+p.finder("sees", text)+")")
}

// Finds waits for an element with the role and the accessible name.
func (p *Page) Finds(role, name string) {
	p.t.Helper()
	p.Await(role+" "+strconv.Quote(name), p.finder("has", role, name))
}

// Fill puts text into the field with the label, in place of what is there, as if
// it was typed.
func (p *Page) Fill(label, text string) {
	p.t.Helper()
	p.Await("field "+strconv.Quote(label), p.finder("focus", label))
	p.insert(text)
}

// insert types a text where the focus is.
func (p *Page) insert(text string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		p.t.Fatalf("%s: type %.40q: %v", p.name, text, err)
	}
}

// Press presses keys, one after the other: of package kb, or letters.
func (p *Page) Press(keys ...string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for _, k := range keys {
		if err := chromedp.Do(ctx, chromedp.KeyEvent(k)); err != nil {
			p.t.Fatalf("%s: press %q: %v", p.name, k, err)
		}
	}
}

// PressWith presses a key with a modifier held.
func (p *Page) PressWith(modifier chromedp.Modifier, key string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.KeyEvent(key, chromedp.KeyModifiers(modifier))); err != nil {
		p.t.Fatalf("%s: press %q: %v", p.name, key, err)
	}
}

// Go opens an address in the page, as a typed one would.
func (p *Page) Go(url string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		p.t.Fatalf("open %s: %v", url, err)
	}
}

// finder is a call of a function of hands.js, which is put into the page if it is
// not there yet.
func (p *Page) finder(function string, args ...string) string {
	quoted := ""
	for _, a := range args {
		quoted += strconv.QuoteToASCII(a) + ","
	}
	return fmt.Sprintf("(globalThis.hands ??= %s).%s(%s)", hands, function, quoted)
}
