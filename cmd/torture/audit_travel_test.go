package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"confman/api/wire"
)

// travellers ask every node for the same past again and again, whatever happens
// to the nodes. The first answer to a question is the one that all others have to
// be, byte for byte.
type travellers struct {
	c      *cluster
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	paths   []string
	answers map[string]string
	read    map[*node]int
	wrong   []string
}

// startTravellers begins to ask, one for each node. End them.
func (c *cluster) startTravellers(rng *rand.Rand) *travellers {
	ctx, cancel := context.WithCancel(c.t.Context())
	tr := &travellers{c: c, cancel: cancel, answers: map[string]string{}, read: map[*node]int{}}
	for _, n := range c.nodes {
		own := rand.New(rand.NewPCG(rng.Uint64(), 0))
		tr.done.Go(func() { tr.travel(ctx, n, own) })
	}
	return tr
}

// mark adds questions about the state as of an event.
func (tr *travellers) mark(index uint64, namespaces ...string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	at := fmt.Sprintf("?at=%d", index)
	for _, n := range namespaces {
		of := "/api/v1/namespaces/" + n
		tr.paths = append(tr.paths, of+at, of+"/config"+at, of+"/config"+at+"&resolve=true", of+"/settings"+at, of+"/roles"+at)
		for i := range 3 {
			tr.paths = append(tr.paths, fmt.Sprintf("%s/config/key-%d%s", of, i, at))
		}
	}
	tr.paths = append(tr.paths, "/api/v1/configs"+at)
}

func (tr *travellers) travel(ctx context.Context, n *node, rng *rand.Rand) {
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for ctx.Err() == nil {
		<-pace.C
		tr.mu.Lock()
		path := ""
		if len(tr.paths) > 0 {
			path = tr.paths[rng.IntN(len(tr.paths))]
		}
		tr.mu.Unlock()
		if path == "" {
			continue
		}
		a, err := tr.c.get(n, path)
		if err != nil || a.status == http.StatusServiceUnavailable || a.status == http.StatusGatewayTimeout {
			continue // it is down, starting, or not that far
		}
		tr.note(n, path, a)
	}
}

// note compares an answer with the first to the same question.
func (tr *travellers) note(n *node, path string, a answer) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	got := fmt.Sprintf("%d %s %s\n%s", a.status, a.header.Get("Etag"), a.header.Get(wire.HeaderPosition), a.body)
	if a.status == http.StatusNotFound {
		got = "404" // a problem says which request it answers
	}
	want, asked := tr.answers[path]
	tr.read[n]++
	switch {
	case a.status != http.StatusOK && a.status != http.StatusNotFound:
		tr.wrong = append(tr.wrong, fmt.Sprintf("%s at %s: %v", path, n.id, a))
	case !asked:
		tr.answers[path] = got
	case got != want:
		tr.wrong = append(tr.wrong, fmt.Sprintf("%s at %s: %.500s\nand before: %.500s", path, n.id, got, want))
	}
}

// more waits until each node that runs has answered some more.
func (tr *travellers) more(reads int) {
	tr.c.t.Helper()
	tr.mu.Lock()
	before := map[*node]int{}
	for n, count := range tr.read {
		before[n] = count
	}
	tr.mu.Unlock()
	await(tr.c.t, "more reads of the past", func() error {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		for _, n := range tr.c.nodes {
			if have := tr.read[n] - before[n]; n.runs() && have < reads {
				return fmt.Errorf("%s has answered %d of %d", n.id, have, reads)
			}
		}
		return nil
	})
}

// end ends the travellers and says what they found.
func (tr *travellers) end() {
	tr.c.t.Helper()
	tr.cancel()
	tr.done.Wait()
	for _, wrong := range tr.wrong[:min(5, len(tr.wrong))] {
		tr.c.t.Error(wrong)
	}
	total := 0
	for _, n := range tr.read {
		total += n
	}
	tr.c.t.Logf("%d questions about the past were answered %d times, %d times wrongly", len(tr.answers), total, len(tr.wrong))
}

func TestThePastIsTheSameOnEveryNodeWhateverHappensMeanwhile(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	c.namespace("app/eu")
	upper, lower := c.startLoad("app", 2, rng.Uint64()), c.startLoad("app/eu", 2, rng.Uint64())
	upper.more(10)
	lower.more(10)
	tr := c.startTravellers(rng)
	for i := range rounds(4, 24) {
		newest := indexOf(t, c.positionNow())
		for range 4 {
			tr.mark(1+rng.Uint64N(newest), "app", "app/eu")
		}
		tr.mark(newest+20, "app/eu") // to be waited for
		tr.more(10)
		c.befall(i, rng)
		upper.more(20)
		lower.more(20)
		tr.more(20)
	}
	c.awaitReady(c.nodes...)
	tr.more(100)
	tr.end()
	upper.end()
	lower.end()
}

// positionNow is where the leader stands.
func (c *cluster) positionNow() string {
	c.t.Helper()
	a := c.must(http.StatusOK, c.leader(), http.MethodGet, "/api/v1/cluster", nil)
	return a.header.Get(wire.HeaderPosition)
}

// befall does to nodes what happens to nodes, and leaves all of them running.
func (c *cluster) befall(round int, rng *rand.Rand) {
	c.t.Helper()
	var victims []*node
	switch round % 4 {
	case 0:
		c.t.Log("kill -9 of the leader")
		victims = []*node{c.leader()}
		victims[0].kill9()
	case 1:
		c.t.Log("snapshots, and a stop of a follower")
		for _, n := range c.nodes {
			c.must(http.StatusOK, n, http.MethodPost, "/api/v1/cluster/snapshot", nil)
		}
		victims = []*node{c.followers(c.leader())[rng.IntN(2)]}
		victims[0].term()
	case 2:
		c.t.Log("kill -9 of all")
		victims = slices.Clone(c.nodes)
		for _, n := range victims {
			n.signal(syscall.SIGKILL)
		}
		for _, n := range victims {
			n.exit()
		}
	case 3:
		c.t.Log("all views rebuilt")
		for _, n := range c.nodes {
			a := c.must(http.StatusOK, n, http.MethodPost, "/api/v1/cluster/rebuild", nil)
			lines := bytes.Split(bytes.TrimSpace(a.body), []byte("\n"))
			var done wire.Rebuilt
			if err := json.Unmarshal(lines[len(lines)-1], &done); err != nil || !done.OK || done.Node != n.id {
				c.t.Errorf("%s rebuilt its views: %v, %v", n.id, err, a)
			}
		}
	}
	for _, n := range victims {
		n.start()
	}
	c.awaitReady(victims...)
}
