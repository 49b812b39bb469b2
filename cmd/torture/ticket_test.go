package torture

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/streams"
)

// ticket asks a node for one.
func (c *cluster) ticket(n *node, key string, filter wire.NewTicket) wire.Ticket {
	c.t.Helper()
	var ticket wire.Ticket
	a, err := c.do(n, http.MethodPost, "/api/v1/watch/tickets", filter, wire.HeaderAPIKey, key)
	if err == nil && a.status >= http.StatusMultipleChoices {
		c.t.Fatalf("a ticket: %v", a)
	}
	if err == nil {
		err = a.decode(&ticket)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return ticket
}

// borrow opens a watch with a ticket and nothing else but what more says.
func (c *cluster) borrow(n *node, encoding, ticket string, more url.Values) *watch {
	c.t.Helper()
	query := url.Values{wire.ParamTicket: {ticket}}
	for name, values := range more {
		query[name] = values
	}
	return c.open(n, streams.Call{Encoding: encoding, Query: query})
}

func TestATicketIsGoodOnEveryNodeAndThroughRestartsUntilItsKeyIsRevoked(t *testing.T) {
	c := form(t, calm())
	c.namespace("app")
	key := c.mint("page", wire.Grant{Namespace: "app", Role: wire.RoleViewer})
	ticket := c.ticket(c.nodes[0], key.Key, wire.NewTicket{Namespace: wire.Strings{"app"}, Prefix: "shown/"})
	check := func(when string) {
		t.Helper()
		for _, n := range c.nodes {
			for _, encoding := range encodings() {
				w := c.borrow(n, encoding, ticket.Ticket, nil)
				w.until(wire.FrameResumed)
				c.put("app", "hidden/k", when)
				shown := c.put("app", "shown/k", when+n.id+encoding)
				if f := w.until(wire.FrameEvent); f.Event.Position != shown {
					t.Errorf("%s, %s at %s: %v, want %s", when, encoding, n.id, f, shown)
				}
				w.close()
			}
		}
	}
	check("at first")
	for _, n := range c.nodes {
		n.kill9()
	}
	for _, n := range c.nodes {
		n.start()
	}
	c.awaitReady(c.nodes...)
	check("after all were restarted")
	var open []*watch
	for i, n := range c.nodes {
		w := c.borrow(n, encodings()[i], ticket.Ticket, nil)
		w.until(wire.FrameResumed)
		open = append(open, w)
	}
	if err := c.client(c.key).RevokeKey(t.Context(), key.ID, client.Write{}); err != nil {
		t.Fatal(err)
	}
	for i, w := range open {
		if f := w.ends(); f.Reason != wire.ReasonRevoked {
			t.Errorf("%s with the ticket of a revoked key: ended by %s", w.encoding, f)
		}
		if w := c.borrow(c.nodes[i], w.encoding, ticket.Ticket, nil); w.status != http.StatusUnauthorized {
			t.Errorf("%s with the ticket of a revoked key: %d %+v", w.encoding, w.status, w.problem)
		}
	}
}

func TestATicketIsGoodForNothingElse(t *testing.T) {
	c := form(t, plan{size: 1})
	c.namespace("app")
	n := c.nodes[0]
	ticket := c.ticket(n, c.key, wire.NewTicket{Namespace: wire.Strings{"app"}}).Ticket
	other := form(t, plan{size: 1})
	other.write("token", "another-cluster-token-0123456789")
	other.nodes[0].term()
	other.nodes[0].start()
	other.awaitReady(other.nodes...)
	for _, encoding := range encodings() {
		for _, test := range []struct {
			name   string
			c      *cluster
			ticket string
			more   url.Values
			status int
		}{
			{"its own filter", c, ticket, url.Values{"namespace": {"app"}}, 0},
			{"another filter", c, ticket, url.Values{"namespace": {"other"}}, http.StatusForbidden},
			{"a wider filter", c, ticket, url.Values{"events": {"all"}}, http.StatusForbidden},
			{"a narrower filter", c, ticket, url.Values{"key": {"k"}}, http.StatusForbidden},
			{"altered", c, strings.ToUpper(ticket), nil, http.StatusUnauthorized},
			{"cut off", c, ticket[:len(ticket)-4], nil, http.StatusUnauthorized},
			{"made longer", c, ticket + "AAAA", nil, http.StatusUnauthorized},
			{"of another cluster", other, ticket, nil, http.StatusUnauthorized},
		} {
			w := test.c.borrow(test.c.nodes[0], encoding, test.ticket, test.more)
			if test.status == 0 != w.begun() || test.status != 0 && w.status != test.status {
				t.Errorf("%s, %s: %d %+v, want %d", encoding, test.name, w.status, w.problem, test.status)
			}
			w.close()
		}
	}
	w := c.borrow(n, wire.EncodingWebSocket, ticket, nil)
	w.until(wire.FrameResumed)
	if err := w.socket.Send(t.Context(), streams.Filter{Namespaces: []string{"other"}}.Op("w2", "")); err != nil {
		t.Fatal(err)
	}
	if f := w.ends(); f.Watch != "w2" || f.Reason != wire.ReasonForbidden {
		t.Errorf("another watch beside that of the ticket: %s of %q: %s", f, f.Watch, f.Detail)
	}
	for _, path := range []string{"/api/v1/configs", entryPath("app", "k"), "/api/v1/whoami", "/api/v1/audit", "/api/v1/watches"} {
		a, err := c.do(n, http.MethodGet, path+"?ticket="+url.QueryEscape(ticket), nil, wire.HeaderAPIKey, "")
		if err != nil || a.status != http.StatusUnauthorized {
			t.Errorf("a ticket at %s: %v, %v", path, a, err)
		}
	}
}
