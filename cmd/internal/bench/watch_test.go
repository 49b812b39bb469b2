package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"confman/api/wire"
	"confman/cmd/internal/bench/crowd"
	"confman/cmd/internal/cli"
)

// watchRows runs bench watch on one small node and returns what it found.
func watchRows(t *testing.T, args ...string) watchReport {
	t.Helper()
	args = append([]string{"bench", "watch", "--nodes", "1", "--listen", freePort(t), "--data", onDisk(t), "-o", "json", "--duration", "100ms"}, args...)
	code, stdout, stderr := confman(t, nil, args...)
	var r watchReport
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != cli.ExitOK {
		t.Fatalf("exit code %d, %v: %s%s", code, err, stderr, stdout)
	}
	for _, row := range r.Results {
		if row.Deviation != "" || row.Writes.Errors != 0 || row.Deliveries.Decoded != 0 {
			t.Errorf("%s: %q, %d errors such as %s, %d events decoded", row.Name, row.Deviation, row.Writes.Errors, row.Writes.Error, row.Deliveries.Decoded)
		}
	}
	return r
}

func TestWatchesOfAClusterAndItsFloorsAreMeasured(t *testing.T) {
	r := watchRows(t, "--connections", "5")
	var names []string
	for _, row := range r.Results {
		names = append(names, fmt.Sprint(row.Name, row.Floor))
		d := row.Deliveries
		if d.Count == 0 || d.Rate <= 0 || d.PerRead < 1 || d.Bytes < 500 || row.Lag.P50 <= 0 || row.Lag.P50 > row.Lag.Max || row.Resident <= 0 || row.Cores.Here <= 0 {
			t.Errorf("not a measurement: %+v", row)
		}
		if row.Floor != (row.OfFloor == 0) || row.Floor != (row.Writes.Latency.P50 == 0) {
			t.Errorf("ratio %g to the floor, writes %+v: %s, floor %v", row.OfFloor, row.Writes, row.Name, row.Floor)
		}
	}
	floor, ours := r.Results[4].Deliveries.Bytes, r.Results[5].Deliveries.Bytes
	if floor < 0.85*ours || floor > 1.15*ours {
		t.Errorf("an event of the floor has %.0f bytes, a cluster's %.0f", floor, ours)
	}
	if got := strings.Join(names, " "); got != "websockettrue websocketfalse ssetrue ssefalse ndjsontrue ndjsonfalse" {
		t.Errorf("measured %s", got)
	}
}

func TestWatchesCatchUpWithALog(t *testing.T) {
	r := watchRows(t, "--connections", "4", "--log", "1000", "--encoding", "sse")
	if row := r.Results[0]; len(r.Results) != 1 || row.Shape.Log != 1000 || row.Deliveries.Count < 4*1000 || row.Deliveries.Rate <= 0 || row.Writes.Rate != 0 {
		t.Errorf("%+v", r.Results)
	}
}

func TestMemoryOfIdleConnectionsIsMeasured(t *testing.T) {
	r := watchRows(t, "--connections", "50", "--idle", "--encoding", "websocket", "--no-floors")
	if row := r.Results[0]; len(r.Results) != 1 || row.Each == nil || row.Each.Goroutines < 1 || row.Each.Goroutines > 4 || row.Each.Heap < 1 || row.Deliveries.Count != 0 {
		t.Errorf("%+v", r.Results)
	}
}

func TestTransactionsAndSharedConnectionsAreMeasured(t *testing.T) {
	r := watchRows(t, "--connections", "2", "--watches", "3", "--batch", "16", "--encoding", "websocket", "--no-floors", "--writers", "2", "--ahead", "0")
	if row := r.Results[0]; len(r.Results) != 1 || row.Deliveries.Count == 0 || row.Deliveries.Count%16 != 0 && row.Deliveries.PerRead < 2 {
		t.Errorf("%+v", r.Results)
	}
}

func TestStalledReadersAndOthersAreToldApart(t *testing.T) {
	r := watchRows(t, "--connections", "3", "--stall", "1", "--stall-for", "200ms", "--rate", "100", "--encoding", "sse")
	var names []string
	for _, row := range r.Results {
		names = append(names, row.Name)
	}
	if got := strings.Join(names, "; "); got != "sse, before; sse, stalled; sse, after" {
		t.Fatalf("measured %s", got)
	}
	if got := r.Results[2].Stalled; len(got) != 1 || got[0] != "caught up" {
		t.Errorf("what became of it: %q", got)
	}
	before, stalled := r.Results[0].Deliveries, r.Results[1].Deliveries
	if before.Count == 0 || stalled.Rate > 0.9*before.Rate {
		t.Errorf("%.0f deliveries a second before, %.0f while one of three stalled", before.Rate, stalled.Rate)
	}
}

func TestSuiteMeasuresAllThatThereIsATargetFor(t *testing.T) {
	var o watchOptions
	o.suite, o.shape.connections, o.shape.ahead, o.shape.stallFor = true, 1000, 4, time.Minute
	has := func(what string, is func(w watching) bool) {
		t.Helper()
		for _, w := range o.measurements() {
			if is(w) {
				return
			}
		}
		t.Errorf("no %s", what)
	}
	has("10,000 connections", func(w watching) bool { return w.connections == 10_000 && !w.idle && !w.floor })
	has("memory of 10,000", func(w watching) bool { return w.connections == 10_000 && w.idle && !w.floor })
	has("5,000 shared", func(w watching) bool { return w.connections*w.watches == 5000 && w.connections <= 10 })
	has("batches of the bare socket", func(w watching) bool { return w.batch == 16 && w.floor && w.encoding == wire.EncodingNDJSON })
	has("16 unwatched writers", func(w watching) bool { return w.connections == 0 && w.writers == 16 && w.ahead == 0 })
	has("16 watched writers", func(w watching) bool { return w.connections == 1000 && w.writers == 16 && w.ahead == 0 })
	has("lag", func(w watching) bool { return w.rate == 100 && w.connections == 1000 && w.stall == 0 })
	has("a stalled one", func(w watching) bool { return w.stall == 1 && w.stallFor == time.Minute })
	has("a log", func(w watching) bool { return w.log == suiteLog })
	for _, w := range o.measurements() {
		if err := w.validate(); err != nil && w.stallFor > 0 {
			t.Errorf("%s: %v", w.name, err)
		}
		if w.floor && (w.log > 0 || w.stall > 0 || w.watches > 1) {
			t.Errorf("%s: a floor cannot do that", w.name)
		}
	}
	o.noFloors = true
	for _, w := range o.measurements() {
		if w.floor {
			t.Errorf("%s is a floor", w.name)
		}
	}
}

func TestWatchCommandRefusesWhatItCannotMeasure(t *testing.T) {
	for _, args := range []string{
		"here", "--encoding grpc", "--watches 0", "--watches 2 --encoding sse", "--value-bytes 15", "--value-bytes 40000", "--duration 0s", "--nodes 2",
		"-o yaml", "--connections -1", "--connections 0 --idle", "--connections 0 --log 5", "--writers 0", "--batch 0", "--batch 129", "--rate -1",
		"--ahead -1", "--log -1", "--stall 5 --connections 5", "--stall-for 0s", "--connections 100000000", "--suite --connections 10000000",
	} {
		code, stdout, stderr := confman(t, nil, append([]string{"bench", "watch"}, strings.Fields(args)...)...)
		if code != cli.ExitUsage || stdout != "" || stderr == "" {
			t.Errorf("%s: exit code %d: %s%s", args, code, stdout, stderr)
		}
	}
}

// liar is a floor that leaves out an event now and then.
func liar(t *testing.T) *toldLies {
	f := &fanout{encoding: wire.EncodingNDJSON, ahead: 4, index: floorFirst, subscribers: map[*subscriber]struct{}{}}
	f.shape(64)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/watch", f.watch)
	mux.HandleFunc("POST /publish", func(w http.ResponseWriter, _ *http.Request) {
		f.publishing.Lock()
		defer f.publishing.Unlock()
		for i := range 10 {
			if b := f.next(1, time.Now()); i != 5 {
				f.announce(b)
			}
		}
		fmt.Fprintln(w, 10)
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "process_cpu_seconds_total 1\nprocess_resident_memory_bytes 1e6\ngo_memstats_heap_alloc_bytes 1\ngo_goroutines 7\n")
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return &toldLies{watchFloor{url: s.URL, index: floorFirst}}
}

// toldLies is a floor without a process of its own.
type toldLies struct{ watchFloor }

func (*toldLies) close() {}

func TestRunFailsWhenAWatchDeviatesAndPrintsItsFigures(t *testing.T) {
	var out strings.Builder
	o := watchOptions{encodings: []string{wire.EncodingNDJSON}, duration: 20 * time.Millisecond, valueBytes: 64, noFloors: true}
	o.shape = watching{connections: 3, watches: 1, writers: 1, batch: 1, ahead: 4, rate: 1}
	r := &watchRun{options: o, table: watchTable{&out}, start: func(context.Context, watching) (target, error) { return liar(t), nil }}
	err := r.all(t.Context())
	want := fmt.Sprintf("3 of 3 watches deviate, such as: connection 0: event %d follows %d, and the last one was %d", floorFirst+17, floorFirst+16, floorFirst+15)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want %s", err, want)
	}
	if !strings.Contains(out.String(), "DEVIATION: "+want) {
		t.Errorf("%q is not in %s", want, &out)
	}
}

func TestRowSaysWhatHasNoColumn(t *testing.T) {
	row := watchRow{Name: "sse", Writes: writes{Errors: 2, Error: "answered 503"}, Stalled: []string{"reset stuck"}, Unwatched: 1.5, Busy: 0.4}
	var out strings.Builder
	watchTable{&out}.row(row)
	for _, want := range []string{"2 errors such as answered 503", "the stalled: reset stuck", "p50 1.5 times", "others used 40 %"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %s", want, &out)
		}
	}
}

func TestWritersStayAsFarAheadOfTheReadersAsTheyMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2, 10)
		var passed atomic.Int32
		stop := time.Now().Add(time.Hour)
		go func() {
			for range 5 {
				_ = g.pass(t.Context(), stop)
				passed.Add(1)
			}
		}()
		for _, x := range []struct {
			read uint64
			want int32
		}{{0, 2}, {9, 2}, {10, 3}, {29, 4}, {30, 5}, {90, 5}} {
			g.read(x.read)
			synctest.Wait()
			if got := passed.Load(); got != x.want {
				t.Errorf("after %d deliveries %d writes, want %d", x.read, got, x.want)
			}
		}
	})
}

func TestWriterWritesItsKeysWithTheTimeTheyWereDue(t *testing.T) {
	due := time.Unix(0, 1_763_800_000_123_456_789)
	stamp := make([]byte, crowd.StampBytes)
	crowd.Stamp(stamp, due)
	for batch, want := range map[int]string{
		1: "PUT /api/v1/namespaces/confman-bench/config/key-7", 3: "POST /api/v1/transactions",
	} {
		var keys, values []string
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got := r.Method + " " + r.URL.Path; got != want || r.Header.Get(wire.HeaderAPIKey) != "secret" {
				t.Errorf("%s, want %s", got, want)
			}
			var put wire.PutConfig
			var tx wire.Transaction
			if batch == 1 {
				if err := json.NewDecoder(r.Body).Decode(&put); err != nil {
					t.Error(err)
				}
				tx.Set = []wire.SetOperation{{Value: put.Value}}
			} else if err := json.NewDecoder(r.Body).Decode(&tx); err != nil {
				t.Error(err)
			}
			for _, set := range tx.Set {
				keys, values = append(keys, set.Key), append(values, string(set.Value))
			}
		}))
		w, err := newWriter(&cluster{leader: s.URL + "/", key: "secret"}, 7, batch, 64)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.write(t.Context(), due), w.conn.close()); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if len(values) != batch || batch == 3 && strings.Join(keys, " ") != "key-7-0 key-7-1 key-7-2" {
			t.Errorf("%d keys: %q = %q", batch, keys, values)
		}
		for _, v := range values {
			if len(v) != 66 || !strings.HasPrefix(v, `"`+string(stamp)+"xx") {
				t.Errorf("value %s, want 64 bytes that begin with %s", v, stamp)
			}
		}
	}
}

func TestWritesComeAtTheirRateAndCountFromWhenTheyWereDue(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer s.Close()
	c := &cluster{leader: s.URL, key: "secret"}
	found := &recorder{}
	p := publishing{writers: 3, batch: 2, rate: 200, until: time.Now().Add(200 * time.Millisecond), found: found}
	if err := c.publish(t.Context(), p, 64); err != nil {
		t.Fatal(err)
	}
	// Two events a write: one each 10 ms, and one at the very beginning.
	if n := asked.Load(); n < 19 || n > 22 {
		t.Errorf("%d writes, want about 20", n)
	}
	if f := found.take(); f.puts.count != uint64(asked.Load()) || f.errors != 0 || found.take().puts.count != 0 {
		t.Errorf("%d writes recorded of %d", f.puts.count, asked.Load())
	}
}

func TestVitalsAreThoseOfTheProcess(t *testing.T) {
	f := liar(t)
	v, err := vitalsOf(t.Context(), f.url)
	if want := (vitals{cpu: 1, resident: 1e6, heap: 1, goroutines: 7}); err != nil || v != want {
		t.Errorf("%+v, %v; want %+v", v, err, want)
	}
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	if _, err := vitalsOf(t.Context(), s.URL); err == nil {
		t.Error("a process that says nothing has vitals")
	}
}
