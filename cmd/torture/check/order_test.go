package check

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// The operations on one register of a run, some of which were open together while
// a leader was missing: all orders of them could not be tried in a minute.
func TestOperationsThatWereOpenTogetherAreJudgedAtOnce(t *testing.T) {
	all, limit := recorded(t, "pause.json"), 2*time.Second
	if found := Linearizable(all, limit, t.TempDir()); len(found) > 0 {
		t.Errorf("found: %v", found)
	}
	if got := porcupine.CheckOperationsTimeout(Model(), all, limit); got != porcupine.Unknown {
		t.Errorf("they are %s when all orders are tried, which leaves nothing to show here", got)
	}
}

// What is found by looking for an order is what is found by trying all.
func TestAnOrderIsFoundOnlyWhereThereIsOne(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	model, verdicts, missed := Model(), map[bool]int{}, 0
	for range 4000 {
		all := invented(r)
		want := porcupine.CheckOperations(model, all)
		order := ordered(all)
		got := order != nil && porcupine.CheckOperations(model, order)
		verdicts[want]++
		switch {
		case got && !want:
			t.Fatalf("an order of what is not linearizable: %+v, of %+v", order, all)
		case want && !got:
			missed++
		}
	}
	if verdicts[true] < 100 || verdicts[false] < 100 || missed > verdicts[true]/20 {
		t.Errorf("linearizable or not: %v, and %d of them were not seen", verdicts, missed)
	}
}

// invented are some operations on a key with moments at which they might have
// happened, of which one answer in ten operations is wrong.
func invented(r *rand.Rand) (all []porcupine.Operation) {
	var state register
	for i := range 9 {
		in := Asked{Key: "k", Kind: []Kind{Read, Put, Swap, Remove}[r.IntN(4)]}
		if in.Kind == Put || in.Kind == Swap {
			in.Value = fmt.Sprint("value-", i)
		}
		if in.Kind == Swap && r.IntN(4) > 0 && state.live {
			in.Match = state.version
		}
		var out Got
		next := state
		switch allowed := state.step(in, Got{Unknown: true}); {
		case in.Kind == Read:
			out.Done = state.live
			if state.live {
				out.Version, out.Value = state.version, state.value
			}
		case r.IntN(8) == 0:
			out.Unknown = true
			next = allowed[r.IntN(len(allowed))]
		case len(allowed) == 2:
			next = allowed[1]
			out = Got{Done: true, Version: next.version}
		}
		if r.IntN(90) == 0 {
			out.Done = !out.Done
		}
		state = next
		o := porcupine.Operation{ClientId: i, Input: in, Output: out, Call: int64(100*i - r.IntN(250)), Return: int64(100*i + r.IntN(250))}
		if out.Unknown {
			o.Return = 1 << 62
		}
		all = append(all, o)
	}
	return all
}
