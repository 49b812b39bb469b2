package projections_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"confman/events"
	"confman/projections"
)

var seedFlag = flag.Uint64("seed", 0, "run the simulations with this seed only")

// eachSeed runs a simulation with seeds that a failure prints. Changes are
// governed in every other one.
func eachSeed(t *testing.T, n int, run func(t *testing.T, s *sim)) {
	simulate(t, n, 250, func(i int) uint64 { return rand.Uint64()&^1 | uint64(i&1) }, run)
}

// eachGoverned is eachSeed with governed changes only, and more of them.
func eachGoverned(t *testing.T, n int, run func(t *testing.T, s *sim)) {
	simulate(t, n, 500, func(int) uint64 { return rand.Uint64() &^ 1 }, run)
}

func simulate(t *testing.T, n, steps int, seed func(i int) uint64, run func(t *testing.T, s *sim)) {
	seeds := []uint64{*seedFlag}
	if *seedFlag == 0 {
		seeds = nil
		for i := range n {
			seeds = append(seeds, seed(i))
		}
	}
	for _, seed := range seeds {
		s := newSim(t, seed)
		s.run(steps)
		run(t, s)
		if t.Failed() {
			t.Fatalf("run again with -seed=%d", seed)
		}
	}
}

// simulated is one history, short, always the same.
func simulated(t testing.TB) *sim {
	s := newSim(t, 7)
	s.run(80)
	return s
}

var (
	simSpaces = []string{"a", "a/b", "a.b", "c"}
	simKeys   = []string{"x", "y", "z/1", "z/10"}
	simActors = []string{"ann", "bob", "an"}
	simValues = []string{`"1"`, `2`, `"3"`}
)

// sim is several proposers, each with its own stale idea of the present, whose
// proposals reach one history in whatever order and batches.
type sim struct {
	testing.TB
	rng       *rand.Rand
	now       time.Time
	raft      projections.Origin
	published []*projections.State
	proposers [3]*projections.State
	queue     []attempt
	claimed   []attempt // to be asked again
	model     *model
	spaces    []string // of simSpaces
	keys      []string // of simKeys
	governed  bool     // changes are governed, too: see govern
	ledger    *ledger
	requests  int // IDs given to publish requests
	again     []attempt

	store   *rows
	written []projections.Row
	records []events.Record
	entries []entry
	tally   map[string]int
}

// attempt is a command, decided on some state.
type attempt struct {
	command  events.Command
	stamp    events.Stamp
	proposal events.Proposal
	on       *projections.State
}

// entry is a Raft entry and where the history stood after it.
type entry struct {
	from    projections.Origin
	data    []byte // nil: it brought no proposals
	written int    // rows
	after   *projections.State
}

func newSim(t testing.TB, seed uint64) *sim {
	s := &sim{
		TB: t, rng: rand.New(rand.NewPCG(seed, 0)), now: time.Unix(1_700_000_000, 0).UTC(), raft: projections.Origin{Index: 2, Term: 1},
		published: []*projections.State{projections.Empty()}, model: newModel(), spaces: simSpaces, keys: simKeys, store: newRows(), tally: map[string]int{},
	}
	for i := range s.proposers {
		s.proposers[i] = s.published[0]
	}
	if seed%2 == 0 {
		s.beginGoverned()
	}
	return s
}

func (s *sim) newest() *projections.State { return s.published[len(s.published)-1] }

func (s *sim) run(steps int) {
	for range steps {
		s.now = s.now.Add(time.Duration(s.rng.IntN(10_000)) * time.Millisecond)
		switch n := s.rng.IntN(100); {
		case n < 60:
			s.propose()
		case n < 75:
			s.proposers[s.rng.IntN(len(s.proposers))] = s.published[max(0, len(s.published)-1-s.rng.IntN(3))]
		case n < 78:
			s.now = s.now.Add(13 * time.Hour)
		default:
			s.commit()
		}
	}
	for len(s.queue) > 0 {
		s.commit()
	}
}

func (s *sim) propose() {
	on := s.proposers[s.rng.IntN(len(s.proposers))]
	a := attempt{on: on}
	a.stamp = events.Stamp{
		Time:  s.now.Add(time.Duration(s.rng.IntN(20)-10) * time.Second), // clocks differ
		ID:    ulid.ULID{15: byte(s.rng.IntN(256)), 7: byte(s.rng.IntN(256))},
		Actor: pick(s.rng, simActors),
	}
	a.stamp.CorrelationID = []string{"", "c-1", "c-10"}[a.stamp.ID[7]%3]
	switch {
	case len(s.again) > 0:
		a = s.again[0]
		a.on, s.again = s.newest(), s.again[1:]
		on = a.on
	case s.governed && s.rng.IntN(4) > 0:
		a.command = s.govern(on, &a.stamp)
	default:
		a.command = s.command(on)
	}
	switch s.rng.IntN(6) {
	case 0, 1:
		a.stamp.Claim = &events.Claim{
			ID: events.NewReceiptID(a.stamp.Actor, fmt.Sprint(s.rng.Uint64())), Fingerprint: events.Fingerprint{byte(s.rng.IntN(256))},
		}
		s.claimed = append(s.claimed, a)
	case 2:
		if len(s.claimed) > 0 { // asked again
			again := pick(s.rng, s.claimed)
			a.command, a.stamp.Claim, a.stamp.Actor = s.anew(again.command), again.stamp.Claim, again.stamp.Actor
		}
	}
	p, err := events.Rules{}.Decide(on, a.command, a.stamp)
	if err != nil {
		s.tally["refused"]++
		s.tallyRefusal(a.command, err)
		return
	}
	a.proposal = p
	s.queue = append(s.queue, a)
}

func (s *sim) command(on *projections.State) events.Command {
	ns, key := pick(s.rng, s.spaces), pick(s.rng, s.keys)
	kind := s.rng.IntN(20)
	if on.Index() == 0 && kind > 10 {
		kind = 20 // what may come to nothing is not asked of a history that has not begun
	}
	switch kind {
	case 0, 1:
		return events.PutNamespace{Path: ns, Description: new(pick(s.rng, []string{"", "d"})), Actor: "ann"}
	case 2:
		return events.DeleteNamespace{Path: ns}
	case 3:
		id := fmt.Sprint("key", s.rng.IntN(8))
		grants := []events.Grant{{Namespace: ns, Role: events.Editor}}
		return events.CreateKey{ID: id, Name: "n", Grants: grants, Digest: events.DigestKey(id)}
	case 4:
		return events.RevokeKey{ID: fmt.Sprint("key", s.rng.IntN(8))}
	case 5, 6, 7:
		return s.transaction(on)
	case 8, 9, 10:
		return events.DeleteEntry{Namespace: ns, Key: key, If: s.condition(on, ns, key)}
	case 11:
		return events.RaiseLevel{Level: 1 + events.Level(s.rng.IntN(2))}
	case 12:
		return s.trim()
	}
	return s.put(on, ns, key)
}

// trim moves the horizon to behind some Raft entry, be it one that the proposer
// has not seen.
func (s *sim) trim() (c events.TrimHistory) {
	if len(s.entries) > 0 {
		edge := pick(s.rng, s.entries[len(s.entries)/2:]).after
		c.To = events.Horizon{Oldest: edge.Index() + 1, Chain: edge.Chain(), Time: edge.Time()}
	}
	return c
}

func (s *sim) put(on *projections.State, ns, key string) events.PutEntry {
	value := pick(s.rng, simValues)
	return events.PutEntry{Namespace: ns, Key: key, Value: []byte(value), Actor: "ann", If: s.condition(on, ns, key)}
}

// condition is, now and then, what the proposer believes to be so.
func (s *sim) condition(on *projections.State, ns, key string) (c events.Condition) {
	now := on.Entry(ns, key)
	switch {
	case s.rng.IntN(2) == 0:
	case now.Live():
		c.Versions = []uint64{now.Version}
	default:
		c.Absent = true
	}
	return c
}

func (s *sim) transaction(on *projections.State) (c events.Transact) {
	for _, ns := range s.spaces[:2] {
		for _, key := range s.keys {
			now := on.Entry(ns, key)
			switch n := s.rng.IntN(12); {
			case n < 3:
				c.Set = append(c.Set, s.put(on, ns, key))
			case n == 3 && now.Live():
				c.Delete = append(c.Delete, events.DeleteEntry{Namespace: ns, Key: key})
			case n == 4:
				is := events.VersionIs{Namespace: ns, Key: key}
				if now.Live() {
					is.Version = now.Version
				}
				c.If = append(c.If, is)
			}
		}
	}
	return c
}

// commit folds some Raft entries, each of some of the waiting proposals, and
// then publishes the state.
func (s *sim) commit() {
	folding := projections.Begin(s.newest())
	for range 1 + s.rng.IntN(3) {
		s.raft.Index += 1 + s.rng.Uint64N(3)
		s.raft.Term += s.rng.Uint64N(2)
		s.rng.Shuffle(len(s.queue), func(i, j int) { s.queue[i], s.queue[j] = s.queue[j], s.queue[i] })
		n := min(len(s.queue), s.rng.IntN(6))
		batch := s.queue[:n]
		s.queue = s.queue[n:]
		e := entry{from: s.raft}
		if n == 0 {
			folding.Skip(s.raft)
		} else {
			e.data = s.fold(folding, batch)
		}
		e.written = len(s.written) + len(folding.Rows)
		e.after = projections.Begin(folding.State()).State() // a copy, frozen here
		s.entries = append(s.entries, e)
	}
	s.store.write(folding.Rows)
	s.written = append(s.written, folding.Rows...)
	s.records = append(s.records, folding.Records...)
	s.published = append(s.published, folding.State())
}

// fold folds one Raft entry and judges each result by the model.
func (s *sim) fold(folding *projections.Folding, batch []attempt) []byte {
	var proposals []events.Proposal
	for _, a := range batch {
		proposals = append(proposals, a.proposal)
	}
	data := events.EncodeEntry(proposals)
	decoded, err := events.DecodeEntry(data)
	if err != nil {
		s.Fatal(err)
	}
	first := len(folding.Records)
	results, err := folding.Entry(s.raft, decoded)
	if err != nil {
		s.Fatal(err)
	}
	records := folding.Records[first:]
	for i, r := range results {
		records = records[s.judge(batch[i], r, records):]
	}
	if len(records) > 0 {
		s.Errorf("%d records that no proposal asked for", len(records))
	}
	if s.governed {
		s.ledger.compare(s, folding.State())
	}
	return data
}

// judge holds one result against the contract, and returns how many records it
// brought.
func (s *sim) judge(a attempt, r projections.Result, records []events.Record) int {
	s.Helper()
	before := s.model.index
	claim := a.stamp.Claim
	var done events.Receipt
	if claim != nil {
		done = s.model.receipts(before)[claim.ID]
	}
	asked := done.ID != events.ReceiptID{}
	if r.Err != nil {
		s.tally["stale"]++
		if !errors.Is(r.Err, events.ErrStale) {
			s.Errorf("%T: %v, want nothing but stale", a.command, r.Err)
		}
		if a.on.Index() == before && !asked {
			s.Errorf("%T decided on the present is called stale: %v", a.command, r.Err)
		}
		if claim == nil && s.rng.IntN(2) == 0 {
			s.again = append(s.again, a)
		}
		return 0
	}
	if asked {
		s.Errorf("%T was done twice: at %d and, under the same claim, after %d", a.command, done.Index, before)
	}
	var want []happening
	if s.governed {
		for _, record := range records[:r.Count] {
			want = append(want, s.told(record))
		}
		s.ledger.take(s, a, records[:r.Count])
	} else {
		var err error
		if want, err = s.model.meaning(a.command, a.stamp.Actor); err != nil {
			s.Errorf("%+v was committed after event %d, though %v", a.command, before, err)
			return r.Count
		}
	}
	want = s.model.happen(want, a.stamp.Time)
	s.model.remember(claim, a.stamp.Time, len(want))
	s.tally[fmt.Sprintf("%T", a.command)]++
	if len(want) == 0 && claim != nil {
		s.tally["claimed and nothing to do"]++
	}
	if r.Index != s.model.index || r.Count != len(want) || r.Replayed || len(records) < r.Count {
		s.Errorf("%T: outcome %+v with %d records at hand, want %d events up to %d", a.command, r.Outcome, len(records), len(want), s.model.index)
		return r.Count
	}
	if n := len(want); n > 0 && r.Chain != records[n-1].Chain {
		s.Errorf("%T: the outcome has chain %s, the record %s", a.command, r.Chain, records[n-1].Chain)
	}
	for i, h := range want {
		s.compare(records[i], h, records[0], i == len(want)-1)
	}
	return len(want)
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }
