package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"confman/api/wire"
	"confman/events"
)

// found searches, all pages of it, and returns the rows.
func (b *bench) found(query string, headers ...string) (all []wire.Found) {
	b.t.Helper()
	for _, page := range b.walk("/api/v1/search?"+query, headers...) {
		all = append(all, decodeAs[[]wire.Found](page)...)
	}
	return all
}

func foundName(f wire.Found) string { return f.Namespace + ":" + f.Key + " " + f.Match }

func rowsFound(found []wire.Found) (names []string) {
	for _, f := range found {
		names = append(names, foundName(f))
	}
	return names
}

func TestSearchLooksThroughKeysAndValues(t *testing.T) {
	b := newBench(t)
	b.put("teams/pay", "db/Url", `"postgres://Straße.example/PAY"`)
	b.put("teams/pay", "db/pool", `42`)
	b.put("teams/pay-old", "limits", `{"pool":{"max":"VIELE"},"wait":1.50}`)
	b.put("teams/pay/eu", "note", `"line one\nSTRASSE \"quoted\" pool \u212Aelvin"`)
	b.put("web", "on", `true`)
	b.do("PUT", entryPath("web", "blob"), `{"type":"binary","value":"cG9vbA=="}`).is(201)
	b.do("PUT", entryPath("web", "secret"), `{"type":"secret-ref","value":"vault://teams/Pool"}`).is(201)
	b.put("web", "gone", `"pool"`)
	b.do("DELETE", entryPath("web", "gone"), nil).is(204)
	pool := []string{"teams/pay:db/pool key", "teams/pay-old:limits value", "teams/pay/eu:note value", "web:secret value"}
	for _, test := range []struct {
		query string
		want  []string
	}{
		{"q=POOL", pool},
		{"q=pool&in=all", pool},
		{"q=pool&in=keys", pool[:1]},
		{"q=pool&in=values", pool[1:]},
		{"q=pool&namespace=teams", pool[:3]},
		{"q=pool&namespace=/", pool},
		{"q=pool&namespace=teams/pay", []string{pool[0], pool[2]}}, // not what begins alike
		{"q=pool&namespace=nowhere", nil},
		{"q=pay/DB", []string{"teams/pay:db/Url key", "teams/pay:db/pool key"}},
		{"q=db+postgres", []string{"teams/pay:db/Url value"}}, // one word here, one there
		{"q=+postgres++db+", []string{"teams/pay:db/Url value"}},
		{"q=db+postgres&in=values", nil},
		{"q=42", []string{"teams/pay:db/pool value"}},
		{"q=1.50", []string{"teams/pay-old:limits value"}}, // as it was written
		{"q=true", []string{"web:on value"}},
		{"q=" + url.QueryEscape(`"pool":{`), []string{"teams/pay-old:limits value"}},      // JSON as it is
		{"q=" + url.QueryEscape(`strasse "quoted"`), []string{"teams/pay/eu:note value"}}, // a string without escapes
		{"q=" + url.QueryEscape("STRAẞE"), []string{"teams/pay:db/Url value"}},
		{"q=kelvin", []string{"teams/pay/eu:note value"}},
		{"q=" + url.QueryEscape("\u212AELVIN"), []string{"teams/pay/eu:note value"}},
		{"q=vielleicht", nil},
		{"q=cG9v", nil}, // bytes are not text
		{"q=web/blob", []string{"web:blob key"}},
	} {
		if got := rowsFound(b.found(test.query)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.query, got, test.want)
		}
		if got := rowsFound(b.found(test.query + "&limit=1")); !slices.Equal(got, test.want) {
			t.Errorf("%s, a row a page: %q, want %q", test.query, got, test.want)
		}
	}
}

func TestSearchShowsEntriesAsTheyAre(t *testing.T) {
	b := newBench(t)
	r := decodeAs[wire.ConfigEntry](b.put("pay", "k", `{"a":"needle"}`))
	if f := b.found("q=needle")[0]; string(f.Value) != `{"a":"needle"}` || f.Type != "json" || f.Version != 1 || !f.UpdatedAt.Equal(r.UpdatedAt) || f.UpdatedBy != "ana" || f.Excerpt != "" {
		t.Errorf("%+v", f)
	}
	whole := strings.Repeat("x", wire.MaxFoundValue-len("needle")) + "needle"
	b.put("pay", "k", `"`+whole+`"`)
	if f := b.found("q=needle")[0]; string(f.Value) != `"`+whole+`"` || f.Excerpt != "" {
		t.Errorf("a value of %d bytes: %+v", len(whole), f)
	}
	b.put("pay", "k", `"`+strings.Repeat("ä", 700)+`Needle<`+strings.Repeat("ö", 700)+`"`)
	f := b.found("q=needle")[0]
	if f.Value != nil || !strings.HasPrefix(f.Excerpt, "…ä") || !strings.HasSuffix(f.Excerpt, "ö…") || !strings.Contains(f.Excerpt, "Needle<") || len(f.Excerpt) > excerptBytes+8 || !utf8.ValidString(f.Excerpt) {
		t.Errorf("a long value: %+v", f)
	}
	if f := b.found("q=pay/k")[0]; f.Match != wire.MatchKey || !strings.HasPrefix(f.Excerpt, "ää") {
		t.Errorf("its key: %+v", f)
	}
	b.do("PUT", entryPath("pay", "k"), `{"type":"binary","value":"`+strings.Repeat("AAAA", 300)+`"}`).is(200)
	if f := b.found("q=pay/k")[0]; f.Value != nil || f.Excerpt != "" || f.Type != "binary" {
		t.Errorf("a long binary one: %+v", f)
	}
}

func TestSearchRefusesWhatItCannotLookFor(t *testing.T) {
	b := newBench(t)
	for query, detail := range map[string]string{
		"":                                "missing or blank",
		"q=":                              "missing or blank",
		"q=%20%09":                        "missing or blank",
		"q=" + strings.Repeat("ä", 129):   "258 bytes",
		"q=%ff":                           "UTF-8",
		"q=a&in=neither":                  "want keys, values or all",
		"q=a&namespace=a//b":              "empty segment",
		"q=a&limit=0":                     "limit",
		"q=a&cursor=AQ":                   "cursor",
		"q=a&namespace=" + "%2Fa":         "segment",
		"q=a&min_index=x&consistency=odd": "min_index",
	} {
		b.do("GET", "/api/v1/search?"+query, nil).problem(400, wire.ProblemMalformed, detail)
	}
	b.found("q=" + strings.Repeat("ä", 128))
	b.put("pay", "a1", "1")
	b.put("pay", "a2", "1")
	cursor := b.do("GET", "/api/v1/search?q=a&limit=1", nil).is(200).header.Get("Link")
	_, cursor, _ = strings.Cut(cursor, "cursor=")
	cursor, _, _ = strings.Cut(cursor, "&")
	b.do("GET", "/api/v1/search?q=b&limit=1&cursor="+cursor, nil).problem(400, wire.ProblemMalformed, "cursor")
	b.do("GET", "/api/v1/search?q=a&in=keys&limit=1&cursor="+cursor, nil).problem(400, wire.ProblemMalformed, "cursor")
}

func TestAPageOfASearchLooksAtSoMuchOnly(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Limits.Search = 3 })
	for i := range 10 {
		b.put("pay", fmt.Sprintf("k%d", i), `"hay"`)
	}
	b.put("pay", "k9", `"needle"`)
	pages := b.walk("/api/v1/search?q=needle")
	var rows []int
	for _, p := range pages {
		rows = append(rows, len(decodeAs[[]wire.Found](p)))
	}
	if !slices.Equal(rows, []int{0, 0, 0, 1}) {
		t.Errorf("rows of the pages: %v", rows)
	}
	if pages := b.walk("/api/v1/search?q=nowhere&namespace=pay"); len(pages) != 4 {
		t.Errorf("%d pages", len(pages))
	}
}

func TestSearchShowsAndTellsNothingThatTheCallerMayNotRead(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Limits.Search = 2 })
	for _, n := range []string{"a", "hidden", "pay", "pay/eu"} {
		for _, key := range []string{"db/needle", "web/needle", "x"} {
			b.put(n, key, `"needle"`)
		}
	}
	narrow := by(b.key("narrow", "pay", "viewer", "web/*"))
	if got := rowsFound(b.found("q=needle&in=values", narrow)); !slices.Equal(got, []string{"pay:web/needle value", "pay/eu:web/needle value"}) {
		t.Errorf("a narrow key finds %q", got)
	}
	for _, page := range b.walk("/api/v1/search?q=nowhere&limit=1", narrow) {
		if link := page.header.Get("Link"); link != "" {
			t.Errorf("a page of nothing goes on at %s, by what may not be read", link)
		}
	}
	if got := b.found("q=needle&namespace=hidden", narrow); len(got) > 0 {
		t.Errorf("a namespace that is hidden: %q", rowsFound(got))
	}
	b.do("GET", "/api/v1/search?q=a", nil, "X-Api-Key: ").problem(401, wire.ProblemUnauthenticated)
}

// Against what it is defined as, for texts of letters that are awkward to fold.
func TestANeedleIsFoundWhateverItsCase(t *testing.T) {
	letters := []string{"k", "K", "\u212A", "s", "S", "ſ", "ß", "ẞ", "Σ", "σ", "ς", "İ", "ı", "i", "Ǆ", "ǅ", "ǆ", "z", "\xff"}
	texts := []string{""}
	for _, a := range letters {
		for _, c := range letters {
			texts = append(texts, a+c, "x"+a+c+"y", a+a+c, c+a+c+c+a)
		}
	}
	for _, a := range letters[:len(letters)-1] {
		for _, c := range letters[:len(letters)-1] {
			n := newNeedle(a + c)
			for _, text := range texts {
				want := -1
				for i := len(text); i >= 0; i-- {
					for j := i; j <= len(text); j++ {
						if strings.EqualFold(text[i:j], a+c) {
							want = i
						}
					}
				}
				if got := n.in([]byte(text)); got != want {
					t.Errorf("%q in %q: at %d, want %d", a+c, text, got, want)
				}
			}
		}
	}
}

func TestANeedleIsFoundWhereItBeginsInItself(t *testing.T) {
	texts := []string{""}
	for i := 0; len(texts[i]) < 8; i++ {
		texts = append(texts, texts[i]+"a", texts[i]+"B")
	}
	for _, word := range []string{"aab", "abab", "aaaa", "abaab", "bba"} {
		n := newNeedle(word)
		for _, text := range texts {
			if got, want := n.in([]byte(text)), strings.Index(strings.ToLower(text), word); got != want {
				t.Errorf("%q in %q: at %d, want %d", word, text, got, want)
			}
		}
	}
}

func TestWhatDoesNotMatchCostsNoMemory(t *testing.T) {
	x := &exchange{query: url.Values{paramQuery: {"needle straße"}}}
	s, err := x.searching()
	if err != nil {
		t.Fatal(err)
	}
	entries := []events.Entry{
		{Namespace: "pay", Key: "needle", Value: events.Value{Type: events.String, JSON: []byte(`"nothing \n of that kind, nor straSSe"`)}},
		{Namespace: "pay", Key: "b", Value: events.Value{Type: events.JSON, JSON: []byte(`{"needl":1}`)}},
		{Namespace: "pay", Key: "c", Value: events.Value{Type: events.Number, JSON: []byte(`1.5`)}},
	}
	look := func() {
		for i := range entries {
			if match, _ := s.matches(&entries[i]); match != "" {
				t.Fatalf("%+v matches", entries[i])
			}
		}
	}
	look() // makes room
	if n := testing.AllocsPerRun(100, look); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkSearch goes through 100,000 entries of 256 bytes, all of which are looked
// at in one page.
func BenchmarkSearch(b *testing.B) {
	bench := newBench(b)
	var c events.Transact
	for i := range 100_000 {
		value, _ := json.Marshal(fmt.Sprintf("%0250d some", i))
		c.Set = append(c.Set, events.PutEntry{Namespace: fmt.Sprintf("teams/%03d", i/1000), Key: fmt.Sprintf("service/%05d", i), Value: value})
		if len(c.Set) == events.MaxOperations || i == 99_999 {
			bench.submit(c)
			c.Set = nil
		}
	}
	for name, query := range map[string]string{"nowhere": "nowhere", "everywhere": "some", "often begun": strings.Repeat("0", 200) + "x"} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/api/v1/search?q="+query, nil)
			r.Header.Set("X-Api-Key", bench.root)
			b.ReportAllocs()
			for b.Loop() {
				answer := httptest.NewRecorder()
				bench.server.ServeHTTP(answer, r)
				if answer.Code != http.StatusOK {
					b.Fatal(answer.Body)
				}
			}
		})
	}
}
