package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"confman/api/wire"
)

// Of writers that race with the same If-Match exactly one wins, and the others are
// told so.
func TestOfRacingWritersOneWins(t *testing.T) {
	const rounds, writers = 40, 4
	b := newGoverned(t)
	for what, path := range map[string]string{
		"an entry":     entryPath("pay", "a"),
		"a draft":      draftPath("pay", "d"),
		"roles":        policyPath("pay", "roles"),
		"the settings": policyPath("pay", "settings"),
	} {
		body := func(n int) string {
			switch what {
			case "roles":
				return fmt.Sprintf(`{"grants":[{"role":"viewer","principal":"p%d"}]}`, n)
			case "the settings":
				return fmt.Sprintf(`{"quota":{"keys":%d}}`, 1000+n)
			}
			return fmt.Sprintf(`{"value":%d}`, n)
		}
		tag := b.do("PUT", path, body(0)).header.Get("ETag")
		for round := 1; round <= rounds; round++ {
			answers := make([]reply, writers)
			var racing sync.WaitGroup
			for i := range writers {
				racing.Go(func() {
					var err error
					if answers[i], err = b.try("PUT", path, body(round*writers+i), "If-Match: "+tag); err != nil {
						t.Error(err)
					}
				})
			}
			racing.Wait()
			won := 0
			for _, r := range answers {
				switch r.status {
				case 200:
					won++
					tag = r.header.Get("ETag")
				case 412:
				default:
					t.Errorf("%s: %d %s", what, r.status, r.body)
				}
			}
			if won != 1 {
				t.Fatalf("%s, round %d: %d writers won", what, round, won)
			}
		}
	}
}

// Of reviewers who give the last approval at the same time one publishes, once.
func TestOfRacingReviewersOnePublishes(t *testing.T) {
	d := newDesk(t)
	for round := range 20 {
		id := d.ask(fmt.Sprintf(`{"changes":[{"namespace":"pay","key":"a","value":%d}]}`, round))
		version := d.node.State().Entry("pay", "a").Version
		var statuses [2]int
		var racing sync.WaitGroup
		for i, who := range []string{d.rita, d.rolf} {
			racing.Go(func() {
				r, err := d.try("POST", requestsPath+"/"+id+"/approve", `{}`, who)
				if err != nil {
					t.Error(err)
				}
				statuses[i] = r.status
			})
		}
		racing.Wait()
		slices.Sort(statuses[:])
		if e := d.node.State().Entry("pay", "a"); statuses != [2]int{200, 409} || e.Version != version+1 {
			t.Fatalf("round %d: answers %v, version %d after %d", round, statuses, e.Version, version)
		}
	}
}

// A transaction of as many keys as there may be is seen whole or not at all: in the
// present, as of every index, and on a watch; others write at the same time.
func TestATransactionIsSeenWholeOrNotAtAll(t *testing.T) {
	const keys, rounds = 128, 6
	b := newWatchBench(t)
	w := b.watch("?namespace=pay&prefix=k", "Accept: application/x-ndjson")
	w.next(wire.FrameResumed)
	var done atomic.Bool
	var others sync.WaitGroup
	others.Go(func() {
		for i := 0; !done.Load(); i++ {
			if r, err := b.try("PUT", entryPath("pay", "other"), fmt.Sprintf(`{"value":%d}`, i)); err != nil || r.status > 201 {
				t.Errorf("%d %v", r.status, err)
			}
		}
	})
	var mu sync.Mutex
	told := map[string]string{} // value by index, "" before the first
	others.Go(func() {
		for !done.Load() {
			r, err := b.try("GET", "/api/v1/namespaces/pay/config?prefix=k", nil)
			if err != nil || r.status != 200 {
				t.Errorf("%d %v", r.status, err)
				return
			}
			mu.Lock()
			told[r.header.Get(wire.HeaderIndex)] = wholeList(t, r, keys)
			mu.Unlock()
		}
	})
	for round := 1; round <= rounds; round++ {
		var tx wire.Transaction
		for k := range keys {
			tx.Set = append(tx.Set, wire.SetOperation{Namespace: "pay", Key: fmt.Sprintf("k%03d", k), Value: json.RawMessage(strconv.Itoa(round))})
		}
		b.do("POST", "/api/v1/transactions", tx).is(200)
	}
	done.Store(true)
	others.Wait()
	for index, value := range told {
		r := b.do("GET", "/api/v1/namespaces/pay/config?prefix=k&at="+index, nil).is(200)
		if again := wholeList(t, r, keys); again != value {
			t.Errorf("as of %s it is %q, and was %q", index, again, value)
		}
	}
	for round := 1; round <= rounds; round++ {
		transaction := ""
		for k := range keys {
			f := w.next(wire.FrameEvent)
			var change wire.ConfigChange
			if err := json.Unmarshal(f.Event.Data, &change); err != nil {
				t.Fatal(err)
			}
			if k == 0 {
				transaction = f.Event.Transaction
			}
			if string(change.Value) != strconv.Itoa(round) || f.Event.Transaction != transaction || f.More != (k < keys-1) {
				t.Fatalf("event %d of transaction %d: %s", k, round, f.raw)
			}
		}
	}
	last := b.node.State().Index()
	for index := uint64(1); index <= last; index += last/100 + 1 { // also those that no answer told
		wholeList(t, b.do("GET", fmt.Sprintf("/api/v1/namespaces/pay/config?prefix=k&at=%d", index), nil).is(200), keys)
	}
}

// wholeList is the one value of all keys in a list, "" when there are none.
func wholeList(t *testing.T, r reply, keys int) string {
	values := map[string]int{}
	for _, e := range decodeAs[[]wire.ConfigEntry](r) {
		if strings.HasPrefix(e.Key, "k") {
			values[string(e.Value)]++
		}
	}
	for value, n := range values {
		if n != keys || len(values) != 1 {
			t.Errorf("at %s: %v", r.header.Get(wire.HeaderIndex), values)
		}
		return value
	}
	return ""
}
