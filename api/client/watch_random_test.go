package client_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// unsteady serves a history of events 1 … last, of which those that match are
// multiples of three, and treats connections badly.
type unsteady struct {
	random *rand.Rand
	last   uint64
}

func (u *unsteady) matches(index uint64) bool { return index%3 == 0 }

// stream is what a connection from a position hears before it ends, and whether
// it ends with silence.
func (u *unsteady) stream(after string) (says string, silent bool) {
	if u.random.IntN(8) == 0 {
		return goaway(), false
	}
	index := uint64(0)
	if after != wire.AfterStart {
		digits, _, _ := strings.Cut(after, "-")
		index, _ = strconv.ParseUint(digits, 10, 64)
	}
	var b strings.Builder
	b.WriteString(resumed(index, u.last))
	prev := index
	for frames := 1 + u.random.IntN(12); frames > 0 && index < u.last; frames-- {
		for index++; index < u.last && !u.matches(index); index++ {
		}
		if u.matches(index) {
			b.WriteString(event(prev, index))
			prev = index
		}
		if u.random.IntN(3) == 0 {
			b.WriteString(progress(index))
		}
	}
	switch u.random.IntN(7) {
	case 0: // in the middle of a line
		says = b.String()
		return says[:len(says)-u.random.IntN(len(says))], false
	case 1: // the last event again
		b.WriteString(event(prev, prev))
	case 2: // one left out
		b.WriteString(event(prev+3, prev+6))
	case 3: // back to the beginning
		b.WriteString(event(0, 3))
	case 4:
		b.WriteString(goaway())
	case 5:
		return b.String(), true
	}
	return b.String(), false
}

// wantAll ranges over a watch until the history's last event and compares what
// came with the history.
func (u *unsteady) wantAll(ctx context.Context, c *client.Client) error {
	want := uint64(3)
	for f, err := range c.Watch(ctx, client.WatchRequest{After: wire.AfterStart}) {
		switch {
		case err != nil:
			return fmt.Errorf("before event %d: %w", want, err)
		case f.Event == nil:
		case f.Event.Index != want:
			return fmt.Errorf("event %d, want %d", f.Event.Index, want)
		case want+3 > u.last:
			return nil
		default:
			want += 3
		}
	}
	return fmt.Errorf("ended before event %d", want)
}

func TestWhatIsYieldedEqualsTheHistory(t *testing.T) {
	for range 60 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			u := &unsteady{random: rand.New(rand.NewPCG(seed, 0)), last: 3 * 100}
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				says, silent := u.stream(r.URL.Query().Get("after"))
				body := io.NopCloser(io.MultiReader(strings.NewReader(says), ending{r.Context(), silent}))
				return streaming(body), nil
			})
			c := newClient(t, client.Config{Endpoints: []string{"http://n1", "http://n2", "http://n3"}, HTTP: &http.Client{Transport: transport}})
			if err := u.wantAll(t.Context(), c); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
	}
}

func TestWhatIsYieldedEqualsTheHistoryOverSockets(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	u := &unsteady{random: rand.New(rand.NewPCG(seed, 0)), last: 3 * 60}
	handle := func(w http.ResponseWriter, r *http.Request) {
		says, _ := u.stream(r.URL.Query().Get("after")) // one connection at a time
		w.Header().Set("Content-Type", wire.MediaNDJSON)
		for line := range strings.SplitAfterSeq(says, "\n") {
			io.WriteString(w, line)
			http.NewResponseController(w).Flush()
		}
		hangUp(w)
	}
	n1, n2 := newNode(t, handle), newNode(t, handle)
	c := newClient(t, client.Config{Endpoints: []string{n1.URL, n2.URL}})
	if err := u.wantAll(ctx(t), c); err != nil {
		t.Error(err)
	}
}

// Neither an end of the context nor a break of the loop leaves anything behind;
// goleak looks at the end of all tests, this one sees that the server is told.
func TestWatchThatEndsHangsUp(t *testing.T) {
	var open atomic.Int32
	opened, closed := make(chan struct{}, 2), make(chan struct{}, 2)
	n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", wire.MediaNDJSON)
		io.WriteString(w, resumed(8, 8))
		http.NewResponseController(w).Flush()
		open.Add(1)
		opened <- struct{}{}
		<-r.Context().Done()
		open.Add(-1)
		closed <- struct{}{}
	})
	c := newClient(t, client.Config{Endpoints: []string{n.URL}})
	for range c.Watch(ctx(t), client.WatchRequest{}) {
		break
	}
	<-opened
	wait(t, closed)

	ending, cancel := context.WithCancel(t.Context())
	go func() { <-opened; cancel() }()
	var last error
	for _, err := range c.Watch(ending, client.WatchRequest{}) {
		last = err
	}
	if last == nil || last.Error() != "watch everything: context canceled" {
		t.Errorf("ended with %v", last)
	}
	wait(t, closed)
	if open.Load() != 0 {
		t.Errorf("%d streams are still open", open.Load())
	}
}

func wait(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("waited for 10 s")
	}
}
