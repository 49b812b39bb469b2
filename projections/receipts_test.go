package projections_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"confman/events"
	"confman/projections"
)

// present is a history that grows by one proposal at a time.
type present struct {
	testing.TB
	*projections.State
	raft projections.Origin
}

func begun(t testing.TB) *present {
	p := &present{TB: t, State: projections.Empty(), raft: projections.Origin{Term: 1}}
	p.must(p.decide(set("a", "x", 1), time.Unix(1000, 0), ""))
	return p
}

func set(ns, key string, value int) events.PutEntry {
	return events.PutEntry{Namespace: ns, Key: key, Value: []byte(fmt.Sprint(value)), Actor: "ann"}
}

// decide proposes a command at a time, under an idempotency key if one is given.
func (p *present) decide(c events.Command, at time.Time, idempotencyKey string) events.Proposal {
	p.Helper()
	stamp := events.Stamp{Time: at, ID: ulid.ULID{1}, Actor: "ann"}
	if idempotencyKey != "" {
		stamp.Claim = &events.Claim{ID: events.NewReceiptID("ann", idempotencyKey), Fingerprint: events.Fingerprint{9}}
	}
	proposal, err := events.Rules{}.Decide(p.State, c, stamp)
	if err != nil {
		p.Fatal(err)
	}
	return proposal
}

func (p *present) commit(proposals ...events.Proposal) ([]projections.Result, *projections.Folding) {
	p.Helper()
	p.raft.Index++
	f := projections.Begin(p.State)
	results, err := f.Entry(p.raft, proposals)
	if err != nil {
		p.Fatal(err)
	}
	p.State = f.State()
	return results, f
}

func (p *present) must(proposal events.Proposal) *projections.Folding {
	p.Helper()
	results, f := p.commit(proposal)
	if results[0].Err != nil {
		p.Fatal(results[0].Err)
	}
	return f
}

func (p *present) receipt(key string) (events.Receipt, bool) {
	return p.Receipt(events.NewReceiptID("ann", key))
}

func TestReceiptsAreForgottenByTheTimeOfTheHistory(t *testing.T) {
	p := begun(t)
	start := time.Unix(2000, 0).UTC()
	p.must(p.decide(set("a", "x", 2), start, "once"))
	want := events.Receipt{ID: events.NewReceiptID("ann", "once"), Fingerprint: events.Fingerprint{9}, Index: 3, Count: 1, Time: start}
	if got, ok := p.receipt("once"); !ok || got != want {
		t.Fatalf("receipt %+v, %v, want %+v", got, ok, want)
	}
	p.must(p.decide(set("a", "x", 3), start.Add(events.ReceiptAge), ""))
	if _, ok := p.receipt("once"); !ok {
		t.Error("forgotten at 25 hours, want it remembered up to there")
	}
	f := p.must(p.decide(set("a", "x", 4), start.Add(events.ReceiptAge+1), ""))
	if got, ok := p.receipt("once"); ok {
		t.Errorf("after 25 hours there is still %+v", got)
	}
	ended := func(r projections.Row) bool {
		return r.Delete && r.Key[0] == 'x' && r.Index == p.Index() && r.Value == nil
	}
	if !slices.ContainsFunc(f.Rows, ended) {
		t.Errorf("rows %+v, want the receipt's end at %d", f.Rows, p.Index())
	}
	p.must(p.decide(set("a", "x", 2), start.Add(events.ReceiptAge+1), "once"))
	if got, _ := p.receipt("once"); got.Index != 6 {
		t.Errorf("used again, the receipt is %+v", got)
	}
}

func TestAProposalWithoutEventsLeavesAReceiptAndEndsNone(t *testing.T) {
	p := begun(t)
	start := time.Unix(2000, 0).UTC()
	p.must(p.decide(set("a", "x", 2), start, "first"))
	late := start.Add(events.ReceiptAge + time.Hour)
	f := p.must(p.decide(set("a", "x", 2), late, "no change"))
	if len(f.Records) != 0 || len(f.Rows) != 1 || f.Rows[0].Delete || f.Rows[0].Index != 3 || p.Index() != 3 {
		t.Errorf("records %v, rows %+v, want one receipt at event 3", f.Records, f.Rows)
	}
	if got, ok := p.receipt("no change"); !ok || got.Index != 3 || got.Count != 0 || !got.Time.Equal(late) {
		t.Errorf("receipt %+v, %v", got, ok)
	}
	// An end written at event 3 could be read by a node that starts at a marker
	// of event 3 and then folds what came before that end.
	if _, ok := p.receipt("first"); !ok {
		t.Error("a receipt ended although no event moved the history's time")
	}
	if !p.Time().Equal(start) {
		t.Errorf("the history's time is %v, want that of its last event, %v", p.Time(), start)
	}
}

func TestARequestThatIsDoneIsStaleBeforeItsGuardsAreLookedAt(t *testing.T) {
	p := begun(t)
	write := p.decide(set("a", "x", 2), time.Unix(2000, 0), "once")
	results, f := p.commit(write, write)
	if results[0].Err != nil || results[0].Index != 3 || results[0].Count != 1 {
		t.Errorf("first: %+v", results[0])
	}
	if err := results[1].Err; !errors.Is(err, events.ErrStale) || err.Error() != fmt.Sprintf("request %s is done already: stale", write.Claim.ID) {
		t.Errorf("the same again: %v, want it to name the request", err)
	}
	if len(f.Records) != 1 {
		t.Errorf("%d records", len(f.Records))
	}
	write.Claim = nil
	results, _ = p.commit(write)
	if err := results[0].Err; !errors.Is(err, events.ErrStale) || err.Error() != "a x at revision 3, want 2: stale" {
		t.Errorf("without a claim: %v, want it to name the guard", err)
	}
}

func TestAStaleProposalLeavesNothing(t *testing.T) {
	p := begun(t)
	both := p.decide(events.Transact{Set: []events.PutEntry{set("a", "y", 1), set("a", "x", 9)}}, time.Unix(9000, 0), "both")
	p.must(p.decide(set("a", "x", 2), time.Unix(2000, 0), ""))
	before := p.Everything(true)
	results, f := p.commit(both)
	if !errors.Is(results[0].Err, events.ErrStale) || len(f.Records)+len(f.Rows) != 0 {
		t.Errorf("%v with %d records and %d rows", results[0].Err, len(f.Records), len(f.Rows))
	}
	after := p.Everything(true)
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the state became %+v, was %+v", after, before)
	}
	if p.RaftIndex() != p.raft.Index {
		t.Errorf("stands at Raft entry %d, want %d", p.RaftIndex(), p.raft.Index)
	}
}

func TestTimeNeverGoesBack(t *testing.T) {
	p := begun(t) // at 1000
	f := p.must(p.decide(set("a", "x", 2), time.Unix(500, 0), ""))
	if got := f.Records[0].Time; !got.Equal(time.Unix(1000, 0)) {
		t.Errorf("an event of an earlier clock is of %v", got)
	}
}

func TestWhatThisReleaseCannotFollowIsAnErrorNotAResult(t *testing.T) {
	p := begun(t)
	proposal := p.decide(set("a", "x", 2), time.Unix(2000, 0), "")
	f := projections.Begin(p.State)
	if _, err := f.Entry(projections.Origin{Index: p.raft.Index}, []events.Proposal{proposal}); err == nil {
		t.Error("a Raft entry was folded twice")
	}
	proposal.Bodies = [][]byte{[]byte(`{"id":"01JCM000000000000000000000","type":"config.renamed","shape":1,"actor":"a","data":{}}`)}
	_, err := f.Entry(projections.Origin{Index: p.raft.Index + 1}, []events.Proposal{proposal})
	var unknown *events.UnknownEventError
	if !errors.As(err, &unknown) || unknown.Kind != "config.renamed" {
		t.Errorf("an unknown kind: %v", err)
	}
	if _, err := p.Apply(events.Record{Index: p.Index() + 2}); err == nil {
		t.Error("a record was applied that is not the next")
	}
	if _, err := p.Apply(events.Record{Index: p.Index() + 1, Body: proposal.Bodies[0]}); !errors.As(err, &unknown) {
		t.Errorf("a record of an unknown kind: %v", err)
	}
}
