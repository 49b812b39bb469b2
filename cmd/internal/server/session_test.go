package server

import (
	"net/http"
	"net/http/cookiejar"
	"strconv"
	"strings"
	"testing"

	"confman/api/wire"
)

// A browser signs in at a follower, and writes there: it could not follow a redirect
// to the leader with its cookie.
func TestASessionOfAKeyWritesAtAnyNode(t *testing.T) {
	for name, scheme := range map[string]string{"plain http": "http", "TLS": "https"} {
		t.Run(name, func(t *testing.T) {
			members := newAuthority(t)
			c := start(t, 3, func(o *Options) {
				if scheme == "https" {
					members.member(o)
				}
			})
			_, followers := c.leader()
			first, second := followers[0].url, followers[1].url
			key := c.key("sam", "app", "editor")
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			b := &http.Client{Jar: jar, Transport: c.http.Transport, Timeout: patience}
			ours := "Origin: " + first // all that a browser says by plain http
			ask(t, b, "POST", first+"/auth/session", `{"key":"`+key+`"}`, ours).is(t, 200, `"signedIn":true`, `"principal":"sam"`, `"via":"key"`)
			entry := "/api/v1/namespaces/app/config/k"
			made := written(t, ask(t, b, "PUT", first+entry, `{"value":1}`, ours).is(t, 201, `"updatedBy":"sam"`))
			for _, from := range []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"} {
				ask(t, b, "PUT", first+entry, `{"value":"forged"}`, from).is(t, 403)
			}
			changed := written(t, ask(t, b, "PUT", first+entry, `{"value":2}`, ours, "Sec-Fetch-Site: same-origin").is(t, 200, `"version":2`))
			if changed != made+1 {
				t.Errorf("event %d after event %d", changed, made)
			}
			c.reached(changed)
			ask(t, b, "GET", second+entry, "").is(t, 200, `"value":2`)
			stream := c.watch(b, second+"/api/v1/watch?namespace=app")
			stream.next()
			var in wire.Session
			decode(t, ask(t, b, "GET", second+"/auth/session", "").is(t, 200).body, &in)
			c.do("DELETE", first+"/api/v1/keys/"+in.KeyID, "", "X-Api-Key: "+adminKey).is(t, 204)
			if f := stream.next(); f.Frame != wire.FrameReset || f.Reason != wire.ReasonRevoked {
				t.Errorf("%+v", f)
			}
			for _, n := range c.nodes {
				c.eventually(n.id+" knows that the key is revoked", func() error {
					return ask(t, b, "GET", n.url+"/api/v1/whoami", "").want(401, "was revoked")
				})
			}
			if out := ask(t, b, "POST", second+"/auth/logout", "", "Origin: "+second).is(t, 204); !strings.Contains(out.header.Get("Set-Cookie"), "Max-Age=0") {
				t.Errorf("%v", out.header)
			}
			ask(t, b, "GET", second+"/auth/session", "").is(t, 200, `"signedIn":false`)
			c.http.CloseIdleConnections() // for which a node that stops would wait
		})
	}
}

// written is the index of the event that a write wrote.
func written(t *testing.T, r reply) uint64 {
	t.Helper()
	index, err := strconv.ParseUint(r.header.Get(wire.HeaderIndex), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return index
}
