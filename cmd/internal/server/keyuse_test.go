package server

import (
	"encoding/json"
	"net"
	"net/http"
	"testing"
	"time"

	"confman/api/wire"
)

// keyNamed is a key in the list that a node gives.
func (c *started) keyNamed(n *node, name string) (found wire.APIKey, silent string) {
	c.t.Helper()
	r := c.do("GET", n.url+"/api/v1/keys?consistency=linearizable", "", "X-Api-Key: "+adminKey)
	r.is(c.t, http.StatusOK)
	var keys []wire.APIKey
	if err := json.Unmarshal([]byte(r.body), &keys); err != nil {
		c.t.Fatal(err)
	}
	for _, k := range keys {
		if k.Name == name {
			return k, r.header.Get(wire.HeaderSilent)
		}
	}
	c.t.Fatalf("no key is called %s: %s", name, r.body)
	return found, ""
}

func TestWhenAKeyWasLastUsedIsKnownOnAllMembersAndAfterARestart(t *testing.T) {
	c := start(t, 3, func(o *Options) { o.HTTP.Forward = true })
	made := c.do("POST", c.nodes[0].url+"/api/v1/keys", `{"name":"ci","grants":[{"namespace":"/","role":"admin"}]}`, "X-Api-Key: "+adminKey)
	made.is(t, http.StatusCreated)
	var key wire.APIKey
	if err := json.Unmarshal([]byte(made.body), &key); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.nodes {
		if k, silent := c.keyNamed(n, "ci"); k.LastUsedAt != nil || silent != "" {
			t.Fatalf("before any use, at %s: %+v, silent %q", n.id, k, silent)
		}
	}
	// From an address of its own, which members do not call from.
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 7)}}).DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	own := &http.Client{Transport: transport, Timeout: patience}
	last := time.Now()
	for i, n := range c.nodes { // read at one, look at all
		ask(t, own, "GET", n.url+"/api/v1/whoami", "", "X-Api-Key: "+key.Key).is(t, http.StatusOK)
		for _, at := range c.nodes {
			k, _ := c.keyNamed(at, "ci")
			if k.LastUsedAt == nil || k.LastUsedAt.Before(last.Add(-time.Millisecond)) || k.LastUsedFrom != "127.0.0.7" {
				t.Fatalf("use %d at %s, as %s says: %+v", i, n.id, at.id, k)
			}
		}
		last = time.Now()
	}
	// A write that a follower carries to the leader is of the client, not of the follower.
	for _, n := range c.nodes {
		c.skew.Add(int64(2 * time.Second)) // or it would be the same use
		ask(t, own, "PUT", n.url+"/api/v1/namespaces/app-"+n.id, `{}`, "X-Api-Key: "+key.Key).is(t, http.StatusCreated)
		if k, _ := c.keyNamed(n, "ci"); k.LastUsedFrom != "127.0.0.7" {
			t.Errorf("written through %s: %+v", n.id, k)
		}
	}
	// The last use was at n3, which writes it down when it stops.
	before, _ := c.keyNamed(c.nodes[0], "ci")
	c.stop(c.nodes[2])
	if k, silent := c.keyNamed(c.nodes[0], "ci"); silent != "n3" || k.LastUsedAt == nil || !k.LastUsedAt.Before(*before.LastUsedAt) {
		t.Errorf("without n3: %+v, silent: %q", k, silent)
	}
	c.run(c.nodes[2])
	c.ready()
	if after, _ := c.keyNamed(c.nodes[0], "ci"); after.LastUsedAt == nil || !after.LastUsedAt.Equal(*before.LastUsedAt) {
		t.Errorf("after a restart: %+v, before: %+v", after, before)
	}
	// A refused attempt is no use, and the question is for members.
	c.do("POST", c.nodes[0].url+"/internal/v1/questions/key-uses", `["`+key.ID+`"]`, "X-Api-Key: "+adminKey).is(t, http.StatusUnauthorized)
}
