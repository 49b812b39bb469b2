package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	breakAfter = 3           // connection failures in a row that open a node's breaker
	coolDown   = time.Second // how long it stays open: about what a restart takes
)

// nodes are the members that this client may talk to, by origin.
type nodes struct {
	mu      sync.Mutex
	given   []string         // origins from the Config, in their order
	learnt  []string         // further members, in the order they were heard of
	byName  map[string]*node // the given ones and those learnt
	current int              // index into given: who answered last
	leader  string           // origin; empty when not known
}

// node is what a client remembers of one member.
type node struct {
	failures  int       // connection failures since it last answered
	openUntil time.Time // the breaker: avoided until then
	restUntil time.Time // from Retry-After: not asked before
}

func newNodes(endpoints []string) (*nodes, error) {
	if len(endpoints) == 0 {
		return nil, errors.New("no endpoint given")
	}
	n := &nodes{byName: map[string]*node{}}
	for _, endpoint := range endpoints {
		origin, err := originOf(endpoint)
		if err != nil {
			return nil, fmt.Errorf("endpoint %q: %w", endpoint, err)
		}
		if n.byName[origin] == nil {
			n.byName[origin] = &node{}
			n.given = append(n.given, origin)
		}
	}
	n.current = rand.IntN(len(n.given))
	return n, nil
}

// originOf is the scheme, host and port of a base URL, in one spelling.
func originOf(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	return originOfURL(u)
}

func originOfURL(u *url.URL) (string, error) {
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return "", errors.New("want http://HOST:PORT or https://HOST:PORT")
	case u.User != nil:
		return "", errors.New("has a user or password; API keys are given apart")
	}
	host := strings.ToLower(u.Host)
	if port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]; strings.HasSuffix(host, port) && u.Port() == port[1:] {
		host = strings.TrimSuffix(host, port)
	}
	return u.Scheme + "://" + host, nil
}

// pick says whom to ask, and for how long to wait first because everybody asked
// for time. A write goes to the leader where it is known; not are origins that
// just failed, and are avoided.
func (n *nodes) pick(write bool, not []string, now time.Time) (origin string, wait time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var order []string
	if write && n.leader != "" {
		order = append(order, n.leader)
	}
	for i := range n.given {
		order = append(order, n.given[(n.current+i)%len(n.given)])
	}
	order = append(order, n.learnt...) // when none of the given ones will do
	best := -1
	for i, candidate := range order {
		if best < 0 || n.worse(order[best], candidate, not, now) {
			best = i
		}
	}
	origin = order[best]
	return origin, max(0, n.byName[origin].restUntil.Sub(now))
}

// worse reports whether a should give way to b, which comes after it.
func (n *nodes) worse(a, b string, not []string, now time.Time) bool {
	restA, restB := n.byName[a].restUntil, n.byName[b].restUntil
	if restA.After(now) || restB.After(now) {
		return restB.Before(restA)
	}
	badness := func(origin string) (bad int) {
		if n.byName[origin].openUntil.After(now) {
			bad += 2
		}
		if slices.Contains(not, origin) {
			bad++
		}
		return bad
	}
	return badness(b) < badness(a)
}

// known reports whether credentials may go to an origin.
func (n *nodes) known(origin string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.byName[origin] != nil
}

// broken reports whether a known node's breaker is open.
func (n *nodes) broken(origin string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.byName[origin].openUntil.After(now)
}

// learn makes the addresses that the node at from told of known. An address
// that would strip the encryption is not believed.
func (n *nodes) learn(from string, bases ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, base := range bases {
		origin, err := originOf(base)
		if err != nil || strings.HasPrefix(from, "https:") && !strings.HasPrefix(origin, "https:") {
			continue
		}
		if n.byName[origin] == nil {
			n.byName[origin] = &node{}
			n.learnt = append(n.learnt, origin)
		}
	}
}

// leads notes who leads; the origin must be known.
func (n *nodes) leads(origin string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.leader = origin
}

// answered notes that a node is well. Reads stay with it; where a write ended
// says nothing about where to read.
func (n *nodes) answered(origin string, write bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	*n.byName[origin] = node{}
	if write {
		return
	}
	for i, given := range n.given {
		if given == origin {
			n.current = i
		}
	}
}

// failed notes that a node could not be reached or did not answer in time.
func (n *nodes) failed(origin string, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.leader == origin {
		n.leader = ""
	}
	node := n.byName[origin]
	if node.failures++; node.failures >= breakAfter {
		node.openUntil = now.Add(coolDown)
	}
}

// refused notes that a node answered but cannot serve before a time.
func (n *nodes) refused(origin string, until time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.leader == origin {
		n.leader = ""
	}
	*n.byName[origin] = node{restUntil: until}
}
