package api

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"confman/api/wire"
	"confman/events"
	"confman/streaming"
)

// trim has the node serve its history from an event on.
func (b *bench) trim(oldest uint64) {
	b.t.Helper()
	h, release := b.node.History(b.node.State().Index())
	defer release()
	edge, err := h.Record(oldest - 1)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range []events.Command{
		events.RaiseLevel{Level: events.NewestLevel},
		events.TrimHistory{To: events.Horizon{Oldest: oldest, Chain: edge.Chain, Time: edge.Time}},
	} {
		if _, err := b.node.Submit(b.t.Context(), c, events.Stamp{Time: b.now(), Actor: "retention"}); err != nil {
			b.t.Fatal(err)
		}
	}
}

func TestWatchesThatCannotBeginAreRefused(t *testing.T) {
	b := newWatchBench(t)
	for _, value := range []string{"1", "2", "3", "4"} {
		b.put("pay", "a", value)
	}
	b.trim(6)

	for _, test := range []struct {
		query  string
		status int
		uri    string
		words  []string
	}{
		{"?after=yesterday", 400, wire.ProblemMalformed, []string{"after", "snapshot"}},
		{"?after=01", 400, wire.ProblemMalformed, []string{"after"}},
		{"?namespace=", 400, wire.ProblemMalformed, []string{`"pointer":"/namespace"`, "empty"}},
		{"?namespace=a//b", 400, wire.ProblemMalformed, []string{`"pointer":"/namespace"`}},
		{"?key=a/", 400, wire.ProblemMalformed, []string{`"pointer":"/key"`}},
		{"?key=a&prefix=b", 400, wire.ProblemMalformed, []string{`"pointer":"/prefix"`}},
		{"?key=a&key=b", 400, wire.ProblemMalformed, []string{"2 times"}},
		{"?after=1&after=2", 400, wire.ProblemMalformed, []string{"2 times"}},
		{"?events=everything", 400, wire.ProblemMalformed, []string{`"pointer":"/events"`}},
		{"?values=some", 400, wire.ProblemMalformed, []string{`"pointer":"/values"`}},
		{"?wait=2m", 400, wire.ProblemMalformed, []string{"wait"}},
		{"?consistency=strong", 400, wire.ProblemMalformed, []string{"consistency"}},
		{"?api_key=x", 400, wire.ProblemMalformed, []string{"never go into a URL"}},
		{"?apikey=x", 400, wire.ProblemMalformed, []string{"never go into a URL"}},
		{"?Token=x", 400, wire.ProblemMalformed, []string{"never go into a URL"}},
		{"?ticket=x", 400, wire.ProblemMalformed, []string{"give one of them"}},
		{"?after=6-00000000", 409, wire.ProblemOtherHistory, nil},
		{"?after=3&namespace=pay", 410, wire.ProblemCompacted, []string{`"oldest":"5-`, `"newest":"9-`, `"snapshot":"` + watchPath + `?after=snapshot\u0026namespace=pay"`}},
		{"?after=99&wait=1ms", 504, wire.ProblemNotCaughtUp, []string{`"index":9`}},
		{"?min_index=99&wait=1ms", 504, wire.ProblemNotCaughtUp, nil},
	} {
		words := slices.Clone(test.words)
		for i, w := range words {
			words[i] = strings.ReplaceAll(w, `\u0026`, "&")
		}
		b.do("GET", watchPath+test.query, nil).problem(test.status, test.uri, words...)
	}
	b.do("GET", watchPath, nil, "Last-Event-ID: x").problem(400, wire.ProblemMalformed, "Last-Event-ID")
	b.do("GET", watchPath+"?namespace=pay", nil, "X-Api-Key: ").problem(401, wire.ProblemUnauthenticated)
	b.do("POST", watchPath, `{}`).problem(405, wire.ProblemMethodNotAllowed)
	b.do("GET", "/api/v1/configs?namespace=a&namespace=b", nil).problem(400, wire.ProblemMalformed, "2 times")
	if at := b.watch("?after=5").next(wire.FrameResumed).After; !strings.HasPrefix(at, "5-") {
		t.Errorf("the edge is resumed at %s", at)
	}
}

func TestOriginsOfWebSockets(t *testing.T) {
	b := newWatchBench(t, func(c *Config) { c.Web.CORSOrigins = []string{"https://ui.example"} })
	own, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	for origin, status := range map[string]int{
		"": 101, "https://ui.example": 101, "http://" + own.Host: 101,
		"https://evil.example": 403, "null": 403, "http://ui.example": 403, "http://127.0.0.1:1": 403,
	} {
		s, refused := b.dial("", "Origin: "+origin)
		switch {
		case s == nil && status == 101:
			t.Errorf("origin %q: %d %s", origin, refused.status, refused.body)
		case s != nil && status != 101:
			t.Errorf("origin %q may connect", origin)
		case s == nil:
			refused.problem(403, wire.ProblemForbidden, "--cors-origin")
		}
	}
	everybody := newWatchBench(t, func(c *Config) { c.Web.CORSOrigins = []string{"*"} })
	everybody.connect("", "Origin: https://any.example")
	mine := b.watch("", "Origin: https://ui.example").header
	if mine.Get("Access-Control-Allow-Origin") != "https://ui.example" || !strings.Contains(mine.Get("Access-Control-Expose-Headers"), wire.HeaderPosition) {
		t.Errorf("a stream that the origin may read: %v", mine)
	}
}

func TestTooManyWatchesAreRefused(t *testing.T) {
	b := newWatchBench(t, func(c *Config) { c.Limits.Watches = streaming.Limits{Watches: 3, PerPrincipal: 2} })
	viewer := "X-Api-Key: " + b.key("v", "pay", "viewer", "")
	for range 2 {
		b.watch("", viewer).next(wire.FrameResumed)
	}
	refused := b.do("GET", watchPath, nil, viewer)
	refused.problem(429, wire.ProblemTooManyRequests, "2")
	if refused.header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	last := b.watch("")
	last.next(wire.FrameResumed)
	full := b.do("GET", watchPath, nil)
	full.problem(503, wire.ProblemOverloaded, "3", "--max-watches")
	if full.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	last.close()
	until(t, "a place is free", func() bool { return b.server.streams.Stats().Watches[streaming.SSE] == 2 })
	b.watch("").next(wire.FrameResumed)
}
