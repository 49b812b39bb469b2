package dashboard

import (
	"encoding/base64"
	"fmt"
	"testing"

	"confman/cmd/torture/browser"
)

// A value of each type is written in the page, as people do, and is then what was
// written, to the byte. What is typed and not saved outlives a reload, and is for
// nobody else who signs in there.
func TestValuesOfAllTypesAreExactlyWhatWasTyped(t *testing.T) {
	w := newWorld(t, 1)
	p := w.signIn("ann", w.first(), "/ui/overview", "status of 401") // what the page still asks when its session ends
	var bytes []byte
	for i := range 256 {
		bytes = append(bytes, byte(i))
	}
	const line = `  a "quoted" \n ünï 🙂 <b>&amp;`
	const lines = "first\n\tsecond  \n\n\"third\"\\\n"
	const digits = "12345678901234567890"
	for _, v := range []struct {
		key, choice string
		fill        func()
		want        string // as JSON
	}{
		{"text", "string", func() { p.Fill("Value", line) }, encode(t, line)},
		{"lines", "string", func() { p.Click("button", "Several lines"); p.edit(lines) }, encode(t, lines)},
		{"number", "number", func() { p.Fill("Value", digits) }, digits},
		{"yes", "boolean", func() { p.Click("button", "=true") }, "true"},
		{"document", "json", func() { p.edit(`{"b":[` + digits + `,1.10,"x"],"a":null}`) }, `{"b":[` + digits + `,1.10,"x"],"a":null}`},
		{"secret", "secret-ref", func() { p.Choose("Where the secret is", "env"); p.Fill("What it is there", "DB_PASSWORD") }, `"env://DB_PASSWORD"`},
		{"file", "binary", func() { p.choose("all.bin", bytes) }, encode(t, base64.StdEncoding.EncodeToString(bytes))},
	} {
		p.open("/ui/ns/typed/config?new=1")
		p.Fill("Name of the key", v.key)
		p.Click("button", "Go on to its value")
		p.Choose("Type", v.choice)
		v.fill()
		p.Click("button", "Review change")
		p.Click("button", "=Create")
		p.Await("the editor is left", `!location.search.includes('edit=1')`)
		if e := w.entry("typed", v.key); string(e.Value) != trimmed(v.want) || string(e.Type) != v.choice {
			t.Errorf("%s is %s, a %s; wanted is %s", v.key, e.Value, e.Type, v.want)
		}
	}
	w.unsaved(p)
}

// trimmed is JSON without the end of its line.
func trimmed(s string) string {
	for s != "" && s[len(s)-1] == '\n' {
		s = s[:len(s)-1]
	}
	return s
}

// edit is write, once the code editor is there.
func (p *person) edit(text string) {
	p.world.t.Helper()
	p.Await("the editor is there", `document.querySelector('main .editor')?.view !== undefined`)
	p.write(text)
}

// choose gives the field for a file one with the bytes.
func (p *person) choose(name string, bytes []byte) {
	p.world.t.Helper()
	p.Await("the field for a file is there", `document.querySelector('main input[type=file]') !== null`)
	browser.Eval[bool](p.Page, fmt.Sprintf(`(() => {
		const input = document.querySelector('main input[type=file]');
		const data = new DataTransfer();
		data.items.add(new File([Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))], %q));
		input.files = data.files;
		return input.dispatchEvent(new Event('change', {bubbles: true}));
	})()`, base64.StdEncoding.EncodeToString(bytes), name))
	p.Sees(name + " is taken")
}

func (w *world) unsaved(p *person) {
	w.t.Helper()
	const typed = "written in a hurry"
	p.Accept() // that the page is left all the same
	value := func(is string) string {
		return `document.querySelector('main form input.mono')?.value === ` + quoted(is)
	}
	w.set("ann", "typed", "draft", "live")
	p.open("/ui/ns/typed/config/draft?edit=1")
	p.Fill("Value", typed)
	p.Await("it is kept", `Object.values(sessionStorage).some((v) => v.includes(`+quoted(typed)+`))`)
	p.Go(browser.Eval[string](p.Page, "location.href"))
	p.Sees("What you typed before is back")
	p.Await("what was typed is there", value(typed))
	p.Click("button", "Signed in as ann")
	p.Click("menuitem", "Sign out")
	p.Fill("API key", w.keys["bob"])
	p.Click("button", "Sign in")
	p.Finds("button", "Signed in as bob")
	p.open("/ui/ns/typed/config/draft?edit=1")
	p.Await("bob sees what is live", value("live"))
	p.Misses("What you typed before is back")
}
