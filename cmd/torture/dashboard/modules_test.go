package dashboard

import (
	"slices"
	"testing"

	"confman/cmd/torture/browser"
)

// sum is something that a module computes: JavaScript in which what the module
// exports is known by its name, and the JSON of what it comes to.
type sum struct{ name, module, script, want string }

// What the modules below the pages compute, in a real browser's JavaScript.
func TestModules(t *testing.T) {
	w := newWorld(t, 1)
	p := w.chromium.Strict(url(w.first(), "/ui/overview"))
	p.Finds("button", "Sign in")
	for _, c := range slices.Concat(texts(), merges(), rules(), places()) {
		got := browser.Eval[string](p, "(async () => { const m = await import('/dashboard/"+c.module+".js'); with (m) { return JSON.stringify(await ("+c.script+")); } })()")
		if got != c.want {
			t.Errorf("%s: %s is %s, want %s", c.name, c.script, got, c.want)
		}
	}
}

// texts are how text, numbers and addresses are written.
func texts() []sum {
	return []sum{
		{"what cannot be seen is marked", "lib/text", `shown('a\u202Eb').map((x) => x.mark ?? x)`, `["a","RLO","b"]`},
		{"tabs and line breaks are text", "lib/text", `shown('a\tb\nc')`, `["a\tb\nc"]`},
		{"half a character is marked", "lib/text", `shown('x\ud800').map((x) => x.code ?? x)`, `["x","U+D800"]`},
		{"a whole one is not", "lib/text", `shown('😀')`, `["😀"]`},
		{"places that differ", "lib/text", `differences({a: 1, b: [1, 2], c: {d: 'x'}}, {a: 1, b: [1, 3], c: {}, e: null})`, `[{"pointer":"/b/1","old":2,"new":3},{"pointer":"/c/d","old":"x"},{"pointer":"/e","new":null}]`},
		{"pointers are escaped", "lib/text", `differences({'a/b~': 1}, {'a/b~': 2})`, `[{"pointer":"/a~1b~0","old":1,"new":2}]`},
		{"a type is a difference", "lib/text", `differences(1, '1')`, `[{"pointer":"","old":1,"new":"1"}]`},
		{"__proto__ is a name like others", "lib/text", `differences(JSON.parse('{"__proto__": 1}'), JSON.parse('{"__proto__": 2}'))`, `[{"pointer":"/__proto__","old":1,"new":2}]`},
		{"a large number is not rounded", "lib/api", `JSON.stringify(parse('{"n": 12345678901234567890, "m": 1.10, "i": 1e400}'))`, `"{\"n\":12345678901234567890,\"m\":1.10,\"i\":1e400}"`},
		{"a path of the root", "lib/api", `[nsPath('/'), keyPath('a/b', 'config', 'c/d')]`, `["/api/v1/namespaces/%2F","/api/v1/namespaces/a/b/config/c/d"]`},
		{"addresses", "lib/route", `[nsHref('/'), nsHref('/', 'roles'), keyHref('a/b', 'c/d', {at: 7, tab: ''})]`, `["/ui/ns","/ui/ns/%2F/roles","/ui/ns/a/b/config/c/d?at=7"]`},
		{"sizes", "lib/format", `[bytes(0), bytes(1023), bytes(1536), bytes(undefined), bytes(5e9)]`, `["0 B","1023 B","1.5 KiB","–","4.7 GiB"]`},
		{"durations", "lib/format", `[duration(12), duration(61_000), duration(3_600_000 * 27), duration(undefined)]`, `["12 ms","1 min 1 s","1 d 3 h","–"]`},
		{"a word of a shell", "lib/text", `['a/b', '', "it's", '$(reboot)', 'a\nb', '-x', '; rm'].map(quoted)`, `["a/b","''","'it'\\''s'","'$(reboot)'","'a\nb'","-x","'; rm'"]`},
	}
}

// merges are two changes of one value.
func merges() []sum {
	const of = `((by, ...texts) => merge(by, ...texts).then((m) => m && [m.by, m.conflicts.map((c) => [c.label, c.base, c.theirs, c.mine]), m.result(['theirs', 'mine']), m.result([])]))`
	return []sum{
		{"different places of JSON", "lib/merge", of + `('json', '{"a":1,"b":1}', '{"a":2,"b":1}', '{"a":1,"b":2}').then((m) => JSON.parse(m[2]))`, `{"a":2,"b":2}`},
		{"one deletes, the other adds", "lib/merge", of + `('json', '{"a":1,"b":1}', '{"b":1}', '{"a":1,"b":1,"c":3}').then((m) => [m[1], JSON.parse(m[2])])`, `[[],{"b":1,"c":3}]`},
		{"the same place", "lib/merge", of + `('json', '{"a":{"b":1}}', '{"a":{"b":2}}', '{"a":{"b":3}}').then((m) => [m[1], JSON.parse(m[2]), JSON.parse(m[3])])`, `[[["/a/b","1","2","3"]],{"a":{"b":2}},{"a":{"b":3}}]`},
		{"one changes what the other deletes", "lib/merge", of + `('json', '{"a":1}', '{}', '{"a":2}').then((m) => [m[1], JSON.parse(m[2]), JSON.parse(m[3])])`, `[[["/a","1",null,"2"]],{},{"a":2}]`},
		{"the same change is none", "lib/merge", of + `('json', '{"a":1}', '{"a":2}', '{"a":2}').then((m) => m[1])`, `[]`},
		{"lists are one place", "lib/merge", of + `('json', '[1,2]', '[1,3]', '[0,2]').then((m) => m[1].length)`, `1`},
		{"numbers are not rounded", "lib/merge", of + `('json', '{"n":12345678901234567890,"a":1}', '{"n":12345678901234567890,"a":2}', '{"n":12345678901234567891,"a":1}').then((m) => m[2].replace(/\s/g, ''))`, `"{\"n\":12345678901234567891,\"a\":2}"`},
		{"__proto__ is a place like others", "lib/merge", of + `('json', '{}', '{"__proto__":1}', '{"a":1}').then((m) => m[2].replace(/\s/g, ''))`, `"{\"a\":1,\"__proto__\":1}"`},
		{"lines apart", "lib/merge", of + `('string', 'a\nb\nc\nd', 'A\nb\nc\nd', 'a\nb\nc\nD')`, `["line",[],"A\nb\nc\nD","A\nb\nc\nD"]`},
		{"the same line", "lib/merge", of + `('string', 'a\nb', 'a\nB', 'a\nbb')`, `["line",[["line 2","b","B","bb"]],"a\nB","a\nbb"]`},
		{"lines added at both ends", "lib/merge", of + `('string', 'a\nb', 'x\na\nb', 'a\nb\ny')`, `["line",[],"x\na\nb\ny","x\na\nb\ny"]`},
		{"a line deleted and one changed", "lib/merge", of + `('string', 'a\nb\nc', 'b\nc', 'a\nb\nC').then((m) => m[2])`, `"b\nC"`},
		{"an end without a line break", "lib/merge", of + `('string', 'a\nb\n', 'a\nb', 'A\nb\n').then((m) => m[2])`, `"A\nb"`},
		{"JSON that is none yet goes by line", "lib/merge", of + `('json', '{\n}', '{\n', '{\n}').then((m) => m[0])`, `"line"`},
		{"one line is too small", "lib/merge", of + `('string', 'a', 'b', 'c').then((m) => m ?? null)`, `null`},
	}
}

// rules are what settings, schemas and approvals mean.
func rules() []sum {
	const schema = `[{from: 'a', schema: {required: ['n'], properties: {n: {type: 'integer', minimum: 1, title: 'N'}}, patternProperties: {'^f/': {enum: ['x', 'y']}, '(': {}}, additionalProperties: false, allOf: [{properties: {n: {maximum: 9}}}]}}]`
	const window = `{days: ['mon'], from: '22:00', to: '02:00', timezone: 'Europe/Berlin'}`
	return []sum{
		{"a schema in words", "lib/hints", `words(hints(` + schema + `, 'n'))`, `{"title":"N","rules":["a whole number","at least 1","at most 9","must be there"],"deprecated":false,"immutable":false,"type":"number"}`},
		{"a pattern's choices", "lib/hints", `words(hints(` + schema + `, 'f/1')).choices`, `["x","y"]`},
		{"a key that no schema knows", "lib/hints", `hints(` + schema + `, 'other').unknown`, `"a"`},
		{"no schema", "lib/hints", `hints(undefined, 'k')`, `{"schemas":[],"required":false}`},
		{"names of every object are no keys of a schema", "lib/hints", `hints([{from: 'a', schema: {properties: {}}}], 'constructor').schemas`, `[]`},
		{"in a window over midnight", "lib/governance", `['2026-11-23T21:30:00Z', '2026-11-24T00:30:00Z', '2026-11-24T01:30:00Z', '2026-11-23T20:30:00Z', '2026-11-24T21:30:00Z'].map((t) => held({windows: [` + window + `]}, Date.parse(t)) === undefined)`, `[true,true,false,false,false]`},
		{"when the next window opens", "lib/governance", `new Date(held({windows: [{days: [], from: '09:03', to: '17:00'}]}, Date.parse('2026-11-23T08:00:30Z')).until)`, `"2026-11-23T09:03:00.000Z"`},
		{"a freeze until the last of them", "lib/governance", `[{from: '2026-01-01T00:00:00Z', until: '2026-01-03T00:00:00Z', reason: 'b'}, {from: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z', reason: 'a'}].map((f, i, all) => { const h = held({freezes: all}, Date.parse('2026-01-01T12:00:00Z')); return [new Date(h.until), h.text.endsWith(': b')]; })[0]`, `["2026-01-03T00:00:00.000Z",true]`},
		{"a freeze that is over", "lib/governance", `held({freezes: [{from: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z', reason: 'a'}]}, Date.parse('2026-01-02T00:00:00Z')) ?? null`, `null`},
		{"approvals before freezes", "lib/governance", `ways({requireApproval: true, minApprovers: 2, from: {requireApproval: 'a'}})`, `{"direct":false,"why":"Changes in a need approval.","approvals":2}`},
		{"nothing stands in the way", "lib/governance", `ways(undefined)`, `{"direct":true,"why":"","approvals":0}`},
		{"how far a request is", "lib/reviewing", `[progress({state: 'pending_review', changes: [], missing: [{have: 1, need: 2}, {have: 0, need: 2}]}), progress({state: 'scheduled', changes: [{minApprovers: 2}, {}], missing: []}), progress({state: 'rejected'}) ?? null]`, `[{"have":0,"need":2},{"have":2,"need":2},null]`},
		{"keys that lack the same", "lib/reviewing", `lacks({missing: [{namespace: 'a', key: 'x', have: 0, need: 1}, {namespace: 'a', key: 'y', have: 0, need: 1}, {namespace: 'b', key: 'x', have: 0, need: 1}]}).map((m) => [m.namespace, m.keys])`, `[["a",["x","y"]],["b",["x"]]]`},
		{"what moved under a request", "lib/reviewing", `((at) => movedSince({changes: [at('x', 1), at('y', 1)]}, {changes: [at('x', 1), at('y', 2)]}).map((m) => [m.change.key, m.old.version, m.now.version]))((key, version) => ({namespace: 'a', key, previous: {version}}))`, `[["y",1,2]]`},
	}
}

// places are where things stand: in the tree of namespaces, in time.
func places() []sum {
	const marks = `[{index: 3, time: '2026-01-01T00:00:00Z'}, {index: 7, time: '2026-01-02T00:00:00Z'}, {index: 9, time: '2026-01-03T00:00:00Z'}]`
	const grown = `import('/dashboard/lib/namespaces.js').then((n) => { n.namespaces.value = ['a', 'a/b/c', 'ab', '__proto__/x'].map((path) => ({path})); return tree.value; })`
	return []sum{
		{"rows of an open tree", "lib/tree", grown + `.then((root) => rows(root, new Set(['a', 'a/b'])).map((r) => [r.level, r.node.path, Boolean(r.node.at)]))`, `[[1,"__proto__",false],[1,"a",true],[2,"a/b",false],[3,"a/b/c",true],[1,"ab",true]]`},
		{"a branch by its path", "lib/tree", grown + `.then((root) => ['/', 'a/b', 'a/x', 'constructor'].map((path) => find(root, path)?.path ?? null))`, `["/","a/b",null,null]`},
		{"what is above", "lib/tree", `[above('a/b/c'), above('a')]`, `[["a","a/b"],[]]`},
		{"where a slider stands", "lib/asof", `['', '2', '3', '8-0123abcd', '9', '2026-01-02T00:00:00Z', '2025-01-01T00:00:00Z'].map((at) => ordinal(` + marks + `, at))`, `[3,0,1,2,3,2,0]`},
		{"what a rollback is asked for", "lib/asof", `['7', '8-0123abcd', '2026-01-02T00:00:00Z'].map(target)`, `[{"toIndex":7},{"toIndex":8},{"toTime":"2026-01-02T00:00:00Z"}]`},
	}
}
