package check

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"confman/cmd/torture/lab"
)

// Vitals are what a node uses.
type Vitals struct {
	Goroutines  int   `json:"goroutines"`
	Descriptors int   `json:"descriptors"`
	Resident    int64 `json:"residentBytes"`
}

// What a node may use more than at the start, when the load has ended: a history
// that has grown is in more files and caches.
const (
	moreGoroutines  = 40
	moreDescriptors = 80
	mostResident    = 512 << 20 // bytes, whatever it was
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
		}
	}
	if v.Goroutines == 0 || v.Descriptors == 0 || v.Resident == 0 {
		return v, fmt.Errorf("metrics of %s lack vitals: %+v", n.ID, v)
	}
	return v, nil
}

// Leaks is C6: whether each node that runs comes back to what it used before.
// before is by node; a node that is not in it is compared with any other.
func Leaks(ctx context.Context, l *lab.Lab, before map[string]Vitals) (found []Finding) {
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
		err := lab.Await(ctx, n.ID+" uses what it used before", func() error {
			now, err := Measure(ctx, l, n)
			if err == nil && (now.Goroutines > was.Goroutines+moreGoroutines || now.Descriptors > was.Descriptors+moreDescriptors || now.Resident > mostResident) {
				err = fmt.Errorf("%+v, before %+v", now, was)
			}
			return err
		})
		if err != nil {
			found = append(found, finding("C6", "%v", err))
		}
	}
	return found
}
