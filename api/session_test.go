package api

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"confman/api/wire"
)

// signIn has a browser sign in with an API key, and returns its cookie as a header.
func (b *bench) signIn(key string, headers ...string) (cookie string, s wire.Session) {
	b.t.Helper()
	r := b.do("POST", "/auth/session", wire.NewSession{Key: key}, append([]string{noKey}, headers...)...).is(200)
	set, err := http.ParseSetCookie(r.header.Get("Set-Cookie"))
	if err != nil || !set.HttpOnly || set.SameSite != http.SameSiteStrictMode || set.Path != "/" || set.Domain != "" || strings.Contains(set.Value+r.body, key) {
		b.t.Fatalf("%v %v %s", set, err, r.body)
	}
	return "Cookie: " + set.Name + "=" + set.Value, decodeAs[wire.Session](r)
}

func (b *bench) session(headers ...string) wire.Session {
	b.t.Helper()
	r := b.do("GET", "/auth/session", nil, append([]string{noKey}, headers...)...).is(200)
	if r.header.Get("Cache-Control") != "no-store" {
		b.t.Errorf("%v", r.header)
	}
	return decodeAs[wire.Session](r)
}

func TestASessionOfAKeyIsThatKey(t *testing.T) {
	b := newWatchBench(t, func(c *Config) { c.Denials = openDenials(t) })
	b.put("pay", "a", "1")
	key := b.key("sam", "pay", "editor", "a*")
	browser, begun := b.signIn(key)
	if !strings.HasPrefix(browser, "Cookie: confman=") || !begun.SignedIn || begun.Principal != "sam" || begun.Via != wire.ViaKey || begun.KeyName != "sam" ||
		begun.KeyID == "" || begun.Login || !begun.Secure || begun.NodeID != "n1" || begun.Version != "test" {
		t.Errorf("%s %+v", browser, begun)
	}
	if left := time.Until(*begun.ExpiresAt); left > 8*time.Hour || left < 7*time.Hour {
		t.Errorf("it lasts %s", left)
	}
	if shown := b.session(browser); shown.KeyID != begun.KeyID || !shown.ExpiresAt.Equal(*begun.ExpiresAt) || !shown.SignedIn {
		t.Errorf("%+v", shown)
	}
	if shown := b.session(); shown.SignedIn || shown.Why != "" || shown.NodeID != "n1" {
		t.Errorf("without a cookie: %+v", shown)
	}
	if shown := b.session(browser + "x"); shown.SignedIn || !strings.HasPrefix(shown.Why, "the session cookie was altered") {
		t.Errorf("with another: %+v", shown)
	}
	me := decodeAs[wire.Principal](b.do("GET", "/api/v1/whoami", nil, noKey, browser).is(200))
	if me.Principal != "sam" || me.KeyID != begun.KeyID || len(me.Grants) != 1 || me.Grants[0].Keys != "a*" {
		t.Errorf("%+v", me)
	}
	e := decodeAs[wire.ConfigEntry](b.do("PUT", entryPath("pay", "a"), `{"value":2}`, noKey, browser).is(200))
	if e.UpdatedBy != "sam" {
		t.Errorf("%+v", e)
	}
	b.do("PUT", entryPath("pay", "b"), `{"value":2}`, noKey, browser).problem(403, wire.ProblemForbidden, "sam needs the role editor")
	if rows := b.denied("principal=sam"); len(rows) != 1 || rows[0].KeyID != begun.KeyID {
		t.Errorf("%+v", rows)
	}
	ticket := decodeAs[wire.Ticket](b.do("POST", "/api/v1/watch/tickets", `{"namespace":"pay"}`, noKey, browser).is(201))
	if !ticket.ExpiresAt.Equal(*begun.ExpiresAt) {
		t.Errorf("its ticket is good until %s", ticket.ExpiresAt)
	}
}

func TestASessionOfAKeyIsNobodysPuppet(t *testing.T) {
	b := newWatchBench(t)
	b.put("pay", "a", "1")
	browser, _ := b.signIn(b.key("sam", "pay", "editor", ""))
	for _, method := range []string{"PUT", "DELETE", "POST"} {
		path := entryPath("pay", "a")
		if method == "POST" {
			path = "/api/v1/transactions"
		}
		for _, from := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example", "Origin: null"} {
			b.writesNothing(func() {
				b.do(method, path, `{"value":2}`, noKey, browser, from).problem(403, wire.ProblemForbidden, "cross-origin")
			})
		}
	}
	b.do("PUT", entryPath("pay", "a"), `{"value":2}`, noKey, browser, "Sec-Fetch-Site: same-origin").is(200)
	b.do("PUT", entryPath("pay", "a"), `{"value":3}`, noKey, browser, "Origin: "+b.url).is(200)
	for _, from := range []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"} {
		if s, refused := b.dial("?namespace=pay", noKey, browser, from); s != nil || refused.status != 403 {
			t.Errorf("a WebSocket %s: %d", from, refused.status)
		}
		for _, path := range []string{"/auth/session", "/auth/logout"} {
			r := b.do("POST", path, wire.NewSession{Key: b.root}, noKey, browser, from)
			if r.problem(403, wire.ProblemForbidden); r.header.Get("Set-Cookie") != "" {
				t.Errorf("%s %s: %v", path, from, r.header)
			}
		}
	}
	b.do("GET", "/api/v1/whoami", nil, noKey, browser).is(200)
}

func TestASignInThatFailsIsRefusedAndRecorded(t *testing.T) {
	b := newWatchBench(t, func(c *Config) { c.Denials = openDenials(t) })
	b.put("pay", "a", "1")
	gone := b.key("gone", "pay", "viewer", "")
	b.do("DELETE", "/api/v1/keys/"+keyIDOf(gone), nil).is(204)
	_, unknown := MintKey(b.server.Random)
	for _, tt := range []struct {
		name, key, says string
		who             string
	}{
		{name: "revoked", key: gone, says: "was revoked at", who: "gone"},
		{name: "unknown", key: unknown, says: "not known here"},
		{name: "mistyped", key: b.root[:len(b.root)-1] + "_", says: "mistyped or cut off"},
	} {
		before := len(b.denied(""))
		r := b.do("POST", "/auth/session", wire.NewSession{Key: tt.key}, noKey)
		if r.problem(401, wire.ProblemUnauthenticated, tt.says); r.header.Get("Set-Cookie") != "" || strings.Contains(r.body, tt.key) {
			t.Errorf("%s: %v %s", tt.name, r.header, r.body)
		}
		rows := b.denied("")
		if len(rows) != before+1 || rows[0].Status != 401 || rows[0].Route != "/auth/session" || rows[0].Principal != tt.who || strings.Contains(rows[0].Detail, tt.key) {
			t.Errorf("%s: %+v", tt.name, rows[0])
		}
	}
	b.do("POST", "/auth/session", `{}`, noKey).problem(400, wire.ProblemMalformed, "is missing")
	b.do("POST", "/auth/session", wire.NewSession{Key: strings.Repeat("x", sessionBody)}, noKey).problem(413, wire.ProblemTooLarge)
}

// keyIDOf is the ID in an API key.
func keyIDOf(key string) string { return strings.Split(key, "_")[1] }

func TestARevokedKeyEndsItsSessionsAndTheirStreams(t *testing.T) {
	b := newWatchBench(t)
	b.put("pay", "a", "1")
	key := b.key("sam", "pay", "viewer", "")
	browser, begun := b.signIn(key)
	s := b.watch("?namespace=pay", noKey, browser)
	s.next(wire.FrameResumed)
	b.do("DELETE", "/api/v1/keys/"+begun.KeyID, nil).is(204)
	if f := s.next(wire.FrameReset); f.Reason != wire.ReasonRevoked || !strings.Contains(f.Detail, begun.KeyID) {
		t.Errorf("%s", f.raw)
	}
	b.do("GET", "/api/v1/whoami", nil, noKey, browser).problem(401, wire.ProblemUnauthenticated, "was revoked")
	if shown := b.session(browser); shown.SignedIn || !strings.Contains(shown.Why, "was revoked") {
		t.Errorf("%+v", shown)
	}
}

func TestASessionEndsWithItsKey(t *testing.T) {
	b := newWatchBench(t)
	soon := time.Now().Add(2 * time.Second).Truncate(time.Second)
	made := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{
		Name: "sam", Grants: []wire.Grant{{Namespace: "pay", Role: "viewer"}}, ExpiresAt: &soon,
	}).is(201))
	browser, begun := b.signIn(made.Key)
	if !begun.ExpiresAt.Equal(soon) {
		t.Errorf("it lasts until %s, its key until %s", begun.ExpiresAt, soon)
	}
	s := b.watch("?namespace=pay", noKey, browser)
	s.next(wire.FrameResumed)
	if f := s.next(wire.FrameReset); f.Reason != wire.ReasonExpired {
		t.Errorf("%s", f.raw)
	}
	b.do("GET", "/api/v1/whoami", nil, noKey, browser).problem(401, wire.ProblemUnauthenticated, "expired")
}

func TestAStreamEndsWithItsSession(t *testing.T) {
	var skew atomic.Int64
	b := newWatchBench(t, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(time.Duration(skew.Load())) } })
	browser, begun := b.signIn(b.root)
	skew.Store(int64(time.Until(*begun.ExpiresAt) - 500*time.Millisecond))
	s := b.watch("?namespace=pay", noKey, browser)
	s.next(wire.FrameResumed)
	if f := s.next(wire.FrameReset); f.Reason != wire.ReasonExpired || !strings.Contains(f.Detail, "the session of ana expired") {
		t.Errorf("%s", f.raw)
	}
	b.do("GET", "/api/v1/whoami", nil).is(200) // the key itself is as good as ever
}

// Another session of the same key goes on.
func TestSigningOutEndsTheSessionAndItsStreams(t *testing.T) {
	b := newWatchBench(t, func(c *Config) { c.Denials = openDenials(t) })
	b.put("pay", "a", "1")
	b.put("pay", "a", "2")
	key := b.key("sam", "pay", "viewer", "")
	browser, _ := b.signIn(key)
	another, _ := b.signIn(key)
	sse := b.watch("?namespace=pay", noKey, browser)
	lines := b.watch("?namespace=pay", noKey, browser, "Accept: application/x-ndjson")
	socket := b.connect("?namespace=pay", noKey, browser)
	// At this pace the last event is weeks after the one before.
	replay := b.watchURL(replayPath+"?namespace=pay&speed=0.000000001", noKey, browser)
	stays := b.watch("?namespace=pay", noKey, another)
	for _, s := range []*stream{sse, lines, stays} {
		s.next(wire.FrameResumed)
	}
	socket.next(wire.FrameResumed)
	b.put("pay", "a", "3")
	for _, s := range []*stream{sse, lines, stays} {
		s.next(wire.FrameEvent)
	}
	socket.next(wire.FrameEvent)
	replay.next(wire.FrameReplayStart)
	out := b.do("POST", "/auth/logout", nil, noKey, browser, "Sec-Fetch-Site: same-origin").is(204)
	if set := out.header.Get("Set-Cookie"); !strings.HasPrefix(set, "confman=;") || !strings.Contains(set, "Max-Age=0") {
		t.Errorf("%v", out.header)
	}
	ends := func(f sent) {
		t.Helper()
		if f.Frame.Frame != wire.FrameReset || f.Reason != wire.ReasonRevoked || !strings.Contains(f.Detail, "signed out") {
			t.Errorf("%s", f.raw)
		}
	}
	ends(sse.next(wire.FrameReset))
	ends(lines.next(wire.FrameReset))
	ends(socket.next(wire.FrameReset))
	f := replay.read()
	for f.Frame.Frame == wire.FrameReplay {
		f = replay.read()
	}
	ends(f)
	if rows := b.denied(""); len(rows) != 0 {
		t.Errorf("signing out is recorded as if it were refused: %+v", rows)
	}
	b.do("GET", "/api/v1/whoami", nil, noKey, browser).problem(401, wire.ProblemUnauthenticated, "signed out")
	b.do("POST", "/auth/logout", nil, noKey, browser).is(204)
	if shown := b.session(browser); shown.SignedIn || !strings.Contains(shown.Why, "signed out") {
		t.Errorf("%+v", shown)
	}
	b.put("pay", "a", "4")
	stays.next(wire.FrameEvent)
	b.do("GET", "/api/v1/whoami", nil, noKey, another).is(200)
}

func TestALoginThatIsSignedOutEndsItsStreams(t *testing.T) {
	b, _ := newGate(t)
	browser := b.logIn()
	if shown := b.session(browser); !shown.SignedIn || shown.Via != wire.ViaOIDC || shown.Principal != "ann@example.com" || shown.KeyID != "" || !shown.Login {
		t.Errorf("%+v", shown)
	}
	s := b.watch("?namespace=pay", noKey, browser)
	s.next(wire.FrameResumed)
	b.do("POST", "/auth/logout", nil, noKey, browser).is(204)
	if f := s.next(wire.FrameReset); f.Reason != wire.ReasonRevoked || !strings.Contains(f.Detail, "signed out") {
		t.Errorf("%s", f.raw)
	}
	b.do("GET", "/api/v1/whoami", nil, noKey, browser).problem(401, wire.ProblemUnauthenticated, "signed out")
}

// What the browser's way here was decides what cookie it is given, and which one it
// is known by.
func TestCookiesOfKeysFollowTheBrowsersWay(t *testing.T) {
	b := newBench(t)
	tests := []struct {
		name    string
		host    string
		tls     bool
		headers []string
		cookie  string // that is set
		secure  bool   // as the page is told
		knows   []string
	}{
		{name: "this machine", host: "127.0.0.1:6100", cookie: "confman", secure: true, knows: []string{"confman", "__Host-confman"}},
		{name: "this machine, a browser", host: "localhost:6100", headers: []string{"Origin", "http://localhost:6100", "Sec-Fetch-Site", "same-origin"}, cookie: "confman", secure: true, knows: []string{"confman", "__Host-confman"}},
		{name: "plain http", host: "n1.internal:6100", headers: []string{"Origin", "http://n1.internal:6100"}, cookie: "confman", knows: []string{"confman", "__Host-confman"}},
		{name: "https", host: "n1.internal:6100", tls: true, headers: []string{"Origin", "https://n1.internal:6100"}, cookie: "__Host-confman", secure: true, knows: []string{"__Host-confman"}},
		{name: "https to a proxy", host: "conf.example", headers: []string{"Origin", "https://conf.example"}, cookie: "__Host-confman", secure: true, knows: []string{"confman", "__Host-confman"}},
		{name: "https to a proxy, a newer browser", host: "conf.example", headers: []string{"Origin", "https://conf.example", "Sec-Fetch-Site", "same-origin"}, cookie: "__Host-confman", secure: true, knows: []string{"__Host-confman"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ask := func(method, path, body string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
				r := httptest.NewRequest(method, "http://"+tt.host+path, strings.NewReader(body))
				if r.TLS = nil; tt.tls {
					r.TLS = &tls.ConnectionState{}
				}
				for n := 0; n < len(tt.headers); n += 2 {
					r.Header.Set(tt.headers[n], tt.headers[n+1])
				}
				for _, c := range cookies {
					r.AddCookie(c)
				}
				w := httptest.NewRecorder()
				b.server.ServeHTTP(w, r)
				return w
			}
			in := ask("POST", "/auth/session", `{"key":"`+b.root+`"}`)
			if in.Code != 200 || len(in.Result().Cookies()) != 1 {
				t.Fatalf("%d %s", in.Code, in.Body)
			}
			c := in.Result().Cookies()[0]
			if c.Name != tt.cookie || c.Secure != strings.HasPrefix(tt.cookie, "__Host-") || strings.Contains(in.Body.String(), `"secure":true`) != tt.secure {
				t.Errorf("%v %s", c, in.Body)
			}
			for _, name := range []string{"confman", "__Host-confman"} {
				want := 401
				for _, k := range tt.knows {
					if k == name {
						want = 200
					}
				}
				if w := ask("GET", "/api/v1/whoami", "", &http.Cookie{Name: name, Value: c.Value}); w.Code != want {
					t.Errorf("as %s: %d, want %d", name, w.Code, want)
				}
			}
			worse := &http.Cookie{Name: "confman", Value: "planted"}
			if w := ask("GET", "/api/v1/whoami", "", worse, &http.Cookie{Name: "__Host-confman", Value: c.Value}); w.Code != 200 {
				t.Errorf("beside another: %d", w.Code)
			}
			out := ask("POST", "/auth/logout", "", &http.Cookie{Name: c.Name, Value: c.Value})
			if gone := out.Result().Cookies(); out.Code != 204 || len(gone) != 1 || gone[0].Name != c.Name || gone[0].MaxAge >= 0 || gone[0].Secure != c.Secure {
				t.Errorf("%d %v", out.Code, gone)
			}
		})
	}
}

// A browser that is redirected to another origin does not take its cookie along.
func TestWritesOfSessionsAreCarriedToTheLeader(t *testing.T) {
	leader := newBench(t)
	uses := noted{}
	follower := newBench(t, func(c *Config) { c.NodeID, c.Outside.Members, c.Identity.Uses = "n2", http.DefaultTransport, uses })
	key := leader.ownKey(t)
	follower.alsoKnow(t, key)
	browser, begun := follower.signIn(key)
	follower.node.follows(strings.TrimPrefix(leader.url, "http://"))
	clear(uses)
	before := leader.node.State().Index()
	headers := []string{noKey, browser, "Origin: " + follower.url} // a browser that sends no Sec-Fetch-Site: by plain http
	got := follower.do("PUT", entryPath("pay", "a"), `{"value":1}`, headers...).is(201)
	if e := decodeAs[wire.ConfigEntry](got); e.UpdatedBy != "also" || leader.node.State().Index() != before+2 { // with its namespace
		t.Errorf("%+v, %d events", e, leader.node.State().Index()-before)
	}
	if !uses[begun.KeyID] {
		t.Errorf("used: %v, not %s", uses, begun.KeyID)
	}
	follower.do("PUT", entryPath("pay", "a"), `{"value":2}`, noKey, browser, "Sec-Fetch-Site: same-origin", "Origin: "+follower.url).is(200)
	for _, from := range []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"} {
		at := leader.node.State().Index()
		follower.do("PUT", entryPath("pay", "a"), `{"value":3}`, noKey, browser, from).problem(403, wire.ProblemForbidden, "cross-origin")
		if leader.node.State().Index() != at {
			t.Errorf("%s: the leader wrote", from)
		}
	}
	if r := follower.do("PUT", entryPath("pay", "a"), `{"value":4}`, "X-Api-Key: "+key).is(307); r.header.Get("Location") == "" {
		t.Errorf("a key: %v", r.header)
	}
	leader.do("DELETE", "/api/v1/keys/"+begun.KeyID, nil).is(204)
	follower.do("PUT", entryPath("pay", "a"), `{"value":5}`, noKey, browser).problem(401, wire.ProblemUnauthenticated, "was revoked")
}
