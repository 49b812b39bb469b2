package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"confman/api/client"
)

func TestWatchKnocksEverMoreSeldomAndWithinTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &visits{steps: []visit{{status: 503}}}
		tries := 0
		c := newClient(t, client.Config{
			Endpoints: []string{"http://n1"}, HTTP: &http.Client{Transport: v},
			OnRetry: func(err error, wait time.Duration) {
				if tries++; !errors.Is(err, client.ErrUnavailable) || wait > 5*time.Second {
					t.Errorf("retry %d in %v: %v", tries, wait, err)
				}
			},
		})
		limited, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		begin := time.Now()
		for _, err := range c.Watch(limited, client.WatchRequest{}) {
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, client.ErrUnavailable) {
				t.Errorf("ended with %v, want the deadline and why nothing came", err)
			}
		}
		if took := time.Since(begin); took != 10*time.Minute {
			t.Errorf("ended after %v, want to try for as long as the context lives", took)
		}
		if tries < 120 || tries > 400 {
			t.Errorf("%d attempts in ten minutes, want one every 2.5 s or so", tries)
		}
	})
}

// However many watches a client has, together they do not storm a cluster that
// is down.
func TestWatchesThatFindNobodyShareTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const watches = 50
		var tries atomic.Int64
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			tries.Add(1)
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
		})
		c := newClient(t, client.Config{Endpoints: []string{"http://n1"}, HTTP: &http.Client{Transport: transport}})
		limited, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		var all sync.WaitGroup
		for range watches {
			all.Go(func() {
				for range c.Watch(limited, client.WatchRequest{}) {
				}
			})
		}
		all.Wait()
		if most := int64(watches*(1+120/5) + 20 + 2*120); tries.Load() > most {
			t.Errorf("%d attempts in two minutes, want %d at most", tries.Load(), most)
		}
	})
}

// A cluster of which every node is restarted once cuts every watch. All come
// back at once, however many one client has.
func TestManyWatchesThatWorkedComeBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const watches = 200
		release, back := make(chan struct{}), make(chan time.Time, watches)
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			body := io.MultiReader(strings.NewReader(resumed(8, 8)), ending{r.Context(), true})
			if r.URL.Query().Get("after") == "now" {
				body = io.MultiReader(strings.NewReader(resumed(8, 8)), gate(release))
			} else {
				back <- time.Now()
			}
			return streaming(io.NopCloser(body)), nil
		})
		c := newClient(t, client.Config{Endpoints: []string{"http://n1"}, HTTP: &http.Client{Transport: transport}})
		ctx, cancel := context.WithCancel(t.Context())
		for range watches {
			go func() {
				for range c.Watch(ctx, client.WatchRequest{}) {
				}
			}()
		}
		<-time.After(10 * time.Second)
		cut := time.Now()
		close(release)
		for range watches {
			if late := (<-back).Sub(cut); late > 100*time.Millisecond {
				t.Errorf("a watch came back after %v", late)
			}
		}
		cancel()
		synctest.Wait()
	})
}

// gate is a body that ends when it is closed.
type gate chan struct{}

func (g gate) Read([]byte) (int, error) { <-g; return 0, io.EOF }

func TestOneFrameMayBeLongAndNotEndless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Replace(event(3, 4), `"k"`, `"`+strings.Repeat("k", 1<<20)+`"`, 1)
		v := &visits{steps: []visit{{says: resumed(3, 4) + long, silent: true}, {says: resumed(4, 4) + strings.Repeat("x", 65<<20)}}}
		c := newClient(t, client.Config{Endpoints: []string{"http://n1"}, HTTP: &http.Client{Transport: v}})
		keys := 0
		for f, err := range c.Watch(t.Context(), client.WatchRequest{After: place(3)}) {
			switch {
			case err != nil:
				if !errors.Is(err, client.ErrBadAnswer) {
					t.Error(err)
				}
			case f.Event != nil:
				keys += len(f.Event.Key)
			}
		}
		if keys != 1<<20 {
			t.Errorf("a key of %d bytes came, want %d", keys, 1<<20)
		}
	})
}

// The time that the loop takes is not the node's silence, and a stream is not a
// call that a timeout of the caller's own HTTP client could cut.
func TestSlowLoopIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines, connections := make(chan string), 0
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			connections++
			return streaming(feed{r.Context(), lines}), nil
		})
		c := newClient(t, client.Config{Endpoints: []string{"http://n1"}, HTTP: &http.Client{Transport: transport, Timeout: time.Second}})
		go func() {
			for _, line := range []string{resumed(3, 5), event(3, 4), event(4, 5)} {
				<-time.After(2 * time.Second)
				lines <- line
			}
		}()
		for f, err := range c.Watch(t.Context(), client.WatchRequest{After: place(3)}) {
			if err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Hour)
			if told(f) == "5" {
				break
			}
		}
		if connections != 1 {
			t.Errorf("%d connections, want the one", connections)
		}
	})
}

// A caller who has enough says nothing about the node.
func TestCanceledWatchIsNotHeldAgainstTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := map[string]int{}
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			hosts[r.URL.Host]++
			<-r.Context().Done() // on its way to an answer
			return nil, r.Context().Err()
		})
		c := newClient(t, client.Config{Endpoints: []string{"http://n1", "http://n2"}, HTTP: &http.Client{Transport: transport}})
		for range 5 {
			short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			for range c.Watch(short, client.WatchRequest{}) {
			}
			cancel()
		}
		if len(hosts) != 1 {
			t.Errorf("asked %v, want all of one node", hosts)
		}
	})
}
