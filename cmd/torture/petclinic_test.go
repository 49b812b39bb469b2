package torture

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// fileChange is one write of the replayed history, and how it ended.
type fileChange struct {
	author, path string
	content      *string // nil: deleted
	request      string  // idempotency key

	entry wire.ConfigEntry
	meta  client.Meta
}

const petclinic = "petclinic"

func petclinicHistory(t *testing.T) (all []*fileChange) {
	t.Helper()
	data, err := os.ReadFile("testdata/petclinic.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var set struct {
			Seq     int
			Author  string
			Changes []struct {
				Path    string
				Content *string
			}
		}
		if err := json.Unmarshal([]byte(line), &set); err != nil {
			t.Fatal(err)
		}
		for i, c := range set.Changes {
			all = append(all, &fileChange{
				author: set.Author, path: c.Path, content: c.Content, request: fmt.Sprintf("petclinic-%d-%d", set.Seq, i),
			})
		}
	}
	return all
}

// authors gives each author of the changes an API key and a client with it.
func (c *cluster) authors(all []*fileChange) map[string]*client.Client {
	c.t.Helper()
	authors := map[string]*client.Client{}
	for _, f := range all {
		if authors[f.author] != nil {
			continue
		}
		var made wire.APIKey
		err := settle(c.t.Context(), "key-of-"+f.author, func(w client.Write) (err error) {
			made, err = c.client(c.key).CreateKey(c.t.Context(), wire.NewKey{
				Name: f.author, Grants: []wire.Grant{{Namespace: petclinic, Role: "editor"}},
			}, w)
			return err
		})
		if err != nil {
			c.t.Fatalf("make a key for %s: %v", f.author, err)
		}
		authors[f.author] = c.client(made.Key)
	}
	return authors
}

// send writes a change until its outcome is known, and notes it.
func (f *fileChange) send(t *testing.T, author *client.Client) (entry wire.ConfigEntry, meta client.Meta) {
	t.Helper()
	err := settle(t.Context(), f.request, func(w client.Write) (err error) {
		w.Meta = &meta
		if f.content == nil {
			return author.Delete(t.Context(), petclinic, f.path, w)
		}
		entry, err = author.Put(t.Context(), petclinic, f.path, value(*f.content), w)
		return err
	})
	if err != nil {
		t.Fatalf("%s by %s: %v", f.path, f.author, err)
	}
	return entry, meta
}

func TestTenYearsOfARealRepositorySurviveTheDeathOfEachNodeInTurn(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	c.namespace(petclinic)
	all := petclinicHistory(t)
	authors := c.authors(all)
	c.replayUnderKills(all, authors, rng)
	c.awaitReady(c.nodes...)
	h := c.oneHistory()
	for _, n := range c.nodes {
		c.checkFiles(n, all)
		c.checkVersions(n, all)
	}
	for _, f := range all { // long after, each request asked again
		entry, meta := f.send(t, authors[f.author])
		if !meta.Replayed || meta.Status != f.meta.Status || meta.Index != f.meta.Index ||
			entry.Version != f.entry.Version || string(entry.Value) != string(f.entry.Value) {
			t.Fatalf("%s asked again: %+v %+v, the first outcome was %+v %+v", f.request, meta, entry, f.meta, f.entry)
		}
	}
	if again := c.oneHistory(); len(again) != len(h) {
		t.Fatalf("asking again wrote %d events", len(again)-len(h))
	}
	t.Logf("%d writes by %d authors, %d events", len(all), len(authors), len(h))
}

// replayUnderKills sends the changes in order. Every few writes a node is killed
// while one is on its way, and comes back two writes later.
func (c *cluster) replayUnderKills(all []*fileChange, authors map[string]*client.Client, rng *rand.Rand) {
	every, kills := rounds(13, 4), 0
	var down *node
	var killing sync.WaitGroup
	for i, f := range all {
		switch i % every {
		case 0:
			down = c.nodes[kills%len(c.nodes)]
			kills++
			delay := time.NewTimer(time.Duration(rng.IntN(2000)) * time.Microsecond)
			killing.Go(func() {
				<-delay.C
				down.kill9()
			})
		case 2:
			killing.Wait()
			down.start()
			c.awaitReady(down)
		}
		f.entry, f.meta = f.send(c.t, authors[f.author])
	}
	killing.Wait()
	if !down.runs() {
		down.start()
	}
	c.t.Logf("%d kills", kills)
}

// checkFiles compares the live files of a node with the last state of the
// changes, byte for byte.
func (c *cluster) checkFiles(n *node, all []*fileChange) {
	c.t.Helper()
	want := map[string]string{}
	for _, f := range all {
		if f.content == nil {
			delete(want, f.path)
		} else {
			want[f.path] = *f.content
		}
	}
	files := 0
	for e, err := range c.client(c.key, n).List(c.t.Context(), petclinic, "", client.Read{}) {
		if err != nil {
			c.t.Fatalf("list at %s: %v", n.id, err)
		}
		files++
		if content, live := want[e.Key]; !live || content != text(e.Value) {
			c.t.Errorf("%s on %s: live %v, want %q, got %q", e.Key, n.id, live, content, text(e.Value))
		}
	}
	if files != len(want) {
		c.t.Errorf("%s has %d files, want %d", n.id, files, len(want))
	}
}

// checkVersions compares each file's history on a node with the changes that
// changed something.
func (c *cluster) checkVersions(n *node, all []*fileChange) {
	c.t.Helper()
	want := map[string][]*fileChange{}
	for _, f := range all {
		before := want[f.path]
		if len(before) > 0 && same(before[len(before)-1].content, f.content) {
			continue
		}
		want[f.path] = append(before, f)
	}
	for path, changes := range want {
		got := []wire.HistoryVersion{} // newest first
		for v, err := range c.client(c.key, n).History(c.t.Context(), petclinic, path, client.Read{}) {
			if err != nil {
				c.t.Fatalf("history of %s at %s: %v", path, n.id, err)
			}
			got = append(got, v)
		}
		if len(got) != len(changes) {
			c.t.Errorf("%s on %s has %d versions, want %d", path, n.id, len(got), len(changes))
			continue
		}
		for i, f := range changes {
			v := got[len(got)-1-i]
			wrong := v.Actor != f.author || v.Version != uint64(i)+1 || v.Index != f.meta.Index
			if f.content != nil {
				wrong = wrong || text(v.Value) != *f.content
			} else {
				wrong = wrong || v.Action != "config.deleted"
			}
			if wrong {
				c.t.Errorf("%s on %s, version %d: %+v, want that of %s by %s", path, n.id, i+1, v, f.request, f.author)
			}
		}
	}
}

func same(a, b *string) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}
