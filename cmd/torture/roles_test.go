package torture

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/streams"
)

// roles puts the roles that a namespace gives, and returns the event.
func (c *cluster) roles(namespace string, grants ...wire.RoleGrant) (index uint64) {
	c.t.Helper()
	err := settle(c.t.Context(), fmt.Sprint("roles-", time.Now().UnixNano()), func(w client.Write) error {
		put, err := c.client(c.key).PutRoles(c.t.Context(), namespace, wire.Roles{Grants: append([]wire.RoleGrant{}, grants...)}, w)
		index = put.Index
		return err
	})
	if err != nil {
		c.t.Fatalf("roles of %s: %v", namespace, err)
	}
	return index
}

// sighting is what one watch has seen of a namespace.
type sighting struct {
	node, encoding string
	frame          streams.Frame
}

// observe reads a watch to its end and tells what it saw.
func (w *watch) observe(node string, saw chan<- sighting) {
	for {
		f, err := w.next()
		if err != nil {
			return
		}
		saw <- sighting{node, w.encoding, f}
	}
}

func TestWhoLosesARoleSeesNothingMoreOnAnyNode(t *testing.T) {
	c := form(t, calm())
	c.namespace("app")
	c.namespace("open")
	ann := wire.RoleGrant{Role: wire.RoleViewer, Principal: "ann"}
	c.roles("open", ann)
	known := c.roles("app", ann)
	key := c.mint("ann").Key // without grants of its own
	saw, watches := make(chan sighting, 10000), 0
	var named []*watch
	for _, n := range c.nodes {
		c.must(http.StatusOK, n, http.MethodGet, fmt.Sprintf("/api/v1/namespaces?min_index=%d", known), nil)
		for _, encoding := range encodings() {
			w := c.open(n, streams.Call{Encoding: encoding, Key: key, Filter: streams.Filter{Events: wire.EventsConfig}}) // of whatever ann may see
			w.until(wire.FrameResumed)
			go w.observe(n.id, saw) // ends with the watch
			watches++
			w = c.open(n, streams.Call{Encoding: encoding, Key: key, Filter: streams.Filter{Namespaces: []string{"app"}}})
			w.until(wire.FrameResumed)
			named = append(named, w)
		}
	}
	put := func(namespace string, i int) uint64 {
		e, err := c.client(c.key).Put(t.Context(), namespace, "k", value(fmt.Sprint(i)), client.Write{})
		if err != nil {
			t.Fatal(err)
		}
		return e.Index
	}
	first := put("app", 0)
	c.awaitSeen(saw, watches, first, first)

	revoked := c.roles("app")
	began := time.Now()
	c.refusedEverywhere(key, began)
	for _, w := range named {
		if f := w.ends(); f.Reason != wire.ReasonForbidden {
			t.Errorf("%s of the namespace was ended by %s, want %s", w.encoding, f, wire.ReasonForbidden)
		}
	}
	if took := time.Since(began); took > revocation {
		t.Errorf("watches of the namespace ended after %v, may after %v", took, revocation)
	}
	for i := range 100 { // what follows must reach nobody
		put("app", i+1)
	}
	c.awaitSeen(saw, watches, put("open", 1), revoked)
	t.Logf("all over %v after the role was taken", time.Since(began))

	c.roles("app", ann) // with it comes what is new from then on
	again := put("app", 1000)
	c.awaitSeen(saw, watches, again, revoked)
}

// refusedEverywhere checks that reads are refused at once where the role was
// taken, and within a second elsewhere.
func (c *cluster) refusedEverywhere(key string, began time.Time) {
	c.t.Helper()
	leader := c.leader()
	for _, n := range append([]*node{leader}, c.followers(leader)...) {
		for _, path := range []string{entryPath("app", "k"), "/api/v1/namespaces/app/config", "/api/v1/namespaces/app/history/k", "/api/v1/watch?namespace=app"} {
			refused := func() error {
				a, err := c.do(n, http.MethodGet, path, nil, wire.HeaderAPIKey, key)
				if err == nil && a.status != http.StatusForbidden {
					err = errors.New(a.String())
				}
				return err
			}
			if n == leader {
				if err := refused(); err != nil {
					c.t.Errorf("%s at the leader, after the role was taken: %v", path, err)
				}
				continue
			}
			await(c.t, path+" is refused at "+n.id, refused)
		}
		for _, list := range []string{"/api/v1/configs", "/api/v1/audit"} {
			a := c.must(http.StatusOK, n, http.MethodGet, list, nil, wire.HeaderAPIKey, key)
			if strings.Contains(string(a.body), `"app"`) {
				c.t.Errorf("%s at %s still shows the namespace: %v", list, n.id, a)
			}
		}
	}
	if took := time.Since(began); took > revocation {
		c.t.Errorf("reads were refused everywhere after %v, may be after %v", took, revocation)
	}
}

// awaitSeen reads on until each watch has seen an event. Of the namespace app,
// none may have seen another event after one.
func (c *cluster) awaitSeen(saw <-chan sighting, watches int, index, unseen uint64) {
	c.t.Helper()
	timeout := time.After(patience)
	for left := watches; left > 0; {
		select {
		case s := <-saw:
			switch e := s.frame.Event; {
			case s.frame.Frame.Frame == wire.FrameReset || s.frame.Frame.Frame == wire.FrameGoaway:
				c.t.Fatalf("%s at %s was ended by %s, and another role is left", s.encoding, s.node, s.frame)
			case e == nil:
			case e.Index == index:
				left--
			case e.Namespace == "app" && e.Index > unseen:
				c.t.Fatalf("%s at %s saw event %d of a namespace whose role was taken by event %d", s.encoding, s.node, e.Index, unseen)
			}
		case <-timeout:
			c.t.Fatalf("%d watches have not seen event %d", left, index)
		}
	}
}
