package check

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"confman/cmd/torture/lab"
)

// Vitals are what a node uses.
type Vitals struct {
	Goroutines  int   `json:"goroutines"`
	Descriptors int   `json:"descriptors"`
	Resident    int64 `json:"residentBytes"`
	Own         int64 `json:"ownBytes"`  // of what is resident: without pages of files, which the system takes back
	Heap        int64 `json:"heapBytes"` // what is reachable, and garbage that is not collected yet
}

// What a node may use more than the same node does, with the same data, when it
// has just been started: connections to its peers, and caches that are warm.
const (
	moreGoroutines  = 40
	moreDescriptors = 40
	moreHeap        = 64 << 20  // bytes
	mostOwn         = 256 << 20 // bytes, whatever it is after a restart
)

// Measure asks a node for its vitals.
func Measure(ctx context.Context, l *lab.Lab, n *lab.Node) (v Vitals, err error) {
	a, err := l.Get(ctx, n, "/metrics")
	if err != nil {
		return v, fmt.Errorf("metrics of %s: %w", n.ID, err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(a.Body)); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			continue
		}
		switch name {
		case "go_goroutines":
			v.Goroutines = int(value)
		case "process_open_fds":
			v.Descriptors = int(value)
		case "process_resident_memory_bytes":
			v.Resident = int64(value)
		case "go_memstats_heap_alloc_bytes":
			v.Heap = int64(value)
		}
	}
	if v.Own, err = own(n.PID()); err != nil {
		return v, fmt.Errorf("own memory of %s: %w", n.ID, err)
	}
	if v.Goroutines == 0 || v.Descriptors == 0 || v.Resident == 0 || v.Heap == 0 {
		return v, fmt.Errorf("metrics of %s lack vitals: %+v", n.ID, v)
	}
	return v, nil
}

// own is the anonymous memory of a process that is resident, in bytes (proc(5)).
func own(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		var kibibytes int64
		if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kibibytes); n == 1 {
			return kibibytes << 10, nil
		}
	}
	return 0, errors.New("its status has no RssAnon")
}

// rest has a node collect its garbage, and measures it.
func rest(ctx context.Context, l *lab.Lab, n *lab.Node) (v Vitals, err error) {
	if a, err := l.Get(ctx, n, "/debug/pprof/heap?gc=1"); err != nil || a.Status != http.StatusOK {
		return v, fmt.Errorf("garbage of %s is not collected: %d, %w", n.ID, a.Status, err)
	}
	return Measure(ctx, l, n)
}

// Wear is what a node used when the load had ended, and after a restart.
type Wear struct {
	Node  string `json:"node"`
	Worn  Vitals `json:"worn"`
	Fresh Vitals `json:"fresh"`
}

// leaks reports what the node uses that its history does not need.
func (w Wear) leaks() bool {
	return w.Worn.Goroutines > w.Fresh.Goroutines+moreGoroutines ||
		w.Worn.Descriptors > w.Fresh.Descriptors+moreDescriptors ||
		w.Worn.Heap > w.Fresh.Heap+moreHeap || w.Worn.Own > mostOwn
}

// Leaks is C6: whether each node that runs comes back to the goroutines that it
// had before and to mostOwn, and uses no more than its history needs, which is what it uses when
// it has just been started with it. It restarts the nodes in turn. before is by
// node; a node that is not in it is compared with any other.
func Leaks(ctx context.Context, l *lab.Lab, before map[string]Vitals) (all []Wear, found []Finding, err error) {
	for _, n := range l.Nodes() {
		if !n.Running() {
			continue
		}
		was, ok := before[n.ID]
		for _, v := range before {
			if !ok {
				was = v
			}
		}
		w := Wear{Node: n.ID}
		err := lab.Await(ctx, n.ID+" has no more to do than before", func() (err error) {
			w.Worn, err = rest(ctx, l, n)
			if err == nil && (w.Worn.Goroutines > was.Goroutines+moreGoroutines || w.Worn.Own > mostOwn) {
				err = fmt.Errorf("%+v, before %+v", w.Worn, was)
			}
			return err
		})
		if err != nil {
			found = append(found, finding("C6", "%v", err))
		}
		if w.Fresh, err = restarted(ctx, l, n); err != nil {
			return nil, nil, err
		}
		if w.leaks() {
			found = append(found, finding("C6", "%s uses %+v, and after a restart %+v", n.ID, w.Worn, w.Fresh))
		}
		all = append(all, w)
	}
	return all, found, nil
}

func restarted(ctx context.Context, l *lab.Lab, n *lab.Node) (v Vitals, err error) {
	if code, err := n.Term(ctx); err != nil || code != 0 {
		return v, fmt.Errorf("%s ends with code %d: %v", n.ID, code, err)
	}
	if err = n.Start(); err != nil {
		return v, err
	}
	if err = l.AwaitReady(ctx, n); err != nil {
		return v, err
	}
	return rest(ctx, l, n)
}
