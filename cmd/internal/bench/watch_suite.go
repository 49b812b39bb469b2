package bench

import (
	"slices"
	"time"

	"confman/api/wire"
)

// What the suite measures beside what the options say.
const (
	suiteBatch    = 16
	suiteRate     = 100 // events a second where the lag counts
	suiteLog      = 10_000
	suiteMany     = 10 // times the connections
	suiteShared   = 5  // times the connections, in watches that share few connections
	suiteSharing  = 10 // that many connections
	suiteWriters  = 16
	suiteStallFor = time.Minute
)

// measurements are what the options ask for: the suite, or one shape in every
// encoding; the floor first.
func (o *watchOptions) measurements() []watching {
	if o.suite {
		return o.withoutFloors(o.theSuite())
	}
	var all []watching
	for _, encoding := range o.encodings {
		w := o.shape
		w.name, w.encoding = encoding, encoding
		if w.connections > 0 && w.log == 0 && w.stall == 0 && w.watches == 1 {
			all = append(all, w.onFloor())
		}
		all = append(all, w)
	}
	return o.withoutFloors(all)
}

func (o *watchOptions) withoutFloors(all []watching) []watching {
	if !o.noFloors {
		return all
	}
	return slices.DeleteFunc(all, func(w watching) bool { return w.floor })
}

// onFloor is the same measurement of the floor.
func (w watching) onFloor() watching {
	w.floor = true
	return w
}

// theSuite is everything that there is a target for.
func (o *watchOptions) theSuite() []watching {
	const ws, sse, ndjson = wire.EncodingWebSocket, wire.EncodingSSE, wire.EncodingNDJSON
	n := o.shape.connections
	plain := watching{encoding: ws, connections: n, watches: 1, writers: 1, batch: 1, ahead: o.shape.ahead}
	var all []watching
	add := func(name string, change func(*watching), encodings ...string) {
		for _, e := range encodings {
			w := plain
			w.name, w.encoding = e+name, e
			change(&w)
			if w.floor {
				w.floor = false
				all = append(all, w.onFloor())
			}
			all = append(all, w)
		}
	}
	idle := func(n int) func(*watching) {
		return func(w *watching) { w.idle, w.floor, w.connections = true, true, n }
	}
	add(" idle", idle(n), ws, sse)
	add(" idle", idle(n*suiteMany), ws)
	add("", func(w *watching) { w.floor = true }, ws, sse, ndjson)
	add(" batches", func(w *watching) { w.batch, w.floor = suiteBatch, true }, ndjson)
	add(" batches", func(w *watching) { w.batch = suiteBatch }, ws, sse)
	add(" shared", func(w *watching) { w.connections, w.watches = suiteSharing, max(1, n*suiteShared/suiteSharing) }, ws)
	add(" catch-up", func(w *watching) { w.log = o.log() }, ws, sse, ndjson)
	add(" lag", func(w *watching) { w.rate, w.writers, w.floor = suiteRate, 4, true }, ws, sse)
	for _, writers := range []int{1, suiteWriters} {
		put := func(n int) func(*watching) {
			return func(w *watching) { w.connections, w.writers, w.ahead = n, writers, 0 }
		}
		add(" unwatched writes", put(0), ws)
		add(" watched writes", put(n), ws)
	}
	add(" many", func(w *watching) { w.connections, w.floor = n*suiteMany, true }, ws)
	add(" stall", func(w *watching) { w.rate, w.writers, w.stall, w.stallFor = suiteRate, 4, 1, o.shape.stallFor }, ws)
	return all
}

// log is how long a log the suite's watches catch up with.
func (o *watchOptions) log() int {
	if o.shape.log > 0 {
		return o.shape.log
	}
	return suiteLog
}
