package client_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"confman/api/client"
	"confman/api/wire"
)

// ledger is a history of transactions over a few keys of pay and of a namespace
// below it, with what a view has to show after each.
type ledger struct {
	random *rand.Rand
	events []wire.Event        // of index 1, 2, 3 …
	last   map[uint64]bool     // indexes that end a transaction
	shown  map[uint64]string   // what a view shows there
	rows   map[uint64][]string // the entry frames of a snapshot there
	kept   uint64              // positions below are compacted
}

func newLedger(random *rand.Rand, transactions int) *ledger {
	l := &ledger{random: random, last: map[uint64]bool{0: true}, shown: map[uint64]string{0: ""}, rows: map[uint64][]string{}}
	versions, live := map[string]uint64{}, map[string]bool{}
	for range transactions {
		for _, i := range random.Perm(8)[:1+random.IntN(4)] {
			l.add(fmt.Sprint("k", i), versions, live)
		}
		at := uint64(len(l.events))
		l.last[at] = true
		l.note(at, versions, live)
	}
	return l
}

// add appends an event about a key, or in one of five cases about a namespace
// below.
func (l *ledger) add(key string, versions map[string]uint64, live map[string]bool) {
	index := uint64(len(l.events) + 1)
	e := wire.Event{Index: index, Position: place(index), Type: "config.updated", Namespace: "pay", Key: key}
	if l.random.IntN(5) == 0 {
		e.Namespace, e.Data = "pay/child", []byte(`{"value":0,"type":"number","version":1}`)
		l.events = append(l.events, e)
		return
	}
	versions[key]++
	if live[key] && l.random.IntN(3) == 0 {
		e.Type, e.Data = "config.deleted", fmt.Appendf(nil, `{"version":%d}`, versions[key])
		live[key] = false
	} else {
		e.Data = fmt.Appendf(nil, `{"value":%d,"type":"number","version":%d}`, versions[key], versions[key])
		live[key] = true
	}
	l.events = append(l.events, e)
}

func (l *ledger) note(at uint64, versions map[string]uint64, live map[string]bool) {
	var all []string
	for i := range 8 {
		if key := fmt.Sprint("k", i); live[key] {
			all = append(all, fmt.Sprintf("%s=%d", key, versions[key]))
			l.rows[at] = append(l.rows[at], entry(key, versions[key], at))
		}
	}
	l.shown[at] = strings.Join(all, " ")
}

// serve is what a connection from a position hears.
func (l *ledger) serve(after string) visit {
	head := uint64(len(l.events))
	if l.random.IntN(6) == 0 {
		return visit{status: []int{503, 429, 504}[l.random.IntN(3)]}
	}
	var index uint64
	var says string
	if after == wire.AfterSnapshot {
		for index = l.random.Uint64N(head + 1); !l.last[index]; index-- { // any node, however far it is
		}
		rows := slices.Clone(l.rows[index])
		l.random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		says = snapshot(index) + strings.Join(rows, "") + snapshotEnd(index, len(rows))
	} else {
		digits, _, _ := strings.Cut(after, "-")
		index, _ = strconv.ParseUint(digits, 10, 64)
		if index < l.kept {
			return visit{status: 410, typ: wire.ProblemCompacted}
		}
		says = resumed(index, head)
	}
	prev := index
	for n := l.random.IntN(25); n > 0 && index < head; n-- {
		index++
		says += frame(wire.Frame{Frame: wire.FrameEvent, Prev: prev, Event: &l.events[index-1], More: !l.last[index]})
		prev = index
		if l.last[index] && l.random.IntN(4) == 0 {
			says += progress(index)
		}
	}
	l.kept = max(l.kept, index-min(index, l.random.Uint64N(60))) // now and then somebody is left behind
	switch l.random.IntN(6) {
	case 0:
		return visit{says: says[:len(says)-l.random.IntN(len(says))]}
	case 1:
		return visit{says: says + reset(wire.ReasonCompacted)}
	case 2:
		return visit{says: says + event(prev+1, prev+2)}
	case 3:
		return quiet(says)
	}
	return visit{says: says}
}

// Whatever happens to its connections, a view shows one complete transaction
// after another, never goes back, and ends with the last.
func TestViewShowsNothingButWholeTransactionsInOrder(t *testing.T) {
	for range 40 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			l := newLedger(rand.New(rand.NewPCG(seed, 0)), 100)
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				v := l.serve(r.URL.Query().Get("after"))
				response := streaming(io.NopCloser(io.MultiReader(strings.NewReader(v.says), ending{r.Context(), v.silent})))
				if v.status > 0 {
					response.StatusCode = v.status
				}
				return response, nil
			})
			c := newClient(t, client.Config{Endpoints: []string{"http://n1", "http://n2"}, HTTP: &http.Client{Transport: transport}})
			var mu sync.Mutex
			var told []client.Change
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			view, err := c.View(ctx, client.ViewConfig{Namespace: "pay", OnChange: func(c client.Change) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, c)
			}})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			defer view.Close()
			held := map[string]uint64{}
			for _, e := range view.All() {
				held[e.Key] = e.Version
			}
			if err := l.follow(view); err != nil {
				t.Errorf("seed %d: %v\nstatus %+v", seed, err, view.Status())
			}
			synctest.Wait()
			for _, c := range told {
				if held[c.Key] = 0; c.New != nil {
					held[c.Key] = c.New.Version
				}
			}
			for key, version := range held {
				if e, _ := view.Get(key); e.Version != version {
					t.Errorf("seed %d: OnChange leads to %s=%d, the view shows %d", seed, key, version, e.Version)
				}
			}
		})
	}
}

// follow reads the view until it shows the last transaction.
func (l *ledger) follow(view *client.View) error {
	at := uint64(0)
	for end := uint64(len(l.events)); ; {
		next := view.Changed()
		now := shown(view)
		for ; at <= end && (!l.last[at] || l.shown[at] != now); at++ {
		}
		if at > end {
			return fmt.Errorf("shows %q, which is no later transaction", now)
		}
		if now == l.shown[end] && view.Status().Position == place(end) {
			return nil
		}
		if now == l.shown[end] {
			settled(view, end)
			continue
		}
		<-next
	}
}
