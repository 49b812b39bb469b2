package check

import (
	"cmp"
	"slices"

	"github.com/anishathalye/porcupine"
)

// ordered looks for an order of the operations on one key that the model allows,
// and returns them in it, each narrowed to one moment of its own between its call
// and its return; nil when it finds none, which does not say that there is none.
// An order of narrowed operations is one of the operations as they were, so that
// whoever checks it needs to trust nothing here; and it is checked at once, where
// dozens of operations that were open while a leader was missing are more than can
// be tried.
//
// It never tries twice. What changes nothing and is allowed now is taken now: that
// takes nothing from those that follow. Of those that change the key, its version
// says which one is next. What is in doubt is taken for done only when nothing else
// can follow.
func ordered(all []porcupine.Operation) (order []porcupine.Operation) {
	left := slices.Clone(all)
	slices.SortStableFunc(left, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var (
		now   int64
		state register
	)
	for len(left) > 0 {
		next, after := follower(state, left)
		if next < 0 {
			return nil
		}
		o := left[next]
		if now = max(now+1, o.Call); now > o.Return {
			return nil
		}
		state, left = after, slices.Delete(left, next, next+1)
		o.Call, o.Return = now, now
		order = append(order, o)
	}
	return order
}

// follower is which of the operations that are left, by their calls, comes next,
// and the state after it; -1 when none can.
func follower(state register, left []porcupine.Operation) (next int, after register) {
	const (
		none      = iota
		withdrawn // in doubt, and taken for one that never happened
		supposed  // in doubt, and taken for done
		changing
		unchanging
	)
	first := slices.MinFunc(left, func(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) }).Return
	next, best := -1, none
	for i, o := range left {
		if o.Call > first || best == unchanging {
			break
		}
		in, _ := o.Input.(Asked)
		out, _ := o.Output.(Got)
		for _, s := range state.step(in, out) {
			rank := changing
			switch doubt := out.Doubt || out.Unknown; {
			case doubt && s == state:
				rank = withdrawn
			case doubt:
				rank = supposed
			case s == state:
				rank = unchanging
			}
			if rank > best {
				next, after, best = i, s, rank
			}
		}
	}
	return next, after
}
