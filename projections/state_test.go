package projections_test

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"confman/events"
	"confman/projections"
)

// A reader holds a state and reads it over and over while thousands of later
// entries are folded. Under the race detector this also shows that folding
// shares nothing that it writes to.
func TestAStateDoesNotChangeWhileLaterOnesAreMade(t *testing.T) {
	p := begun(t)
	for i := range 200 {
		p.must(p.decide(set(fmt.Sprint("ns", i%7), fmt.Sprint("k", i), i), time.Unix(2000, 0), fmt.Sprint("claim", i)))
	}
	old, want := p.State, p.Everything(true)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	defer readers.Wait()
	for range 2 {
		readers.Go(func() {
			for {
				if got := old.Everything(true); !reflect.DeepEqual(got, want) {
					t.Errorf("the state changed under a reader")
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	defer close(stop)
	at := time.Unix(3000, 0)
	for i := range 3000 {
		at = at.Add(time.Minute) // so that receipts expire, too
		p.must(p.decide(set(fmt.Sprint("ns", i%9), fmt.Sprint("k", i%250), -i-1), at, fmt.Sprint("later", i)))
	}
	if p.Index() < 3000 {
		t.Errorf("folded up to %d only", p.Index())
	}
}

func TestListsOfTheState(t *testing.T) {
	p := begun(t)
	at := time.Unix(2000, 0)
	for _, k := range [][2]string{{"a", "y"}, {"a/b", "x"}, {"a.b", "x"}, {"b", "k/1"}, {"b", "k/10"}, {"b", "k/2"}} {
		p.must(p.decide(set(k[0], k[1], 1), at, ""))
	}
	p.must(p.decide(events.DeleteEntry{Namespace: "b", Key: "k/10"}, at, ""))
	p.must(p.decide(events.DeleteNamespace{Path: "a.b"}, at, ""))
	for _, id := range []string{"k2", "k1"} {
		p.must(p.decide(events.CreateKey{ID: id, Name: id, Digest: "digest of " + id, Grants: []events.Grant{{Namespace: "/", Role: events.Viewer}}}, at, ""))
	}
	var namespaces, inB, all, keys []string
	for n := range p.Namespaces("a") {
		namespaces = append(namespaces, n.Path)
	}
	for e := range p.EntriesAfter("b", "k/1") {
		inB = append(inB, e.Key)
	}
	for e := range p.AllEntries("a", "x") {
		all = append(all, e.Namespace+" "+e.Key)
	}
	for k := range p.APIKeys("k1") {
		keys = append(keys, k.ID)
	}
	for name, tt := range map[string]struct{ got, want []string }{
		"namespaces after a": {namespaces, []string{"a/b", "b"}},
		"entries after k/1":  {inB, []string{"k/2"}},
		"all after a x":      {all, []string{"a y", "a/b x", "b k/1", "b k/2"}},
		"keys after k1":      {keys, []string{"k2"}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", name, tt.got, tt.want)
		}
	}
	if k, ok := p.APIKeyByDigest("digest of k1"); !ok || k.ID != "k1" {
		t.Errorf("by digest: %+v, %v", k, ok)
	}
	if k, ok := p.APIKeyByDigest("another"); ok {
		t.Errorf("by another digest: %+v", k)
	}
}

var _ events.View = (*projections.State)(nil)
