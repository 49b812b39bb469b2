package api

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"confman/api/admission"
	"confman/api/keyuse"
	"confman/api/wire"
)

// answers stands for a leader, of which it is known how often it was asked.
type answers struct {
	status int
	asked  int
}

// RoundTrip implements http.RoundTripper.
func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked++
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// forwarded is a write that the stand-in answers, in a way that no document has.
func (b *bench) forwarded(method, key string, length int64) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, entryPath("pay", "a"), strings.NewReader("1"))
	r.ContentLength = length
	r.Header.Set(wire.HeaderAPIKey, key)
	w := httptest.NewRecorder()
	b.server.ServeHTTP(w, r)
	return w
}

// Who is not known may wait, for a key that this node has yet to hear of, or for the
// leader; not in the places of those who are.
func TestStrangersDoNotWaitInThePlacesOfOthers(t *testing.T) {
	leader := &answers{status: http.StatusNoContent}
	b := newBench(t, func(c *Config) { c.Forward, c.Limits.Admission = leader, admission.Config{Waiting: 8} })
	b.put("pay", "a", "1")
	_, unknown := MintKey(b.server.Random)
	gate, known := b.server.gate, b.root
	take := func(q *admission.Quota, places int64) (give func()) {
		for _, flow := range []string{"one", "another"} {
			if err := q.Take(flow, places/2); err != nil {
				t.Fatal(err)
			}
		}
		return func() { q.Give("one", places/2); q.Give("another", places/2) }
	}
	look := func() reply { return b.do("GET", "/api/v1/whoami", nil) }
	write := func(method string, want int, text string) {
		t.Helper()
		if w := b.forwarded(method, b.root, 1); w.Code != want || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
	poll := func() reply { return b.do("GET", entryPath("pay", "a")+"?wait=1ms&index=1000", nil) }

	give := take(gate.Strangers, 2)
	b.root = unknown
	look().problem(503, wire.ProblemOverloaded, "a quarter of --max-waiting")
	b.root = known
	poll().is(200)
	b.node.follows("10.0.0.3:6100")
	write(put, 204, "")
	b.root = unknown
	write(put, 503, "a quarter of --max-waiting")
	write(del, 503, "a quarter of --max-waiting")
	give()

	give = take(gate.Waiting, 8)
	look().problem(401, wire.ProblemUnauthenticated)
	write(put, 204, "")
	b.root = known
	poll().problem(503, wire.ProblemOverloaded, "(--max-waiting)")
	write(put, 503, "(--max-waiting)")
	write(del, 204, "") // nobody is kept from taking something away
	give()
	if n := gate.Waiting.Taken() + gate.Strangers.Taken(); n != 0 {
		t.Errorf("%d places are still taken", n)
	}
}

// Nobody takes memory from others by reading slowly what needs no key.
func TestWhatAnybodyMayAskCountsAsNobodys(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Limits.Admission = admission.Config{Bytes: 1 << 20} })
	for _, flow := range []string{"one", "another"} {
		if err := b.server.gate.Bytes.Take(flow, 1<<19); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/openapi.yaml", "/openapi.json", "/confman.js"} {
		b.do("GET", path, nil).is(200)
	}
}

// The time that a body may take follows from its length: one that nobody takes is
// refused before it is waited for.
func TestABodyThatIsTooLongIsNotForwarded(t *testing.T) {
	leader := &answers{status: http.StatusNoContent}
	b := newBench(t, func(c *Config) { c.Forward = leader })
	b.node.follows("10.0.0.3:6100")
	for length, want := range map[int64]int{1: 204, 1 << 40: 413, 1 << 62: 413} {
		if w := b.forwarded(put, b.root, length); w.Code != want {
			t.Errorf("%d bytes: %d %s", length, w.Code, w.Body)
		}
	}
	if leader.asked != 1 {
		t.Errorf("the leader was asked %d times", leader.asked)
	}
}

// noted is which keys were used, by ID.
type noted map[string]bool

func (n noted) Note(id, _ string) { n[id] = true }

func (n noted) Uses(context.Context, []string) ([]map[string]keyuse.Use, []string) { return nil, nil }

// lookingBook is asked for uses, and looks what the question holds meanwhile.
type lookingBook struct {
	noted
	look func()
}

func (l lookingBook) Uses(context.Context, []string) ([]map[string]keyuse.Use, []string) {
	l.look()
	return nil, nil
}

// A member that does not answer holds up who asked, and nobody else.
func TestWhoWaitsForOtherMembersHasNoPlace(t *testing.T) {
	book := lookingBook{noted{}, func() { t.Error("asked before there is a node") }}
	b := newBench(t, func(c *Config) { c.Identity.Uses = &book })
	asked := 0
	book.look = func() {
		asked++
		if held, _ := b.server.gate.Queue(admission.Read).Held(); held != 0 || b.server.gate.Waiting.Taken() != 1 {
			t.Errorf("%d places are held, %d wait", held, b.server.gate.Waiting.Taken())
		}
	}
	if b.do("GET", "/api/v1/keys", nil).is(200); asked != 1 {
		t.Errorf("members were asked %d times", asked)
	}
}

func TestAKeyThatIsOverIsNotUsedWhateverTheLeaderAnswers(t *testing.T) {
	uses := noted{}
	b := newBench(t, func(c *Config) {
		c.Forward, c.Identity.Uses = &answers{status: http.StatusServiceUnavailable}, uses
	})
	made := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{Name: "ci", Grants: []wire.Grant{{Namespace: "/", Role: "admin"}}}).is(201))
	revoked := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{Name: "gone", Grants: []wire.Grant{{Namespace: "/", Role: "admin"}}}).is(201))
	b.do("DELETE", "/api/v1/keys/"+revoked.ID, nil).is(204)
	b.node.follows("10.0.0.3:6100")
	for _, key := range []string{made.Key, revoked.Key} {
		if w := b.forwarded(put, key, 1); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if !uses[made.ID] || uses[revoked.ID] {
		t.Errorf("used: %v, of %s, which is good, and %s, which is revoked", uses, made.ID, revoked.ID)
	}
}
