package dashboard

import (
	"testing"

	"confman/cmd/torture/browser"
)

// sum is something that a module of lib computes.
type sum struct{ name, module, script, want string }

// names are what the module exports of use here.
func (s sum) names() string {
	return map[string]string{
		"text": "shown, differences", "api": "parse, nsPath, keyPath", "route": "nsHref, keyHref", "format": "bytes, duration",
	}[s.module]
}

// What the modules below the pages compute, in a real browser's JavaScript.
func TestModules(t *testing.T) {
	w := newWorld(t, 1)
	p := w.chromium.Strict(url(w.first(), "/ui/overview"))
	p.Finds("button", "Sign in")
	for _, c := range []sum{
		{"what cannot be seen is marked", "text", `shown('a\u202Eb').map((x) => x.mark ?? x)`, `["a","RLO","b"]`},
		{"tabs and line breaks are text", "text", `shown('a\tb\nc')`, `["a\tb\nc"]`},
		{"half a character is marked", "text", `shown('x\ud800').map((x) => x.code ?? x)`, `["x","U+D800"]`},
		{"a whole one is not", "text", `shown('😀')`, `["😀"]`},
		{"places that differ", "text", `differences({a: 1, b: [1, 2], c: {d: 'x'}}, {a: 1, b: [1, 3], c: {}, e: null})`, `[{"pointer":"/b/1","old":2,"new":3},{"pointer":"/c/d","old":"x"},{"pointer":"/e","new":null}]`},
		{"pointers are escaped", "text", `differences({'a/b~': 1}, {'a/b~': 2})`, `[{"pointer":"/a~1b~0","old":1,"new":2}]`},
		{"a type is a difference", "text", `differences(1, '1')`, `[{"pointer":"","old":1,"new":"1"}]`},
		{"__proto__ is a name like others", "text", `differences(JSON.parse('{"__proto__": 1}'), JSON.parse('{"__proto__": 2}'))`, `[{"pointer":"/__proto__","old":1,"new":2}]`},
		{"a large number is not rounded", "api", `JSON.stringify(parse('{"n": 12345678901234567890, "m": 1.10, "i": 1e400}'))`, `"{\"n\":12345678901234567890,\"m\":1.10,\"i\":1e400}"`},
		{"a path of the root", "api", `[nsPath('/'), keyPath('a/b', 'config', 'c/d')]`, `["/api/v1/namespaces/%2F","/api/v1/namespaces/a/b/config/c/d"]`},
		{"addresses", "route", `[nsHref('/'), nsHref('/', 'roles'), keyHref('a/b', 'c/d', {at: 7, tab: ''})]`, `["/ui/ns","/ui/ns/%2F/roles","/ui/ns/a/b/config/c/d?at=7"]`},
		{"sizes", "format", `[bytes(0), bytes(1023), bytes(1536), bytes(undefined), bytes(5e9)]`, `["0 B","1023 B","1.5 KiB","–","4.7 GiB"]`},
		{"durations", "format", `[duration(12), duration(61_000), duration(3_600_000 * 27), duration(undefined)]`, `["12 ms","1 min 1 s","1 d 3 h","–"]`},
	} {
		got := browser.Eval[string](p, "import('/dashboard/lib/"+c.module+".js').then((m) => { const {"+c.names()+"} = m; return JSON.stringify("+c.script+"); })")
		if got != c.want {
			t.Errorf("%s: %s is %s, want %s", c.name, c.script, got, c.want)
		}
	}
}
