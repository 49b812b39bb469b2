package api

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"confman/api/wire"
	"confman/events"
	"confman/streaming"
)

const watchedEvent = `{"frame":"event","prev":4,"event":{"index":5,"position":"POSITION","time":"TIME","id":"ULID","type":"config.created","shape":1,` +
	`"actor":"ana","namespace":"pay","key":"a","data":{"type":"number","value":1,"version":1},"correlationId":"c-1"}}`

// The bytes of each encoding, but for what differs from run to run.
func TestEncodingsSayTheSameFrames(t *testing.T) {
	b := newWatchBench(t)
	b.put("pay", "before", "1")
	b.do("PUT", entryPath("pay", "a"), `{"value":1}`, "X-Correlation-Id: c-1").is(201)
	const resumed = `{"frame":"resumed","after":"POSITION","head":"POSITION","staleMs":0,"leaderKnown":true}`
	for _, test := range []struct{ accept, media, want string }{
		{"", wire.MediaSSE, "retry: R\n\nevent: resumed\nid: POSITION\ndata: " + resumed + "\n\nevent: event\nid: POSITION\ndata: " + watchedEvent + "\n\n"},
		{"text/event-stream", wire.MediaSSE, "retry: R\n\nevent: resumed\nid: POSITION\n"},
		{"*/*", wire.MediaSSE, "retry: R\n\nevent: resumed\nid: POSITION\n"},
		{"application/x-ndjson", wire.MediaNDJSON, resumed + "\n" + watchedEvent + "\n"},
	} {
		s := b.watch("?after=4&namespace=pay", "Accept: "+test.accept)
		got := make([]byte, 0, 4096)
		for len(plain(string(got))) < len(test.want) {
			part := make([]byte, 4096)
			n, err := s.lines.Read(part)
			if err != nil {
				t.Fatalf("%q: %v", got, err)
			}
			got = append(got, part[:n]...)
		}
		if text := plain(string(got)); !strings.HasPrefix(text, test.want) {
			t.Errorf("Accept %q:\n%s\nwant\n%s", test.accept, text, test.want)
		}
		for name, want := range map[string]string{
			"Content-Type": test.media, "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no",
			wire.HeaderIndex: "5", wire.HeaderLeaderKnown: "true", "Content-Length": "", "X-Content-Type-Options": "nosniff",
		} {
			if s.header.Get(name) != want {
				t.Errorf("Accept %q: %s is %q, want %q", test.accept, name, s.header.Get(name), want)
			}
		}
		s.close()
	}
	socket := b.connect("?after=4&namespace=pay&id=w1")
	if got := plain(socket.next(wire.FrameResumed).raw); got != strings.Replace(resumed, `,"after"`, `,"watch":"w1","after"`, 1) {
		t.Error(got)
	}
	if got := plain(socket.next(wire.FrameEvent).raw); got != strings.Replace(watchedEvent, `,"prev"`, `,"watch":"w1","prev"`, 1) {
		t.Error(got)
	}
}

// Whoever asks for a position hears what follows it; Last-Event-ID wins.
func TestWatchResumesWhereItWas(t *testing.T) {
	b := newWatchBench(t)
	var positions []string
	for _, key := range []string{"a", "b", "c"} {
		positions = append(positions, b.put("pay", key, "1").header.Get(wire.HeaderPosition))
	}
	s := b.watch("?after=" + positions[0])
	if f := s.next(wire.FrameResumed); f.After != positions[0] || f.Head != positions[2] || f.id != positions[0] || f.event != wire.FrameResumed {
		t.Errorf("%+v, want after %s and head %s", f, positions[0], positions[2])
	}
	if f := s.next(wire.FrameEvent); f.Event.Key != "b" || f.Prev != 4 || f.id != positions[1] || f.Event.Position != positions[1] {
		t.Errorf("%+v", f)
	}
	if f := s.next(wire.FrameEvent); f.Event.Key != "c" || f.Prev != f.Event.Index-1 {
		t.Errorf("%+v", f)
	}
	b.put("pay", "d", "1")
	if f := s.next(wire.FrameEvent); f.Event.Key != "d" {
		t.Errorf("%+v", f)
	}
	for _, query := range []string{"?after=now", "?after=" + positions[0], "?after=snapshot", ""} {
		s := b.watch(query, "Last-Event-ID: "+positions[1])
		if got := s.next(wire.FrameResumed); got.After != positions[1] {
			t.Errorf("%s with Last-Event-ID %s began after %s", query, positions[1], got.After)
		}
		s.close()
	}
	if got := b.watch("?after="+positions[0], "Last-Event-ID: snapshot").next(wire.FrameSnapshot); got.id != wire.AfterSnapshot {
		t.Errorf("%+v", got)
	}
	if got := b.watch("").next(wire.FrameResumed); got.After != got.Head || got.Head != b.node.State().Position().String() {
		t.Errorf("without after it began at %s of %s", got.After, got.Head)
	}
	if got := b.watch("?after=start").next(wire.FrameResumed); got.After != "0-00000000" {
		t.Errorf("the start is %s", got.After)
	}
}

func TestSnapshotIsTheEntriesOfTheSubtree(t *testing.T) {
	b := newWatchBench(t)
	for _, ns := range []string{"a", "a/b", "a-b", "a/b/c", "b", "aa", "a/b-c"} {
		b.put(ns, "k", `"v"`)
	}
	b.put("a", "j/k", "1")
	b.put("a", "gone", "1")
	b.do("DELETE", entryPath("a", "gone"), nil).is(204)
	for _, test := range []struct {
		query string
		want  []string
	}{
		{"namespace=a", []string{"a:j/k", "a:k", "a/b:k", "a/b-c:k", "a/b/c:k"}},
		{"namespace=a/b&namespace=b&namespace=a/b/c", []string{"a/b:k", "a/b/c:k", "b:k"}},
		{"namespace=a&prefix=j/", []string{"a:j/k"}},
		{"namespace=a&key=j/k", []string{"a:j/k"}},
		{"key=none", nil},
		{"", []string{"a:j/k", "a:k", "a-b:k", "a/b:k", "a/b-c:k", "a/b/c:k", "aa:k", "b:k"}},
		{"namespace=/&key=k", []string{"a:k", "a-b:k", "a/b:k", "a/b-c:k", "a/b/c:k", "aa:k", "b:k"}},
	} {
		s := b.watch("?after=snapshot&" + test.query)
		begin := s.next(wire.FrameSnapshot)
		got := s.keys(wire.FrameEntry, len(test.want))
		end := s.next(wire.FrameSnapshotEnd)
		// Segments are compared as bytes: a-b before a/b.
		slices.Sort(test.want)
		slices.Sort(got)
		if !slices.Equal(got, test.want) || end.Entries != len(test.want) || end.Position != begin.Position || end.id != end.Position || begin.id != "snapshot" {
			t.Errorf("%s: %v %+v, want %v", test.query, got, end, test.want)
		}
		s.close()
	}
}

func TestFiltersSelectEvents(t *testing.T) {
	b := newWatchBench(t)
	b.do("PUT", "/api/v1/namespaces/pay", `{"description":"d"}`).is(201)
	for _, e := range []string{"pay db/url", "pay db/user", "pay/eu db/url", "pay cache", "other db/url"} {
		ns, key, _ := strings.Cut(e, " ")
		b.put(ns, key, `"secret"`)
	}
	b.do("DELETE", entryPath("pay", "cache"), nil).is(204)
	for _, test := range []struct {
		query string
		want  string
	}{
		{"", "pay:db/url pay:db/user pay/eu:db/url pay:cache other:db/url pay:cache"},
		{"namespace=pay", "pay:db/url pay:db/user pay/eu:db/url pay:cache pay:cache"},
		{"namespace=pay/eu&namespace=other", "pay/eu:db/url other:db/url"},
		{"key=db/url", "pay:db/url pay/eu:db/url other:db/url"},
		{"namespace=pay&prefix=db/", "pay:db/url pay:db/user pay/eu:db/url"},
		{"events=config.deleted", "pay:cache"},
		{"events=namespace&namespace=pay", "pay: pay/eu:"},
		{"events=namespace,config.deleted&namespace=pay", "pay: pay/eu: pay:cache"},
		{"events=config&namespace=other", "other:db/url"},
		{"events=all&namespace=other", "other: other:db/url"},
	} {
		want := strings.Fields(test.want)
		s := b.watch("?after=start&" + test.query)
		s.next(wire.FrameResumed)
		if got := s.keys(wire.FrameEvent, len(want)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", test.query, got, want)
		}
		s.close()
	}
	s := b.watch("?after=start&values=none")
	s.next(wire.FrameResumed)
	if f := s.next(wire.FrameEvent); strings.Contains(f.raw, "secret") || !strings.Contains(f.raw, `"version":1`) {
		t.Errorf("values=none: %s", f.raw)
	}
	bare := b.watch("?after=snapshot&values=none")
	bare.next(wire.FrameSnapshot)
	if f := bare.next(wire.FrameEntry); strings.Contains(f.raw, "value") || !strings.Contains(f.raw, `"type":"string"`) {
		t.Errorf("values=none: %s", f.raw)
	}
}

func TestTransactionsAreMarked(t *testing.T) {
	b := newWatchBench(t)
	s := b.watch("?namespace=pay")
	s.next(wire.FrameResumed)
	b.do("POST", "/api/v1/transactions", `{"set":[{"namespace":"pay","key":"a","value":1},{"namespace":"other","key":"b","value":1},{"namespace":"pay","key":"c","value":1}]}`).is(200)
	first, second := s.next(wire.FrameEvent), s.next(wire.FrameEvent)
	if !first.More || second.More || first.Event.Transaction == "" || first.Event.Transaction != second.Event.Transaction || second.Prev != first.Event.Index || first.id == "" {
		t.Errorf("%s\n%s", first.raw, second.raw)
	}
}

// A watch shows what a read would, and no more.
func TestWatchShowsWhatTheCallerMayRead(t *testing.T) {
	b := newWatchBench(t)
	narrow := "X-Api-Key: " + b.key("narrow", "teams/pay", "viewer", "db/*")
	for _, e := range []string{"teams/pay cache", "teams/other db/url", "teams/pay db/url", "teams/pay/eu db/user"} {
		ns, key, _ := strings.Cut(e, " ")
		b.put(ns, key, `"v"`)
	}
	for _, query := range []string{"", "&namespace=teams", "&namespace=teams/pay", "&namespace=/", "&events=all"} {
		s := b.watch("?after=start"+query, narrow)
		s.next(wire.FrameResumed)
		if got := s.keys(wire.FrameEvent, 2); !slices.Equal(got, []string{"teams/pay:db/url", "teams/pay/eu:db/user"}) {
			t.Errorf("%s: %v", query, got)
		}
		s.close()
		s = b.watch("?after=snapshot"+query, narrow)
		s.next(wire.FrameSnapshot)
		if got := s.keys(wire.FrameEntry, 2); !slices.Equal(got, []string{"teams/pay:db/url", "teams/pay/eu:db/user"}) {
			t.Errorf("snapshot%s: %v", query, got)
		}
		if f := s.next(wire.FrameSnapshotEnd); f.Entries != 2 {
			t.Errorf("%d entries", f.Entries)
		}
		s.close()
	}
	for _, query := range []string{"?namespace=teams/other", "?namespace=team", "?namespace=teams/pay&namespace=x"} {
		b.do("GET", watchPath+query, nil, narrow).problem(403, wire.ProblemForbidden, "viewer")
	}
}

func TestRevokingAKeyEndsItsStreams(t *testing.T) {
	b := newWatchBench(t)
	made := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{Name: "v", Grants: []wire.Grant{{Namespace: "pay", Role: "viewer"}}}).is(201))
	s := b.watch("", "X-Api-Key: "+made.Key)
	s.next(wire.FrameResumed)
	ws := b.connect("?id=a", "X-Api-Key: "+made.Key)
	ws.next(wire.FrameResumed)
	waiting := b.poll(watchPath+"?after=99&wait=30s", "X-Api-Key: "+made.Key)
	b.waitUntilAwaited()
	began := time.Now()
	b.do("DELETE", "/api/v1/keys/"+made.ID, nil).is(204)
	if f := s.next(wire.FrameReset); f.Reason != wire.ReasonRevoked || time.Since(began) > time.Second {
		t.Errorf("%s after %s", f.raw, time.Since(began))
	}
	if f := s.read(); f.raw != "" {
		t.Errorf("the stream goes on with %s", f.raw)
	}
	if f := ws.next(wire.FrameReset); f.Reason != wire.ReasonRevoked {
		t.Error(f.raw)
	}
	if code := ws.closed(); code != websocket.StatusPolicyViolation {
		t.Errorf("closed with %d", code)
	}
	for b.node.State().Index() < 99 {
		b.put("pay", "n", `"`+time.Now().String()+`"`)
	}
	(<-waiting).problem(401, wire.ProblemUnauthenticated, "revoked")
}

func TestAKeyThatExpiresEndsItsStreams(t *testing.T) {
	b := newWatchBench(t)
	soon := time.Now().Add(700 * time.Millisecond)
	made := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{
		Name: "v", Grants: []wire.Grant{{Namespace: "pay", Role: "viewer"}}, ExpiresAt: &soon,
	}).is(201))
	s := b.watch("", "X-Api-Key: "+made.Key)
	s.next(wire.FrameResumed)
	if f := s.next(wire.FrameReset); f.Reason != wire.ReasonExpired || time.Now().Before(soon) {
		t.Error(f.raw)
	}
}

func TestHeadSaysWhatGetWouldBeginWith(t *testing.T) {
	b := newWatchBench(t)
	got := b.do("HEAD", watchPath+"?after=start", nil).is(200)
	if got.header.Get("Content-Type") != wire.MediaSSE || got.body != "" {
		t.Errorf("%v %q", got.header, got.body)
	}
	b.do("HEAD", watchPath+"?after=99&wait=1ms", nil).is(504)
	if now := b.server.streams.Stats(); now.Watches[streaming.SSE] != 0 {
		t.Errorf("%v are left", now.Watches)
	}
}

func TestWatchesOverHTTP2(t *testing.T) {
	b := newWatchBench(t)
	server := httptest.NewUnstartedServer(b.server)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	var streams []io.Reader
	for range 3 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+watchPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Api-Key", b.root)
		response, err := server.Client().Do(request)
		if err != nil || response.ProtoMajor != 2 {
			t.Fatalf("%v, %v", response, err)
		}
		defer response.Body.Close()
		streams = append(streams, response.Body)
	}
	b.put("pay", "a", "1")
	for _, stream := range streams {
		var got strings.Builder
		for !strings.Contains(got.String(), `"key":"a"`) {
			if _, err := io.CopyN(&got, stream, 1); err != nil {
				t.Fatalf("%s: %v", got.String(), err)
			}
		}
	}
}

// The steps of a request that changes what lies far apart are about no namespace
// that its editors administer.
func TestARequestsStepsAreShownToWhoMaySeeIt(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Now = time.Now })
	d.put("shop", "a", `1`)
	d.settings("pay", events.Settings{MinApprovers: ptr(1)})
	both := wire.NewKey{Name: "ines", Grants: []wire.Grant{{Namespace: "pay", Role: "publisher"}, {Namespace: "shop", Role: "publisher"}}}
	ines := by(decodeAs[wire.APIKey](d.do("POST", "/api/v1/keys", both).is(201)).Key)
	onlyReads := by(d.key("vera", "pay", "viewer", ""))
	after := d.node.State().Index()
	ask := func() string {
		r := d.do("POST", requestsPath, `{"changes":[{"namespace":"pay","key":"a","value":2},{"namespace":"shop","key":"a","value":2}]}`)
		return decodeAs[wire.PublishRequest](r.is(201)).ID
	}
	id := ask()
	d.say(id, "approve", "", ines).is(200)
	d.say(ask(), "reject", "no", ines).is(200)
	d.put("pay", "z", `1`)
	for _, test := range []struct{ name, who, want string }{
		{"who may see all of it", ines, "submitted approved published submitted rejected"},
		{"an editor of a part", d.rita, "approved published rejected"},
		{"a reader of a part", onlyReads, ""},
	} {
		s := d.watch(fmt.Sprintf("?events=publish-request,config.created&after=%d", after), test.who)
		s.next(wire.FrameResumed)
		var got []string
		for f := s.next(wire.FrameEvent); f.Event.Key != "z"; f = s.next(wire.FrameEvent) {
			if rest, of := strings.CutPrefix(f.Event.Type, "publish-request."); of {
				got = append(got, rest)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s is told %v, want %s", test.name, got, test.want)
		}
		audit := d.do("GET", "/api/v1/audit?events=publish-request", nil, test.who).is(200)
		if n := strings.Count(audit.body, `"publish-request.`); n != len(got) {
			t.Errorf("%s finds %d steps in the audit, want %d: %s", test.name, n, len(got), audit.body)
		}
	}
}
