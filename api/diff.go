package api

import (
	"cmp"
	"fmt"
	"iter"
	"net/http"
	"strings"

	"confman/api/wire"
	"confman/events"
)

// maxChanges is how many keys one comparison shows.
const maxChanges = 10_000

// diff answers GET /api/v1/diff: which values, of the keys that the caller may read
// on both sides, must change to make from what to is. Descriptions and tags are
// not compared, and only what is in a namespace itself is.
func (x *exchange) diff() error {
	from, err := x.side("from")
	if err != nil {
		return err
	}
	defer from.release()
	to, err := x.side("to")
	if err != nil {
		return err
	}
	defer to.release()
	shown := wire.Diff{From: from.DiffSide, To: to.DiffSide, Changes: []wire.ValueChange{}}
	prefix, size := x.query.Get(wire.ParamPrefix), 0
	for pair, err := range paired(from.entries, to.entries) {
		if err != nil {
			return err
		}
		key := pair.key()
		if !strings.HasPrefix(key, prefix) || !x.principal.Can(events.Viewer, from.Namespace, key) || !x.principal.Can(events.Viewer, to.Namespace, key) {
			continue
		}
		if pair.old.Live() && pair.is.Live() && pair.old.Value.Equal(pair.is.Value) {
			shown.Equal++
			continue
		}
		size += len(pair.old.Value.JSON) + len(pair.is.Value.JSON)
		if len(shown.Changes) == maxChanges || size > int(x.transactionBody()) {
			return &events.Refusal{Kind: events.ErrTooLarge, Detail: fmt.Sprintf(
				"more than %d keys, or %d bytes of values, differ; compare a part with prefix", maxChanges, x.transactionBody())}
		}
		shown.Changes = append(shown.Changes, changeOf(to.Namespace, key, pair.old, pair.is))
	}
	return x.sendJSON(http.StatusOK, shown)
}

// side is one side of a comparison. Release it.
type side struct {
	wire.DiffSide
	entries iter.Seq2[events.Entry, error] // by key
	release func()
}

// side reads a parameter NAMESPACE[@WHEN]. A namespace that did not exist then was
// empty; one that never did is a mistake.
func (x *exchange) side(name string) (s side, err error) {
	namespace, when, past := strings.Cut(x.query.Get(name), "@")
	if err := events.CheckNamespace(namespace); err != nil {
		return s, badParam(name, "is not NAMESPACE or NAMESPACE@WHEN: %v", err)
	}
	if !x.principal.CanSee(namespace) {
		return s, lacks(x.principal, events.Viewer, namespace, "")
	}
	if x.state.Namespace(namespace).Revision == 0 {
		return s, &events.Refusal{Kind: events.ErrNotFound, Detail: "namespace " + namespace + " never existed"}
	}
	at := x.state.Position()
	if !past {
		s.entries, s.release = infallible(x.state.Entries(namespace)), func() {}
	} else {
		index, err := x.moment(name, when)
		if err == nil {
			index, err = x.whole(index)
		}
		if err != nil {
			return s, err
		}
		h, release := x.Reader.History(index)
		if at, err = h.Position(index); err != nil {
			release()
			return s, err
		}
		s.entries, s.release = h.EntriesAfter(namespace, ""), release
	}
	s.DiffSide = wire.DiffSide{Namespace: namespace, Index: at.Index, Position: at.String()}
	return s, nil
}

// pair is a key on two sides; not live where it is missing.
type pair struct{ old, is events.Entry }

func (p pair) key() string {
	if p.old.Live() {
		return p.old.Key
	}
	return p.is.Key
}

// paired merges two lists of live entries that are in key order.
func paired(old, is iter.Seq2[events.Entry, error]) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		nextOld, stopOld := iter.Pull2(old)
		defer stopOld()
		nextIs, stopIs := iter.Pull2(is)
		defer stopIs()
		left, right := &level{next: nextOld}, &level{next: nextIs}
		left.step()
		right.step()
		for left.ok || right.ok {
			if left.err != nil || right.err != nil {
				yield(pair{}, cmp.Or(left.err, right.err))
				return
			}
			var p pair
			takeLeft := left.ok && (!right.ok || left.entry.Key <= right.entry.Key)
			takeRight := right.ok && (!left.ok || right.entry.Key <= left.entry.Key)
			if takeLeft {
				p.old = left.entry
				left.step()
			}
			if takeRight {
				p.is = right.entry
				right.step()
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}
