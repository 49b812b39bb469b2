package api

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
	"confman/events"
)

// until returns once a condition holds.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// waitUntilPolled returns once a request waits at the hub.
func (b *bench) waitUntilPolled() {
	b.t.Helper()
	until(b.t, "a long poll waits", func() bool { return b.node.hub.Waiting() > 0 })
}

// waitUntilAwaited returns once a request waits for an index.
func (b *bench) waitUntilAwaited() {
	b.t.Helper()
	until(b.t, "a request waits for an index", func() bool { return b.node.Waiting() > 0 })
}

// poll asks in the background.
func (b *bench) poll(path string, headers ...string) <-chan reply {
	done := make(chan reply, 1)
	go func() {
		r, err := b.try("GET", path, nil, headers...)
		if err != nil {
			b.t.Error(err)
		}
		done <- r
	}()
	return done
}

func TestLongPollAnswersOnceTheEntryChanges(t *testing.T) {
	b := newBench(t)
	known := b.put("pay", "a", "1").header.Get(wire.HeaderIndex)
	path := entryPath("pay", "a") + "?wait=30s&index=" + known

	done := b.poll(path)
	b.waitUntilPolled()
	b.put("pay", "other", "1")
	b.waitUntilPolled()
	select {
	case r := <-done:
		t.Fatalf("answered a change of another key: %d %s", r.status, r.body)
	default:
	}
	b.put("pay", "a", "2")
	got := <-done
	if e := decodeAs[wire.ConfigEntry](got.is(200)); string(e.Value) != "2" || got.header.Get("ETag") != `"v2"` {
		t.Errorf("answered %s with tag %s", got.body, got.header.Get("ETag"))
	}

	if r := b.do("GET", path, nil).is(200); !strings.Contains(r.body, `"value":2`) {
		t.Errorf("a change that had happened was not told at once: %s", r.body)
	}

	done = b.poll(entryPath("pay", "a") + "?wait=30s&index=" + got.header.Get(wire.HeaderIndex))
	b.waitUntilPolled()
	b.do("DELETE", entryPath("pay", "a"), nil).is(204)
	(<-done).problem(404, wire.ProblemNotFound)

	done = b.poll(entryPath("pay", "new") + "?wait=30s&index=0")
	b.waitUntilPolled()
	b.put("pay", "new", `"here"`)
	(<-done).is(200)
}

func TestLongPollEndsWithWhatThereIs(t *testing.T) {
	b := newBench(t)
	known := b.put("pay", "a", "1").header.Get(wire.HeaderIndex)
	b.do("GET", entryPath("pay", "a")+"?wait=1ms&index="+known, nil).is(200)
	b.do("GET", entryPath("pay", "a")+"?wait=1ms&index="+known, nil, `If-None-Match: "v1"`).is(304)
	b.do("GET", entryPath("pay", "none")+"?wait=1ms&index=0", nil).is(404)
	if b.node.hub.Waiting() > 0 {
		t.Error("somebody still waits at the hub")
	}
}

func TestLongPollSeesWhatParentsChange(t *testing.T) {
	b := newBench(t)
	known := b.put("teams", "a", "1").header.Get(wire.HeaderIndex)
	done := b.poll(entryPath("teams/pay", "a") + "?resolve=true&wait=30s&index=" + known)
	b.waitUntilPolled()
	b.put("teams", "a", "2")
	if got := decodeAs[wire.ConfigEntry]((<-done).is(200)); got.From != "teams" || string(got.Value) != "2" {
		t.Errorf("answered %+v", got)
	}
}

func TestLongPollOfARevokedKeyTellsNothing(t *testing.T) {
	b := newBench(t)
	b.put("pay", "a", "1")
	made := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{Name: "v", Grants: []wire.Grant{{Namespace: "pay", Role: "viewer"}}}).is(201))
	done := b.poll(entryPath("pay", "a")+"?wait=30s&index=100", "X-Api-Key: "+made.Key)
	b.waitUntilPolled()
	b.do("DELETE", "/api/v1/keys/"+made.ID, nil).is(204)
	b.node.hub.Reset()
	b.waitUntilPolled()
	for b.node.State().Index() <= 100 {
		b.put("pay", "b", `"`+time.Duration(b.node.State().Index()).String()+`"`)
	}
	b.put("pay", "a", `"secret"`)
	(<-done).problem(401, wire.ProblemUnauthenticated, "revoked")
}

func TestReadsWaitForTheIndexTheyName(t *testing.T) {
	b := newBench(t)
	b.put("pay", "a", "1")
	now := b.node.State().Position()
	b.do("GET", entryPath("pay", "a"), nil, "X-Confman-Min-Index: "+now.String()).is(200)
	b.do("GET", entryPath("pay", "a")+"?min_index="+now.String(), nil).is(200)
	p := b.do("GET", entryPath("pay", "a")+"?min_index=99&wait=1ms", nil).problem(504, wire.ProblemNotCaughtUp)
	if p.Index != now.Index {
		t.Errorf("says that it stands at %d, want %d", p.Index, now.Index)
	}
	b.do("GET", entryPath("pay", "a")+"?min_index=2-00000000", nil).problem(409, wire.ProblemOtherHistory)
	b.do("GET", entryPath("pay", "a")+"?min_index=1", nil, "X-Confman-Min-Index: 2").problem(400, wire.ProblemMalformed, "min_index")

	done := b.poll(entryPath("pay", "b")+"?wait=30s", "X-Confman-Min-Index: 6")
	b.waitUntilAwaited()
	b.put("pay", "b", "1")
	b.waitUntilAwaited()
	b.put("pay", "b", "2")
	if got := <-done; got.status != 200 || !strings.Contains(got.body, `"value":2`) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestLinearizableReadsAreConfirmed(t *testing.T) {
	b := newBench(t)
	b.put("pay", "a", "1")
	confirmed := b.do("GET", entryPath("pay", "a")+"?consistency=linearizable", nil).is(200)
	if confirmed.header.Get(wire.HeaderStaleMs) != "" {
		t.Error("a linearizable read is said to be stale")
	}
	local := b.do("GET", entryPath("pay", "a"), nil).is(200)
	if local.header.Get(wire.HeaderStaleMs) != "0" || local.header.Get(wire.HeaderLeaderKnown) != "true" {
		t.Errorf("a local read says %v", local.header)
	}
	b.node.mu.Lock()
	b.node.uncertain = events.ErrUnavailable
	b.node.mu.Unlock()
	refused := b.do("GET", entryPath("pay", "a")+"?consistency=linearizable", nil)
	refused.problem(503, wire.ProblemUnavailable)
	if refused.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	b.do("GET", entryPath("pay", "a"), nil).is(200)
}
