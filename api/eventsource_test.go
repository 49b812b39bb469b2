package api

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"confman/api/wire"
	"confman/events"
	"confman/streaming"
)

// An EventSource that is answered with an error gives up for good. What is over
// in a moment must not do that to it.
func TestAnEventSourceThatReconnectsIsNeverSentAwayForGood(t *testing.T) {
	b := newWatchBench(t, func(c *Config) { c.Limits.Watches.PerPrincipal = 1 })
	const last = "Last-Event-ID: 3"
	b.put("pay", "a", "1")
	sse := "Accept: text/event-stream"
	goaway := func(reason, word string, headers ...string) {
		t.Helper()
		got := b.do("GET", watchPath+"?wait=1ms", nil, append(headers, sse)...).is(200)
		want := regexp.MustCompile(`^retry: [12][0-9]{3}\n\nevent: goaway\ndata: \{"frame":"goaway","reason":"` + reason + `","detail":"[^\n]*` + word + `[^\n]*"\}\n\n$`)
		if !want.MatchString(got.body) || got.header.Get("Content-Type") != wire.MediaSSE || got.header.Get("Cache-Control") != "no-cache, no-transform" {
			t.Errorf("%v %q, want %s", got.header, got.body, want)
		}
	}
	goaway(wire.ReasonBehind, "99", "Last-Event-ID: 99-00000000")
	goaway(wire.ReasonBehind, "cannot be told", "Last-Event-ID: 99-00000000", "X-Api-Key: never heard of")
	b.node.mu.Lock()
	b.node.uncertain = events.ErrUnavailable
	b.node.mu.Unlock()
	goaway(wire.ReasonUnavailable, "cannot be told", last, "X-Api-Key: never heard of")
	b.node.mu.Lock()
	b.node.uncertain = nil
	b.node.mu.Unlock()
	only := b.watch("")
	only.next(wire.FrameResumed)
	goaway(wire.ReasonLimit, "has 1 on this node", last)

	// Others can tell, and what stays wrong must be told.
	b.do("GET", watchPath, nil, last, "Accept: application/x-ndjson").problem(429, wire.ProblemTooManyRequests)
	b.do("GET", watchPath, nil).problem(429, wire.ProblemTooManyRequests)
	b.do("HEAD", watchPath, nil, last).is(429)
	b.do("GET", watchPath, nil, last, "X-Api-Key: never heard of").problem(401, wire.ProblemUnauthenticated)
	only.close()
	until(t, "the stream has ended", func() bool { return b.server.streams.Stats().Watches[streaming.SSE] == 0 })
	b.do("GET", watchPath, nil, "Last-Event-ID: 3-00000000").problem(409, wire.ProblemOtherHistory)
}

// A node that has just started does not know the key yet, but the position tells
// when it will.
func TestAKeyIsWaitedForAsLongAsThePositionIs(t *testing.T) {
	b := newWatchBench(t)
	id, key := MintKey(b.server.Random)
	opened := make(chan sent, 1)
	go func() {
		s := b.watch("", "X-Api-Key: "+key, "Last-Event-ID: 3")
		opened <- s.next(wire.FrameResumed)
	}()
	b.waitUntilAwaited()
	_, err := b.node.Submit(t.Context(), events.CreateKey{ID: id, Name: "late", Digest: events.DigestKey(key), Grants: []events.Grant{{Namespace: "pay", Role: events.Viewer}}},
		events.Stamp{Time: time.Now(), Actor: "ana"})
	if err != nil {
		t.Fatal(err)
	}
	if f := <-opened; !strings.HasPrefix(f.After, "3-") {
		t.Error(f.raw)
	}
}

func TestDrainSaysGoodbyeToAll(t *testing.T) {
	b := newWatchBench(t)
	sse, lines, ws := b.watch(""), b.watch("", "Accept: application/x-ndjson"), b.connect("?id=a")
	sse.next(wire.FrameResumed)
	lines.next(wire.FrameResumed)
	ws.next(wire.FrameResumed)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		b.server.Drain(ctx)
	}()
	for _, s := range []*stream{sse, lines} {
		if f := s.next(wire.FrameGoaway); f.Reason != wire.ReasonShutdown || f.id != "" {
			t.Error(f.raw)
		}
		if f := s.read(); f.raw != "" {
			t.Errorf("after goaway comes %s", f.raw)
		}
	}
	if f := ws.next(wire.FrameGoaway); f.Reason != wire.ReasonShutdown {
		t.Error(f.raw)
	}
	if code := ws.closed(); code != websocket.StatusGoingAway {
		t.Errorf("closed with %d", code)
	}
	<-done
	b.do("GET", watchPath, nil).problem(503, wire.ProblemUnavailable, "stops")
	if got := b.do("GET", watchPath, nil, "Last-Event-ID: 2").is(200); !strings.Contains(got.body, "event: goaway\n") {
		t.Error(got.body)
	}
}

func TestOpsOfAWebSocket(t *testing.T) {
	b := newWatchBench(t)
	viewer := "X-Api-Key: " + b.key("v", "pay", "viewer", "")
	s := b.connect("", viewer) // opens nothing by itself
	for _, test := range []struct {
		message, reason, watch, word string
	}{
		{`{"op":"watch","id":"x","namespace":"other"}`, wire.ReasonForbidden, "x", "viewer"},
		{`{"op":"watch","id":"x","namespace":"a//b"}`, wire.ReasonInvalid, "x", "namespace"},
		{`{"op":"watch","id":"x","after":"soon"}`, wire.ReasonInvalid, "x", "after"},
		{`{"op":"watch","id":"x","after":"1-00000000"}`, wire.ReasonOtherHistory, "x", ""},
		{`{"op":"fly","id":"x"}`, wire.ReasonInvalid, "x", "op"},
		{`{"op":"unwatch","id":"x"}`, wire.ReasonInvalid, "x", "no watch"},
	} {
		s.send(test.message)
		if f := s.next(wire.FrameReset); f.Reason != test.reason || f.Watch != test.watch || !strings.Contains(f.Detail, test.word) {
			t.Errorf("%s: %s", test.message, f.raw)
		}
	}
	s.send(`{"op":"watch","id":"one","namespace":["pay"],"after":"snapshot"}`)
	s.next(wire.FrameSnapshot)
	s.next(wire.FrameSnapshotEnd)
	s.send(`{"op":"watch","id":"two","key":"k"}`)
	s.next(wire.FrameResumed)
	b.put("pay", "k", "1")
	seen := map[string]int{}
	for range 2 {
		seen[s.next(wire.FrameEvent).Watch]++
	}
	s.send(`{"op":"unwatch","id":"one"}`)
	if f := s.next(wire.FrameReset); f.Reason != wire.ReasonUnwatched || f.Watch != "one" {
		t.Error(f.raw)
	}
	b.put("pay", "k", "2")
	seen[s.next(wire.FrameEvent).Watch]++
	if seen["one"] != 1 || seen["two"] != 2 {
		t.Errorf("%v", seen)
	}
	s.send(`not JSON`)
	if f := s.next(wire.FrameReset); f.Reason != wire.ReasonInvalid || f.Watch != "two" {
		t.Error(f.raw)
	}
	if code := s.closed(); code != websocket.StatusPolicyViolation {
		t.Errorf("closed with %d", code)
	}
}

func TestWatchesAreListedToTheirAdmins(t *testing.T) {
	b := newWatchBench(t)
	admin := "X-Api-Key: " + b.key("pat", "pay", "admin", "")
	b.put("pay", "a", "1")
	b.watch("?after=start&namespace=pay/eu&namespace=pay&prefix=a").next(wire.FrameResumed)
	b.watch("").next(wire.FrameResumed)
	ws := b.connect("?namespace=pay&id=w&events=all", admin)
	ws.next(wire.FrameResumed)
	until(t, "the event is sent", func() bool {
		rows := decodeAs[[]wire.Watching](b.do("GET", "/api/v1/watches", nil).is(200))
		return len(rows) == 3 && rows[0].Delivered == 1
	})
	rows := decodeAs[[]wire.Watching](b.do("GET", "/api/v1/watches", nil).is(200))
	first, third := rows[0], rows[2]
	if first.ID != "1" || first.Node != "n1" || first.Principal != "ana" || first.KeyID == "" || first.Remote == "" || first.Encoding != wire.EncodingSSE ||
		strings.Join(first.Namespaces, " ") != "pay pay/eu" || first.Prefix != "a" || first.Events != wire.EventsConfig || first.Since.IsZero() || first.Index != 6 || first.Lag != 0 {
		t.Errorf("%+v", first)
	}
	if third.ID != "3/w" || third.Encoding != wire.EncodingWebSocket || third.Events != wire.EventsAll || third.Principal != "pat" {
		t.Errorf("%+v", third)
	}
	if mine := decodeAs[[]wire.Watching](b.do("GET", "/api/v1/watches", nil, admin).is(200)); len(mine) != 2 || mine[0].ID != "1" || mine[1].ID != "3/w" {
		t.Errorf("the admin of pay sees %+v", mine)
	}
	page := b.do("GET", "/api/v1/watches?limit=2", nil).is(200)
	next, _, _ := strings.Cut(strings.TrimPrefix(page.header.Get("Link"), "<"), ">")
	if rest := decodeAs[[]wire.Watching](b.do("GET", next, nil).is(200)); len(rest) != 1 || rest[0].ID != "3/w" {
		t.Errorf("page 2 is %+v", rest)
	}
	text := b.do("GET", "/metrics", nil).is(200).body
	for _, want := range []string{
		`confman_watches{encoding="sse"} 2`, `confman_watches{encoding="websocket"} 1`, `confman_watch_connections{encoding="ndjson"} 0`,
		"confman_watch_events_total 1", "confman_watch_bytes_total ", "confman_watch_lag_max_events 0",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	ws.send(`{"op":"unwatch","id":"w"}`)
	ws.next(wire.FrameReset)
	if text := b.do("GET", "/metrics", nil).is(200).body; !strings.Contains(text, `confman_watch_ended_total{reason="unwatched"} 1`) {
		t.Error("the end is not counted")
	}
}

// A stream lasts; only the time to its beginning says how fast the node is.
func TestStreamsDoNotCountAsSlowRequests(t *testing.T) {
	b := newWatchBench(t)
	s := b.watch("")
	s.next(wire.FrameResumed)
	until(t, "some time has passed", func() bool { return time.Since(b.server.streams.List()[0].Since) > 60*time.Millisecond })
	s.close()
	until(t, "the stream has ended", func() bool { return b.server.streams.Stats().Watches[streaming.SSE] == 0 })
	const counted = `confman_http_request_duration_seconds_bucket{method="GET",route="/api/v1/watch",le="0.05"} 1`
	until(t, counted, func() bool { return strings.Contains(b.do("GET", "/metrics", nil).body, counted) })
}
