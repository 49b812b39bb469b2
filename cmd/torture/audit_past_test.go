package torture

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/million"
)

func TestEveryPastStateOfAGreatHistoryIsWhatAFoldOfItsExportSays(t *testing.T) {
	rng := random(t)
	c, made := grown(t, rng)
	n := c.nodes[0]
	var indexes []uint64
	for range rounds(300, 1000) {
		indexes = append(indexes, 1+rng.Uint64N(made.Head.Index))
	}
	indexes = append(indexes, 1, made.Head.Index)
	slices.Sort(indexes)
	l, entries := ledger{}, 0
	var last wire.AuditEvent
	var asked []wire.AuditEvent // in the transaction that last belongs to, and not compared yet
	compare := func() {
		for _, e := range asked {
			entries += c.comparePast(n, l, e, last.Index, rng)
		}
		asked = nil
	}
	c.export(n, url.Values{"order": {"asc"}}, func(e wire.AuditEvent) {
		if last.Transaction == "" || e.Transaction != last.Transaction {
			compare()
		}
		l.fold(e)
		for last = e; len(indexes) > 0 && indexes[0] == e.Index; indexes = indexes[1:] {
			asked = append(asked, e)
		}
	})
	compare()
	if len(indexes) > 0 {
		t.Errorf("the export ends before event %d", indexes[0])
	}
	t.Logf("lists with %d entries were as folded", entries)
}

// comparePast compares what a node says of the state as of an event with the
// ledger, which has folded the whole transaction of the event, up to whole: the
// list of one namespace, of its own or with what it inherits. It returns how long
// the list was.
func (c *cluster) comparePast(n *node, l ledger, e wire.AuditEvent, whole uint64, rng *rand.Rand) int {
	c.t.Helper()
	namespace := million.Root
	if names := slices.Sorted(maps.Keys(l)); len(names) > 0 {
		namespace = names[rng.IntN(len(names))]
	}
	resolve, at := rng.IntN(2) == 0, []string{strconv.FormatUint(e.Index, 10), e.Position}[rng.IntN(2)]
	path := fmt.Sprintf("/api/v1/namespaces/%s/config?at=%s&resolve=%v", namespace, at, resolve)
	a, err := c.get(n, path)
	var entries []wire.ConfigEntry
	if err == nil && a.status == http.StatusOK {
		err = a.decode(&entries)
	}
	if err != nil || a.status != http.StatusOK && len(l) > 0 {
		c.t.Fatalf("%s: %v, %v", path, err, a)
	}
	got, sorted := answered(entries)
	if different := sameLists(got, l.list(namespace, resolve)); different != "" || !sorted {
		c.t.Fatalf("%s: %s (sorted %v)", path, different, sorted)
	}
	if reflects := a.header.Get(wire.HeaderIndex); a.status == http.StatusOK && reflects != strconv.FormatUint(whole, 10) {
		c.t.Fatalf("%s reflects event %s, the transaction ends with %d", path, reflects, whole)
	}
	for key, h := range l[namespace] { // any one, deleted ones too
		c.compareKey(n, namespace, key, at, h)
		break
	}
	return len(got)
}

// compareKey is comparePast for one key.
func (c *cluster) compareKey(n *node, namespace, key, at string, h held) {
	c.t.Helper()
	path := entryPath(namespace, key) + "?at=" + at
	want := http.StatusNotFound
	if h.live {
		want = http.StatusOK
	}
	a := c.must(want, n, http.MethodGet, path, nil)
	var entry wire.ConfigEntry
	if err := a.decode(&entry); h.live && (err != nil || text(entry.Value) != h.text || entry.Version != h.version) {
		c.t.Fatalf("%s: %v, want %+v", path, a, h)
	}
}

func TestATimeIsTheLastEventUpToIt(t *testing.T) {
	rng := random(t)
	c, made := prepareGrown(t, rng, 3000, plan{size: 1})
	n := c.nodes[0]
	n.start()
	c.awaitReady(n)
	h := c.wholeExport(n, made.Head.Index)
	for range rounds(50, 500) {
		i := 1 + rng.IntN(len(h)-1)
		instant := h[i].Timestamp.Add(time.Duration(rng.IntN(3)-1) * time.Nanosecond)
		want := h.upTo(instant)
		path := "/api/v1/namespaces/shops/region-00/config?" + url.Values{"at": {instant.Format(time.RFC3339Nano)}}.Encode()
		byTime := c.must(http.StatusOK, n, http.MethodGet, path, nil)
		byIndex := c.must(http.StatusOK, n, http.MethodGet, fmt.Sprint("/api/v1/namespaces/shops/region-00/config?at=", want), nil)
		if string(byTime.body) != string(byIndex.body) {
			t.Fatalf("at %v: not the state after event %d", instant, want)
		}
	}
}

// upTo is the index of the last event at or before a time.
func (h history) upTo(instant time.Time) uint64 {
	i, _ := slices.BinarySearchFunc(h, instant, func(e wire.AuditEvent, t time.Time) int {
		if e.Timestamp.After(t) {
			return 1
		}
		return -1
	})
	return uint64(i)
}
