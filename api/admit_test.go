package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"confman/api/admission"
	"confman/api/wire"
)

// crowd is a bench with two places for writes and eight for reads, all taken by
// others.
func crowd(t *testing.T) (b *bench, leave func()) {
	b = newBench(t, func(c *Config) {
		c.Limits.Admission = admission.Config{Reads: 8, Writes: 2, Wait: 20 * time.Millisecond}
	})
	b.put("pay", "a", "1")
	b.put("pay", "b", "1")
	var passes []admission.Pass
	take := func(k admission.Kind, cost int) {
		p, err := b.server.gate.Enter(t.Context(), k, "others", cost)
		if err != nil {
			t.Fatal(err)
		}
		passes = append(passes, p)
	}
	take(admission.Read, 8)
	take(admission.Write, 1)
	take(admission.Write, 1)
	return b, func() {
		for i := range passes {
			passes[i].Leave()
		}
	}
}

func TestAFullNodeSaysSoAndWhichLimitItIs(t *testing.T) {
	b, leave := crowd(t)
	for _, tt := range []struct{ method, path, body, flag string }{
		{"GET", entryPath("pay", "a"), "", "--max-reads"},
		{"GET", "/api/v1/configs", "", "--max-reads"},
		{"PUT", entryPath("pay", "a"), `{"value":2}`, "--max-writes"},
		{"POST", "/api/v1/transactions", `{"set":[{"namespace":"pay","key":"a","value":3}]}`, "--max-writes"},
	} {
		var body any
		if tt.body != "" {
			body = tt.body
		}
		r := b.do(tt.method, tt.path, body)
		r.problem(503, wire.ProblemOverloaded, tt.flag)
		if after := r.header.Get("Retry-After"); after != "1" && after != "2" && after != "3" {
			t.Errorf("%s: Retry-After %q", tt.path, after)
		}
	}
	leave()
	if e := decodeAs[wire.ConfigEntry](b.do("GET", entryPath("pay", "a"), nil).is(200)); string(e.Value) != "1" {
		t.Errorf("a refused write was done: %s", e.Value)
	}
	b.put("pay", "a", "2")
	if metrics := b.do("GET", "/metrics", nil).body; !strings.Contains(metrics, `confman_requests_shed_total{reason="queue"} 4`) ||
		!strings.Contains(metrics, `confman_inflight_requests{kind="write"} 0`) {
		t.Errorf("metrics do not show it:\n%s", grep(metrics, "shed", "inflight"))
	}
}

// What takes something away, lets people review, or says how the node is, waits
// for nobody.
func TestAFullNodeStillAnswersWhatIsUrgent(t *testing.T) {
	b, leave := crowd(t)
	defer leave()
	for _, path := range []string{"/health", "/health/ready", "/metrics", "/openapi.yaml"} {
		b.do("GET", path, nil).is(200)
	}
	b.do("GET", "/api/v1/cluster", nil).is(200)
	b.do("DELETE", entryPath("pay", "b"), nil).is(204)
	b.do("POST", "/api/v1/publish-requests/none/approve", nil).is(404)
}

func TestWhoHasMoreThanTheirShareIsTold(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Limits.Admission = admission.Config{Exports: 2, Waiting: 2} })
	b.put("pay", "a", "1")
	for i, kind := range []*admission.Quota{b.server.gate.Exports, b.server.gate.Waiting} {
		if err := kind.Take("ana", 1); err != nil {
			t.Fatal(err)
		}
		var r reply
		if i == 0 {
			r = b.do("GET", "/api/v1/audit", nil, "Accept: application/x-ndjson")
			r.problem(429, wire.ProblemTooManyRequests, "--max-exports")
		} else {
			r = b.do("GET", entryPath("pay", "a")+"?wait=10s&index=1000", nil)
			r.problem(429, wire.ProblemTooManyRequests, "--max-waiting")
		}
		if r.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		kind.Give("ana", 1)
	}
	b.do("GET", "/api/v1/audit", nil, "Accept: application/x-ndjson").is(200)
	b.do("GET", entryPath("pay", "a")+"?wait=1ms&index=1000", nil).is(200)
	g := b.server.gate
	if held, _ := g.Queue(admission.Read).Held(); held+int(g.Exports.Taken()+g.Waiting.Taken()+g.Bytes.Taken()) != 0 {
		t.Error("something is still held")
	}
}

func TestBodiesAndAnswersFitIntoTheirBudget(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Limits.Admission = admission.Config{Bytes: 1 << 20} })
	large := `{"value":"` + strings.Repeat("x", 400<<10) + `"}`
	b.do("PUT", entryPath("pay", "a"), large).is(201)
	bytes := b.server.gate.Bytes
	for holder, want := range map[string]int{"ana": 429, "others": 503} {
		most := int64(1 << 19)
		if holder == "others" { // and still others
			if err := bytes.Take("still others", most); err != nil {
				t.Fatal(err)
			}
		}
		if err := bytes.Take(holder, most-100<<10); err != nil {
			t.Fatal(err)
		}
		uri := map[int]string{429: wire.ProblemTooManyRequests, 503: wire.ProblemOverloaded}[want]
		b.do("PUT", entryPath("pay", "a"), large).problem(want, uri, "--max-transit-bytes")
		b.do("GET", entryPath("pay", "a"), nil).problem(want, uri, "--max-transit-bytes")
		b.put("pay", "b", "1") // a small one still fits
		bytes.Give(holder, most-100<<10)
		if holder == "others" {
			bytes.Give("still others", most)
		}
	}
	b.do("GET", entryPath("pay", "a"), nil).is(200)
	if err := bytes.Take("ana", 100<<10); err != nil { // for a body, but not for another answer of that size
		t.Fatal(err)
	}
	b.do("PUT", entryPath("pay", "a"), large).is(200)
	bytes.Give("ana", 100<<10)
	if n := bytes.Taken(); n != 0 {
		t.Errorf("%d bytes are still held", n)
	}
}

func TestWithoutMemoryNothingGrows(t *testing.T) {
	sample := admission.Sample{Limit: math.MaxInt64}
	b := newBench(t, func(c *Config) {
		c.Limits.Admission.Sample = func() admission.Sample { return sample }
	})
	b.put("pay", "a", "1")
	sample = admission.Sample{Live: 85, Limit: 100}
	for _, path := range []string{"/api/v1/watch?namespace=pay", "/api/v1/audit/replay", "/api/v1/audit/proof"} {
		b.do("GET", path, nil, "Accept: application/x-ndjson").problem(503, wire.ProblemOverloaded, "GOMEMLIMIT")
	}
	b.put("pay", "a", "2")
	sample.Live = 95
	b.do("PUT", entryPath("pay", "a"), `{"value":3}`).problem(503, wire.ProblemOverloaded, "GOMEMLIMIT")
	b.do("GET", entryPath("pay", "a"), nil).is(200)
	b.do("DELETE", entryPath("pay", "a"), nil).is(204)
}

func TestAConnectionTooManyIsServedWhatAnybodyMayAsk(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.Limits.Crowded = func(*http.Request) error { return errors.New("it takes 3 (--max-connections)") }
	})
	b.do("GET", "/health/ready", nil).is(200)
	r := b.do("GET", "/api/v1/whoami", nil)
	r.problem(503, wire.ProblemOverloaded, "--max-connections")
}

// pipes is a listener in memory, whose time is that of a bubble.
type pipes struct {
	conns chan net.Conn
	over  chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.over:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.over); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// inNoTime serves a handler over connections in memory.
func inNoTime(t *testing.T, h http.Handler, use func(dial func() net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		l := pipes{make(chan net.Conn), make(chan struct{})}
		s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 90 * time.Second}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		use(func() net.Conn {
			near, far := net.Pipe()
			l.conns <- far
			return near
		})
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-served
	})
}

func TestABodyThatComesTooSlowlyIsCut(t *testing.T) {
	b := newBench(t)
	for name, tt := range map[string]struct {
		head string
		key  string
		want string // in the answer
	}{
		"of a known length":         {"Content-Length: 300", b.root, "too slowly"},
		"of a large one":            {"Content-Length: 1000000", b.root, "too slowly"},
		"of an unknown length":      {"Transfer-Encoding: chunked", b.root, "too slowly"},
		"that nobody wants to read": {"Content-Length: 300", "unknown", "401"},
	} {
		t.Run(name, func(t *testing.T) {
			inNoTime(t, b.server, func(dial func() net.Conn) {
				began, conn := time.Now(), dial()
				var writer sync.WaitGroup
				defer writer.Wait()
				writer.Go(func() {
					fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\n%s\r\n\r\n", entryPath("pay", "a"), tt.key, tt.head)
					for { // a byte a second
						if _, err := io.WriteString(conn, "1"); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				})
				answer, _ := io.ReadAll(conn)
				if took := time.Since(began); took > 15*time.Second || !strings.Contains(string(answer), tt.want) {
					t.Errorf("after %s: %.300s", took, answer)
				}
				conn.Close()
			})
			if n := b.server.gate.Bytes.Taken(); n != 0 {
				t.Errorf("%d bytes are still held", n)
			}
		})
	}
}

// A reader who goes on reading is served however slow it is; one who stops is cut.
func TestAReaderWhoStopsIsCut(t *testing.T) {
	b := newBench(t)
	for i := range 6 {
		b.put("pay", fmt.Sprint("large-", i), `"`+strings.Repeat("x", 200<<10)+`"`)
	}
	for path, size := range map[string]int{"/api/v1/configs": 1200 << 10, "/api/v1/audit?since=2000-01-01T00:00:00Z": 1200 << 10} {
		for _, stops := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s stops %t", path, stops), func(t *testing.T) {
				inNoTime(t, b.server, func(dial func() net.Conn) {
					conn := dial()
					go fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Api-Key: %s\r\nAccept: %s\r\n\r\n", path, b.root, "application/x-ndjson, application/json;q=0.9")
					r, got := bufio.NewReaderSize(conn, 16), 0
					piece := make([]byte, 16<<10)
					for {
						n, err := r.Read(piece)
						if got += n; err != nil {
							break
						}
						if time.Sleep(time.Second); stops && got > 300<<10 {
							time.Sleep(31 * time.Second)
							stops = false
							if held, _ := b.server.gate.Queue(admission.Read).Held(); held != 0 {
								t.Error("it kept places")
							}
						}
					}
					if cut := got < size; cut != strings.HasSuffix(t.Name(), "true") {
						t.Errorf("%d of some %d bytes arrived", got, size)
					}
					conn.Close()
				})
				if g := b.server.gate; g.Bytes.Taken()+g.Exports.Taken() != 0 {
					t.Errorf("%d bytes and %d exports are still held", g.Bytes.Taken(), g.Exports.Taken())
				}
			})
		}
	}
}

func TestWhatHappensOftenIsLoggedOnceAndCounted(t *testing.T) {
	tally, now, said := newTally(), moment, 0
	for range 1000 {
		now = now.Add(20 * time.Millisecond)
		said += tally.note("overloaded", now)
	}
	if n := tally.note("another", now); n != 1 {
		t.Errorf("another kind: %d", n)
	}
	if said != 1+500 { // at 0 s and at 10 s
		t.Errorf("%d were told of, in lines", said)
	}
}

// grep is the lines that have one of the words.
func grep(text string, words ...string) (found string) {
	for line := range strings.Lines(text) {
		for _, w := range words {
			if strings.Contains(line, w) && !strings.HasPrefix(line, "#") {
				found += line
			}
		}
	}
	return found
}
