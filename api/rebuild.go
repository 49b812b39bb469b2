package api

import (
	"errors"
	"time"

	"confman/api/wire"
	"confman/events"
)

// errNoKeeper refuses where Config has no Keeper.
func errNoKeeper() error {
	return &events.Refusal{Kind: events.ErrConflict, Detail: "this server has no disk: there is nothing to rebuild, and nothing to back up"}
}

// rebuildRetry is how many seconds after a refused rebuild another is worth trying.
const rebuildRetry = "1"

// rebuildNotes is how often a rebuild says how far it is.
const rebuildNotes = time.Second

// rebuild answers POST /api/v1/cluster/rebuild: lines that say how far it is, and
// one that says how it ended. It ends with its caller.
func (x *exchange) rebuild() error {
	if x.Keeper == nil {
		return errNoKeeper()
	}
	x.logChange("rebuild the views", x.NodeID)
	x.provenance()
	x.state = nil // it may take long
	x.set("Content-Type", wire.MediaNDJSON)
	out := x.steady()
	defer out.end()
	began := x.Now()
	said := began.Add(-rebuildNotes) // the first line comes at once
	err := x.Keeper.Rebuild(x.r.Context(), func(at, to uint64) {
		if now := x.Now(); now.Sub(said) >= rebuildNotes {
			said = now
			_ = out.line(wire.Progress{At: at, To: to}) // who has gone ends the request
		}
	})
	if err != nil && x.code == 0 {
		if errors.Is(err, events.ErrConflict) { // the store is being made anew already
			x.set("Retry-After", rebuildRetry)
		}
		return err
	}
	done := wire.Rebuilt{Node: x.NodeID, Position: x.Reader.State().Position().String(), Seconds: x.Now().Sub(began).Seconds(), OK: err == nil}
	if err != nil {
		done.Problem = err.Error()
	}
	return out.line(done)
}
