package projections_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"confman/events"
	"confman/projections"
)

// erasable is an erasure of one value of one key that the rules allow now, with
// what holds it; ok is false when there is none.
func (s *sim) erasable(now *projections.State) (c events.EraseValues, held []projections.Held, ok bool) {
	h := projections.NewHistory(s.store.at(now.Index()), now.Index())
	for _, i := range s.rng.Perm(len(s.records)) {
		r, err := h.Record(s.records[i].Index)
		if err != nil {
			s.Fatal(err)
		}
		e, err := r.Event()
		if err != nil {
			s.Fatal(err)
		}
		holds, err := r.Holds()
		if err != nil {
			s.Fatal(err)
		}
		v := holds[events.ThisValue]
		live, draft := now.Entry(e.Namespace, e.Key).Value, now.Draft(e.Namespace, e.Key).Value
		if len(v.JSON) == 0 || bytes.Equal(v.JSON, live.JSON) || bytes.Equal(v.JSON, draft.JSON) {
			continue
		}
		c = events.EraseValues{Namespace: e.Namespace, Key: e.Key, Reason: "leaked", Values: []events.Value{v}, AsOf: now.Index()}
		for _, noun := range []events.Noun{events.TheEntry, events.TheDraft} {
			c.Touched = append(c.Touched, events.Subject{Noun: noun, Namespace: e.Namespace, Name: e.Key})
		}
		for _, found := range each(s.TB, h.Holding(v.JSON)) {
			if found.Event.Namespace != e.Namespace || found.Event.Key != e.Key {
				continue
			}
			after, err := found.Erase(found.Places)
			if err != nil {
				s.Fatal(err)
			}
			held = append(held, found)
			c.Records = append(c.Records, events.ErasedRecord{
				Index: found.Index, Values: found.Places, Before: s.chainAt(found.Index - 1),
				Digest: events.DigestOf(found.AppendStored(nil)), Remains: events.DigestOf(after.AppendStored(nil)),
			})
		}
		return c, held, true
	}
	return c, nil, false
}

// erase commits an erasure and rewrites the rows.
func (s *sim) erase(now *projections.State, c events.EraseValues) (*projections.State, events.HistoryErased) {
	s.Helper()
	for {
		p, err := events.Rules{}.Decide(now, c, events.Stamp{Time: time.Unix(9000, 0), ID: ulid.Make(), Actor: "ann"})
		var low *events.LevelError
		if errors.As(err, &low) {
			p, err = events.Rules{}.Decide(now, events.RaiseLevel{Level: low.Needs}, events.Stamp{Time: time.Unix(9000, 0), ID: ulid.Make(), Actor: "ann"})
		}
		if err != nil {
			s.Fatal(err)
		}
		f := projections.Begin(now)
		s.raft.Index++
		if results, err := f.Entry(s.raft, []events.Proposal{p}); err != nil || results[0].Err != nil {
			s.Fatal(err, results[0].Err)
		}
		s.store.write(f.Rows)
		now = f.State()
		if low != nil {
			continue
		}
		e, err := f.Records[0].Event()
		if err != nil {
			s.Fatal(err)
		}
		d := e.Data.(events.HistoryErased)
		for range 2 { // as when the entry is folded again at a start
			rows, err := projections.Erase(s.store.at(now.Index()), d)
			if err != nil {
				s.Fatal(err)
			}
			s.store.write(rows)
		}
		return now, d
	}
}

// What remains after some values are erased is what folding the records as they
// are then makes, and the chain verifies.
func TestAnErasedHistoryFoldsToTheRowsThatWereRewritten(t *testing.T) {
	erased, drafts := 0, 0
	simulate(t, 12, 300, func(i int) uint64 { return rand.Uint64()&^1 | uint64(i&1) }, func(t *testing.T, s *sim) {
		s.store = newRows() // with everything, whatever was trimmed
		s.store.write(s.written)
		now := s.newest()
		for range 4 {
			c, held, ok := s.erasable(now)
			if !ok {
				break
			}
			var d events.HistoryErased
			now, d = s.erase(now, c)
			erased++
			for _, h := range held {
				if h.Event.Data.Kind() == (events.DraftSaved{}).Kind() {
					drafts++
				}
			}
			s.isGone(t, now, c, d)
		}
		n := now.Index()
		h := projections.NewHistory(s.store.at(n), n)
		if err := h.Verify(1, events.Chain{}); err != nil {
			t.Fatalf("the chain: %v", err)
		}
		anew := newRows()
		state, err := projections.Rebuild(h, s.store.at(0), func(rows []projections.Row) error { anew.write(rows); return nil }, func(uint64) {})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(state.Everything(false), now.Everything(false)) {
			t.Fatal("the state differs")
		}
		for key, want := range s.store.versions {
			if got := anew.versions[key]; key[0] != 'x' && !reflect.DeepEqual(got, want) {
				t.Fatalf("row %q is folded as\n%+v, rewritten as\n%+v", key, got, want)
			}
		}
	})
	if erased < 10 || drafts == 0 {
		t.Errorf("%d erasures, %d records of drafts among them: too few to show anything", erased, drafts)
	}
}

// isGone fails where the value is still told of the key, at whatever index.
func (s *sim) isGone(t *testing.T, now *projections.State, c events.EraseValues, d events.HistoryErased) {
	t.Helper()
	value := c.Values[0].JSON
	for key, versions := range s.store.versions {
		if !strings.HasSuffix(key, c.Namespace+"\x00"+c.Key) || key[0] != 'c' && key[0] != 'd' {
			continue
		}
		for _, v := range versions {
			if bytes.Contains(v.Value, append([]byte(`"value":`), value...)) {
				t.Fatalf("row %q at %d still is %s", key, v.Index, v.Value)
			}
		}
	}
	h := projections.NewHistory(s.store.at(now.Index()), now.Index())
	for held, err := range h.Holding(value) {
		if err != nil || held.Event.Namespace == c.Namespace && held.Event.Key == c.Key {
			t.Fatalf("record %d still holds it: %s, %v", held.Index, held.Body, err)
		}
	}
	for _, r := range d.Records {
		e, found, err := h.Erasure(r.Index)
		if err != nil || !found || e.By != now.Index() || e.Remains != r.Remains {
			t.Fatalf("the erasure of %d is %+v, %v, %v", r.Index, e, found, err)
		}
	}
}

func TestAlterationsOfErasedRecordsAreFound(t *testing.T) {
	s := simulated(t)
	c, _, ok := s.erasable(s.newest())
	if !ok {
		t.Fatal("nothing to erase")
	}
	now, d := s.erase(s.newest(), c)
	n := now.Index()
	target := string(recordKey(d.Records[0].Index))
	other := slices.IndexFunc(s.records, func(r events.Record) bool { return !r.Erased && r.Index != d.Records[0].Index })
	whole := slices.Clone(s.store.versions[target])
	for name, alter := range map[string]func(){
		"its actor": func() {
			s.store.versions[target][0].Value = bytes.Replace(whole[0].Value, []byte(`"actor":"`), []byte(`"actor":"x`), 1)
		},
		"the one before it, chained anew": func() {
			at := d.Records[0].Index - 1
			row := &s.store.versions[string(recordKey(at))][0]
			stored := bytes.Replace(row.Value[32:], []byte(`"actor":"`), []byte(`"actor":"x`), 1)
			chain := s.chainAt(at - 1).Next(stored)
			row.Value = append(chain[:], stored...)
		},
		"its chain":         func() { s.store.versions[target][0].Value[0] ^= 1 },
		"without the event": func() { delete(s.store.versions, string(append([]byte{'e'}, target[1:]...))); s.store.keys = nil },
		"another marked as erased": func() {
			s.store.versions[string(recordKey(uint64(other+1)))][0].Value[33] |= 2
		},
	} {
		before := newRows()
		for key, versions := range s.store.versions {
			before.versions[key] = slices.Clone(versions)
			for i := range before.versions[key] {
				before.versions[key][i].Value = bytes.Clone(versions[i].Value)
			}
		}
		alter()
		if err := projections.NewHistory(s.store.at(n), n).Verify(1, events.Chain{}); err == nil {
			t.Errorf("%s: nothing was found", name)
		}
		s.store = before
		if err := projections.NewHistory(s.store.at(n), n).Verify(1, events.Chain{}); err != nil {
			t.Fatalf("%s: put back, %v", name, err)
		}
	}
}

func TestARecordThatIsNotTheOneThatWasMeantIsNotErased(t *testing.T) {
	s := simulated(t)
	c, _, ok := s.erasable(s.newest())
	if !ok {
		t.Fatal("nothing to erase")
	}
	d := events.HistoryErased{Records: slices.Clone(c.Records)}
	d.Records[0].Digest[0] ^= 1
	n := s.newest().Index()
	if rows, err := projections.Erase(s.store.at(n), d); err == nil {
		t.Errorf("rows %v", rows)
	}
	d.Records[0].Digest[0] ^= 1
	d.Records[0].Remains[0] ^= 1
	if rows, err := projections.Erase(s.store.at(n), d); err == nil {
		t.Errorf("rows %v", rows)
	}
}
