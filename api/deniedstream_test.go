package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
)

// recorded waits until the newest row that a query selects says something: a
// stream's end is recorded when its goroutine comes to it.
func (b *bench) recorded(query, says string) wire.Denied {
	b.t.Helper()
	late := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		rows := b.denied("limit=1&" + query)
		if len(rows) == 1 && strings.Contains(rows[0].Detail, says) {
			return rows[0]
		}
		select {
		case <-tick.C:
		case <-late:
			b.t.Fatalf("%s: %+v, want a row about %q", query, rows, says)
		}
	}
}

func TestStreamsThatLoseTheirRightsAreRecorded(t *testing.T) {
	b := newWatchBench(t, func(c *Config) { c.Denials = openDenials(t) })
	for _, name := range []string{"by SSE", "by WebSocket"} {
		made := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{Name: name[3:], Grants: []wire.Grant{{Namespace: "pay", Role: "viewer"}}}).is(201))
		header := "X-Api-Key: " + made.Key
		if name == "by SSE" {
			b.watch("", header).next(wire.FrameResumed)
		} else {
			s := b.connect("?id=a", header)
			s.next(wire.FrameResumed)
			s.send(`{"op":"watch","id":"b","namespace":"web"}`)
			s.next(wire.FrameReset)
			if d := b.recorded("principal="+made.Principal, "namespace web"); d.Reason != wire.DeniedForbidden || d.Status != 403 || d.Path != watchPath || d.KeyID != made.ID {
				t.Errorf("%s: %+v", name, d)
			}
		}
		b.do("DELETE", "/api/v1/keys/"+made.ID, nil).is(204)
		d := b.recorded("reason=unauthenticated&principal="+made.Principal, "was revoked")
		if d.Status != 401 || d.Path != watchPath || d.Route != watchPath || d.KeyID != made.ID || d.Remote != "127.0.0.1" || d.CorrelationID == "" {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestLoginsAndTokensThatFailAreRecorded(t *testing.T) {
	b, at := newGate(t, func(c *Config) { c.Denials = openDenials(t) })
	session := b.logIn()
	before := len(b.denied(""))
	for _, tt := range []struct {
		path, header, says string
		status             int
		principal          string
	}{
		{"/auth/callback?code=the-code&state=the-state", "Sec-Fetch-Site: none", "not begun in this browser", 400, ""},
		{"/api/v1/whoami", "Authorization: Bearer " + at.Token(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), "expired", 401, ""},
		{"/api/v1/whoami", session + "x", "session cookie", 401, ""},
		{"/debug/pprof/", session, "needs the role admin", 403, "ann@example.com"},
	} {
		b.do("GET", tt.path, nil, noKey, tt.header).is(tt.status)
		d := b.denied("limit=1")[0]
		if d.Status != tt.status || d.Principal != tt.principal || !strings.Contains(d.Detail, tt.says) || strings.Contains(fmt.Sprint(d), "the-") {
			t.Errorf("%s %.30s: %+v", tt.path, tt.header, d)
		}
	}
	if got := len(b.denied("")) - before; got != 4 {
		t.Errorf("%d rows, want 4", got)
	}
	for _, refused := range []string{"access_denied", "what+somebody+wrote"} {
		if d := refusedLogin(t, b, refused); d.Status != 401 || strings.Contains(d.Detail, refused[:6]) || !strings.Contains(d.Detail, "the issuer did not let you in") {
			t.Errorf("%+v", d)
		}
	}
}

// refusedLogin begins a login that the issuer refuses, and returns its row.
func refusedLogin(t *testing.T, b *bench, why string) wire.Denied {
	t.Helper()
	begun := b.do("GET", "/auth/login", nil, noKey).is(302)
	cookie, _, _ := strings.Cut(begun.header.Get("Set-Cookie"), ";")
	_, state, _ := strings.Cut(begun.header.Get("Location"), "state=")
	state, _, _ = strings.Cut(state, "&")
	b.do("GET", "/auth/callback?error="+why+"&state="+state, nil, noKey, "Cookie: "+cookie).is(401)
	return b.denied("limit=1")[0]
}

// What the leader refuses to a client of another node is recorded there, too:
// only that node knows the client's address.
func TestWhatWasForwardedAndRefusedIsRecordedTwice(t *testing.T) {
	leader := newBench(t, func(c *Config) { c.Denials = openDenials(t) })
	follower := newBench(t, func(c *Config) { c.Forward, c.Denials = http.DefaultTransport, openDenials(t) })
	follower.node.follows(strings.TrimPrefix(leader.url, "http://"))
	follower.do("PUT", entryPath("a", "b"), `{"value":1}`, "X-Api-Key: guess", "X-Correlation-Id: c-9").is(401)
	here, there := follower.denied("")[0], leader.denied("")[0]
	if here.CorrelationID != "c-9" || there.CorrelationID != "c-9" || here.Status != 401 || !strings.Contains(here.Detail, "refused by the leader") ||
		here.Key != "b" || strings.Contains(fmt.Sprint(here, there), "guess") {
		t.Errorf("here %+v\nthere %+v", here, there)
	}
}

func TestTextsLoseWhatLooksLikeAKey(t *testing.T) {
	for _, tt := range []struct{ given, want string }{
		{"", ""},
		{"/api/v1/keys", "/api/v1/keys"},
		{"/x/cfm_abc_DEF_01234567/y", "/x/cfm_…/y"},
		{"cfm_a and cfm_b", "cfm_… and cfm_…"},
		{`"cfm_a"`, `"cfm_…"`},
	} {
		if got := withoutKeys(tt.given); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.given, got, tt.want)
		}
	}
	(*deniedStream)(nil).refused(errors.New("of a node that keeps nothing"))
}
