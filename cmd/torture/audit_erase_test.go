package torture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"confman/api/wire"
	"confman/cmd/torture/streams"
)

// leaked is a value that should not have been written anywhere, and was: as a
// draft, published, overwritten, rolled back to, promoted and deleted.
type leaked struct {
	c       *cluster
	value   string
	version uint64 // of app/db/password that had it first
}

// leak writes the value in all the ways there are. Where it was live it no longer
// is in the end.
func (c *cluster) leak() *leaked {
	c.t.Helper()
	l := &leaked{c: c, value: "leaked-" + strings.Repeat("6f1c9e", 4)}
	leader := c.leader()
	reviewer := c.mint("reviewer", wire.Grant{Namespace: wire.Root, Role: wire.RoleAdmin}).Key
	const key = "db/password"
	path := entryPath("app", key)
	must := func(status int, method, path string, body any, headers ...string) answer {
		return c.must(status, leader, method, path, body, headers...)
	}
	publish := func(a answer) {
		var p struct {
			ID      string
			Request string
		}
		if err := a.decode(&p); err != nil {
			c.t.Fatal(err)
		}
		must(http.StatusOK, http.MethodPost, "/api/v1/publish-requests/"+p.ID+p.Request+"/approve", wire.Decide{}, wire.HeaderAPIKey, reviewer)
	}
	must(http.StatusCreated, http.MethodPut, path, value("harmless"))
	must(http.StatusCreated, http.MethodPut, "/api/v1/namespaces/app/drafts/"+key, wire.PutDraft{Value: value(l.value).Value})
	publish(must(http.StatusCreated, http.MethodPost, "/api/v1/publish-requests", wire.NewRequest{Namespace: "app", Key: key}))
	var e wire.ConfigEntry
	if err := must(http.StatusOK, http.MethodGet, path, nil).decode(&e); err != nil || text(e.Value) != l.value {
		c.t.Fatalf("%+v, %v", e, err)
	}
	l.version = e.Version
	must(http.StatusConflict, http.MethodPost, "/api/v1/audit/erasures", l.request()) // it is live
	must(http.StatusOK, http.MethodPut, path, value("harmless again"))
	must(http.StatusOK, http.MethodPost, "/api/v1/namespaces/app/rollback/"+key, wire.Rollback{ToVersion: l.version})
	publish(must(http.StatusCreated, http.MethodPost, "/api/v1/promote", wire.Promote{From: "app", To: "live", Keys: []string{key}}))
	must(http.StatusOK, http.MethodPut, path, value("harmless for good"))
	must(http.StatusNoContent, http.MethodDelete, entryPath("live", key), nil)
	must(http.StatusCreated, http.MethodPut, "/api/v1/namespaces/app/drafts/"+key, wire.PutDraft{Value: value(l.value).Value})
	must(http.StatusConflict, http.MethodPost, "/api/v1/audit/erasures", l.request()) // it is in a draft
	must(http.StatusNoContent, http.MethodDelete, "/api/v1/namespaces/app/drafts/"+key, nil)
	c.awaitAgreement()
	return l
}

func (l *leaked) request() wire.Erase {
	return wire.Erase{Namespace: "app", Key: "db/password", Version: l.version, Everywhere: true, Reason: "it was leaked"}
}

// erase has the value erased, after a dry run that must find the same and change
// nothing.
func (l *leaked) erase() {
	c := l.c
	c.t.Helper()
	var dry, done wire.Erased
	before := c.positionNow()
	a := c.must(http.StatusOK, c.leader(), http.MethodPost, "/api/v1/audit/erasures?dry_run=true", l.request())
	if err := a.decode(&dry); err != nil || len(dry.Records) == 0 || c.positionNow() != before {
		c.t.Fatalf("dry run: %v, %v", err, a)
	}
	a = c.must(http.StatusCreated, c.leader(), http.MethodPost, "/api/v1/audit/erasures", l.request())
	if err := a.decode(&done); err != nil || !slices.EqualFunc(done.Records, dry.Records, func(a, b wire.ErasedRecord) bool {
		return a.Index == b.Index && slices.Equal(a.Values, b.Values)
	}) {
		c.t.Fatalf("erased %v, %v\nand the dry run said %+v", err, a, dry)
	}
	c.t.Logf("%d records erased by event %d", len(done.Records), done.Index)
}

// alsoLeaked is at the end of a value of several parts.
const alsoLeaked = "leaked-too-81d0b7e2a5"

// eraseFirst erases another value while all nodes are there: the first erasure of a
// history needs to know of each member that it can read it.
func (c *cluster) eraseFirst() {
	c.t.Helper()
	var e wire.ConfigEntry
	path := entryPath("app", "first")
	long := strings.Repeat("all work and no play ", 30_000) + alsoLeaked
	if err := c.must(http.StatusCreated, c.leader(), http.MethodPut, path, value(long)).decode(&e); err != nil {
		c.t.Fatal(err)
	}
	c.must(http.StatusNoContent, c.leader(), http.MethodDelete, path, nil)
	unwanted := wire.Erase{Namespace: "app", Key: "first", Index: e.Index, Reason: "to begin with"}
	c.must(http.StatusCreated, c.leader(), http.MethodPost, "/api/v1/audit/erasures", unwanted)
}

// places are where the value is still found: files of a node, with an offset.
func (l *leaked) places(dir string) (found []string) {
	l.c.t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !d.Type().IsRegular() {
			return nil // files come and go
		}
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for _, value := range []string{l.value, alsoLeaked} {
			if at := bytes.Index(content, []byte(value)); at >= 0 {
				found = append(found, fmt.Sprintf("%s at %d", path, at))
			}
		}
		return err
	})
	if err != nil {
		l.c.t.Fatal(err)
	}
	return found
}

// awaitScrubbed waits until nodes say that nothing erased is left on their disks,
// and holds them to it.
func (l *leaked) awaitScrubbed(nodes ...*node) {
	l.c.t.Helper()
	for _, n := range nodes {
		await(l.c.t, n.id+" is scrubbed", func() error {
			a, err := l.c.get(n, "/metrics")
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(a.body)) {
				if name, v, _ := strings.Cut(strings.TrimSpace(line), " "); name == "confman_erasure_pending" && v == "0" {
					return nil
				}
			}
			return errors.New("an erasure is pending there, or it does not say")
		})
		if found := l.places(n.dir); len(found) > 0 {
			l.c.t.Errorf("%s says that it is scrubbed, and the value is in %v", n.id, found)
		}
	}
}

// checkAnswers asks a node in every way there is about the past: none shows the
// value, and those that would have say that it was erased.
func (l *leaked) checkAnswers(n *node) {
	c := l.c
	c.t.Helper()
	at := fmt.Sprint("?at=", l.eventOf(n))
	for _, path := range []string{
		"/api/v1/audit?namespace=app&key=db/password", "/api/v1/namespaces/app/history/db/password", entryPath("app", "db/password") + at,
		"/api/v1/namespaces/app/config" + at, "/api/v1/diff?from=app@" + at[4:] + "&to=app",
	} {
		l.checkErased(n, path, c.must(http.StatusOK, n, http.MethodGet, path, nil).body)
	}
	for _, media := range []string{wire.MediaNDJSON, "text/csv"} {
		l.checkErased(n, media, c.must(http.StatusOK, n, http.MethodGet, "/api/v1/audit", nil, "Accept", media).body)
	}
	for _, encoding := range []string{wire.EncodingSSE, wire.EncodingNDJSON} {
		r := c.replay(n, encoding, "events", "all")
		r.checkWhole(r.read(0), c.historyOf(n))
		var told []byte
		for _, e := range r.events {
			told = append(told, e.Data...)
		}
		l.checkErased(n, "a replay by "+encoding, told)
	}
	w := c.open(n, streams.Call{Encoding: wire.EncodingNDJSON, After: wire.AfterStart, Filter: streams.Filter{Events: wire.EventsAll}})
	defer w.close()
	told, head := []byte{}, indexOf(c.t, c.positionNow())
	for f := (streams.Frame{}); f.Event == nil || f.Event.Index < head; {
		f = w.until(wire.FrameEvent)
		told = append(told, f.Event.Data...)
	}
	l.checkErased(n, "a watch from the start", told)
}

// eventOf is an event after which the value was live.
func (l *leaked) eventOf(n *node) uint64 {
	l.c.t.Helper()
	var versions []wire.HistoryVersion
	if err := l.c.must(http.StatusOK, n, http.MethodGet, "/api/v1/namespaces/app/history/db/password", nil).decode(&versions); err != nil {
		l.c.t.Fatal(err)
	}
	for _, v := range versions {
		if v.Version == l.version {
			return v.Index
		}
	}
	l.c.t.Fatalf("version %d is not in the history", l.version)
	return 0
}

func (l *leaked) checkErased(n *node, what string, said []byte) {
	l.c.t.Helper()
	if !bytes.Contains(said, []byte("erased")) || bytes.Contains(said, []byte(l.value)) {
		l.c.t.Errorf("%s at %s: %.2000s", what, n.id, said)
	}
}

// backup reads a backup of a node.
func (c *cluster) backup(n *node) []byte {
	c.t.Helper()
	a := c.must(http.StatusOK, n, http.MethodGet, "/api/v1/cluster/backup", nil)
	if len(a.body) == 0 || a.header.Get(wire.HeaderPosition) == "" {
		c.t.Fatalf("backup of %s: %v", n.id, a)
	}
	return a.body
}

// verifyNode has a node recompute its chain from its own disk.
func (c *cluster) verifyNode(n *node) (v wire.NodeVerification) {
	c.t.Helper()
	a := c.must(http.StatusOK, n, http.MethodGet, "/api/v1/audit/verify", nil)
	lines := bytes.Split(bytes.TrimSpace(a.body), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &v); err != nil || v.Node != n.id {
		c.t.Fatalf("verify %s: %v, %v", n.id, err, a)
	}
	return v
}

// checkClean is all that must hold of a node after the erasure.
func (l *leaked) checkClean(nodes ...*node) {
	l.c.t.Helper()
	l.awaitScrubbed(nodes...)
	for _, n := range nodes {
		l.checkAnswers(n)
		if v := l.c.verifyNode(n); !v.OK {
			l.c.t.Errorf("%s does not verify: %+v", n.id, v)
		}
		if b := l.c.backup(n); bytes.Contains(b, []byte(l.value)) || bytes.Contains(b, []byte(alsoLeaked)) {
			l.c.t.Errorf("a backup of %s has the value", n.id)
		}
	}
}

func TestAnErasedValueIsInNoFileOfAnyNodeAndTheChainStillVerifies(t *testing.T) {
	c := form(t, calm())
	l := c.leak()
	for _, n := range c.nodes {
		if len(l.places(n.dir)) == 0 {
			t.Fatalf("the value is nowhere on %s: this test looks in the wrong places", n.id)
		}
	}
	c.eraseFirst()
	live := c.open(c.leader(), streams.Call{Encoding: wire.EncodingSSE, After: wire.AfterNow, Filter: streams.Filter{Events: wire.EventsAll}})
	live.until(wire.FrameResumed)
	away := c.followers(c.leader())[0]
	away.kill9() // during the erasure
	l.erase()
	if f := live.until(wire.FrameEvent); f.Event.Type != "history.erased" {
		t.Errorf("a watch told %v of the erasure", f.Event.Type)
	}
	l.checkClean(c.followers(away)...)
	away.start()
	c.awaitReady(away)
	l.checkClean(c.nodes...)
	h := c.oneHistory()
	for _, n := range c.nodes {
		n.kill9()
	}
	for _, n := range c.nodes {
		n.start()
	}
	c.awaitReady(c.nodes...)
	late := c.join("n4", c.leader()) // all it can have is a snapshot: the Raft log was purged
	late.start()
	c.awaitVoter(late)
	if err := late.logged("snapshot installed"); err != nil {
		t.Error(err)
	}
	l.checkClean(c.nodes...)
	if again := c.oneHistory(); !slices.EqualFunc(h, again[:len(h)], func(a, b wire.AuditEvent) bool { return a.Position == b.Position }) {
		t.Error("the positions have changed")
	}
	t.Logf("%d events, %d nodes", len(h), len(c.nodes))
}
