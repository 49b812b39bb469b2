package torture

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/million"
)

// grownEvents is how many events great histories have: CONFMAN_EVENTS, else a
// million in the long variants and as many as are made in half a second in the short.
func grownEvents() int {
	if n, err := strconv.Atoi(os.Getenv("CONFMAN_EVENTS")); err == nil {
		return n
	}
	return rounds(10_000, 1_000_000)
}

// grown is a node that serves a great history.
func grown(t *testing.T, rng *rand.Rand) (*cluster, million.Grown) {
	t.Helper()
	c, made := prepareGrown(t, rng, grownEvents(), plan{size: 1})
	c.nodes[0].start()
	c.awaitReady(c.nodes[0])
	return c, made
}

// prepareGrown makes a great history for a node that does not run yet.
func prepareGrown(t *testing.T, rng *rand.Rand, events int, p plan) (*cluster, million.Grown) {
	t.Helper()
	c := prepare(t, p)
	n := c.nodes[0]
	began := time.Now()
	made, err := million.Grow(million.Config{
		Dir: n.dir, Node: n.id, Address: n.address, Key: c.key, Story: "testdata/petclinic.jsonl", Events: events,
		Seed: rng.Uint64(), Began: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Span: 2 * 365 * 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events, %d keys live at the end, made in %v", made.Head.Index, made.Live, time.Since(began))
	return c, made
}

// export reads an audit export to its end, without keeping it.
func (c *cluster) export(n *node, query url.Values, each func(wire.AuditEvent)) {
	c.t.Helper()
	c.lines(n, "/api/v1/audit?"+query.Encode(), func(line []byte) {
		var e wire.AuditEvent
		if err := json.Unmarshal(line, &e); err != nil {
			c.t.Fatalf("export: %v: %.200s", err, line)
		}
		each(e)
	})
}

// lines reads an answer of lines, however long it is and takes.
func (c *cluster) lines(n *node, path string, each func(line []byte)) http.Header {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, n.url()+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set(wire.HeaderAPIKey, c.key)
	r.Header.Set("Accept", wire.MediaNDJSON)
	resp, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s at %s: %s", path, n.id, resp.Status)
	}
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 8<<20)
	for in.Scan() {
		each(in.Bytes())
	}
	if err := in.Err(); err != nil {
		c.t.Fatalf("%s at %s broke off: %v", path, n.id, err)
	}
	return resp.Header
}

// wholeExport is the export of everything, dense from 1 on up to an event.
func (c *cluster) wholeExport(n *node, head uint64) (h history) {
	c.t.Helper()
	h = make(history, 0, head)
	c.export(n, url.Values{"order": {"asc"}}, func(e wire.AuditEvent) {
		if e.Index != uint64(len(h))+1 {
			c.t.Fatalf("export: event %d stands where %d should", e.Index, len(h)+1)
		}
		h = append(h, e)
	})
	if uint64(len(h)) != head {
		c.t.Fatalf("export: %d events of %d", len(h), head)
	}
	return h
}

// resident is the memory of a node in bytes, without what it has mapped of its
// files.
func (n *node) resident() (size uint64) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.life().cmd.Process.Pid))
	if err == nil {
		_, after, _ := strings.Cut(string(content), "RssAnon:")
		_, err = fmt.Sscan(after, &size) // KiB
	}
	if err != nil {
		n.t.Error(err)
	}
	return size << 10
}

// treeBytes is the space that files below a directory take.
func treeBytes(t testing.TB, dir string) (total uint64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = d.Info()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // files come and go
		}
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && !d.IsDir() {
			total += uint64(st.Blocks) * 512
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return total
}
