package projections_test

import (
	"fmt"
	"testing"
	"time"

	"confman/events"
	"confman/projections"
)

// filled is a state with n entries in namespaces of 1,000, and its rows.
func filled(b *testing.B, n int) (*projections.State, []projections.Row) {
	p := begun(b)
	f := projections.Begin(p.State)
	for i := range n {
		proposal := p.decide(set(fmt.Sprint("team/", i/1000), fmt.Sprint("service/key-", i), i), time.Unix(2000, 0), "")
		if i%1000 != 0 { // the namespace is there already
			proposal.Bodies, proposal.Guards = proposal.Bodies[1:], nil
		}
		p.raft.Index++
		if _, err := f.Entry(p.raft, []events.Proposal{proposal}); err != nil {
			b.Fatal(err)
		}
	}
	return f.State(), f.Rows
}

func BenchmarkFoldOf64Puts(b *testing.B) {
	state, _ := filled(b, 20_000)
	p := &present{TB: b, State: state}
	var batch []events.Proposal
	for i := range 64 {
		proposal := p.decide(set("team/3", fmt.Sprint("service/key-", 3000+i), -i), time.Unix(3000, 0), "")
		batch = append(batch, proposal)
	}
	data := events.EncodeEntry(batch)
	b.ReportAllocs()
	for b.Loop() {
		f := projections.Begin(state)
		decoded, err := events.DecodeEntry(data)
		if err != nil {
			b.Fatal(err)
		}
		results, err := f.Entry(projections.Origin{Index: state.RaftIndex() + 1}, decoded)
		if err != nil || results[63].Err != nil {
			b.Fatal(err, results)
		}
	}
}

func BenchmarkLoad100000Entries(b *testing.B) {
	state, written := filled(b, 100_000)
	store := newRows()
	store.write(written)
	at := store.at(state.Index())
	at.sorted()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := projections.Load(at, state.Index(), projections.Origin{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadEntry(b *testing.B) {
	state, _ := filled(b, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		if e := state.Entry("team/7", "service/key-7042"); !e.Live() {
			b.Fatal("not found")
		}
	}
}

func BenchmarkListNamespaceOf1000(b *testing.B) {
	state, _ := filled(b, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for range state.Entries("team/7") {
			n++
		}
		if n != 1000 {
			b.Fatal(n)
		}
	}
}

// One write from the rules to the state after it, alone in its Raft entry.
func BenchmarkDecideAndFoldPut(b *testing.B) {
	state, _ := filled(b, 20_000)
	p := &present{TB: b, State: state, raft: projections.Origin{Index: state.RaftIndex(), Term: 1}}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.must(p.decide(set("team/3", fmt.Sprint("service/key-", 3000+i%1000), -i), time.Unix(3000, 0), ""))
	}
}
