package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"confman/api/wire"
)

// vitals is what a process says of itself at GET /metrics.
type vitals struct {
	cpu        float64 // seconds used since it started
	resident   float64 // bytes
	heap       float64 // bytes in use, garbage included
	goroutines float64
}

// vitalsOf asks a node or a floor.
func vitalsOf(ctx context.Context, node string) (v vitals, err error) {
	wanted := map[string]*float64{
		"process_cpu_seconds_total": &v.cpu, "process_resident_memory_bytes": &v.resident,
		"go_memstats_heap_alloc_bytes": &v.heap, "go_goroutines": &v.goroutines,
	}
	err = get(ctx, strings.TrimSuffix(node, "/")+"/metrics", "", func(body io.Reader) error {
		lines := bufio.NewScanner(body)
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), " ")
			if to := wanted[name]; to != nil {
				if *to, err = strconv.ParseFloat(value, 64); err != nil {
					return err
				}
				delete(wanted, name)
			}
		}
		return lines.Err()
	})
	if err == nil && len(wanted) > 0 {
		err = fmt.Errorf("%s/metrics lacks %d of the metrics of every Go process", node, len(wanted))
	}
	return v, err
}

// collectGarbage lets a node or a floor collect its garbage, so that what is
// left is in use.
func collectGarbage(ctx context.Context, node, key string) error {
	return get(ctx, strings.TrimSuffix(node, "/")+"/debug/pprof/heap?gc=1", key, func(body io.Reader) error {
		_, err := io.Copy(io.Discard, body)
		return err
	})
}

// get reads the answer to a GET, which must be 200.
func get(ctx context.Context, url, key string, read func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if key != "" {
		request.Header.Set(wire.HeaderAPIKey, key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	if err := read(response.Body); err != nil {
		return fmt.Errorf("read %s: %w", url, err)
	}
	return nil
}

// ownCPU is the CPU time in seconds that this process has used.
func ownCPU() (float64, error) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return (time.Duration(used.Utime.Nano()) + time.Duration(used.Stime.Nano())).Seconds(), nil
}

// Settling of memory.
const (
	stillFor = time.Second      // between two looks
	still    = 0.02             // change that counts as none
	stillBy  = 20 * time.Second // or never
)

// atRest collects garbage until the resident memory stays where it is, and
// returns the vitals then.
func atRest(ctx context.Context, node, key string) (v vitals, err error) {
	for deadline := time.Now().Add(stillBy); ; {
		if err := collectGarbage(ctx, node, key); err != nil {
			return v, err
		}
		before := v
		if v, err = vitalsOf(ctx, node); err != nil {
			return v, err
		}
		change := v.resident - before.resident
		if max(change, -change) <= still*v.resident && v.goroutines == before.goroutines || time.Now().After(deadline) {
			return v, nil
		}
		if err := wait(ctx, time.Now().Add(stillFor)); err != nil {
			return v, err
		}
	}
}

// wait waits until a time.
func wait(ctx context.Context, until time.Time) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
