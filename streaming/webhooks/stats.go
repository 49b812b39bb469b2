package webhooks

// Stats are this node's part in delivering, for metrics. On a node that does not
// lead only the totals are not 0.
type Stats struct {
	Delivering int    // endpoints that take what they are sent, or wait for something to be sent
	Retrying   int    // endpoints that did not take their next event
	Disabled   int    // webhooks
	Lag        uint64 // events that the furthest behind of the endpoints served has before it

	// Totals since the node started.
	Attempts uint64
	Failures uint64 // of them
	Dead     uint64 // events given up
}

// Stats counts.
func (d *Deliverer) Stats() Stats {
	s := Stats{Attempts: d.attempts.Load(), Failures: d.failures.Load(), Dead: d.dead.Load()}
	if _, leads := d.config.Node.Leading(); !leads {
		return s
	}
	head := d.config.Source.Position().Index
	for w := range d.config.Node.Webhooks() {
		e := d.endpoint(w.ID)
		switch {
		case w.Disabled:
			s.Disabled++
			continue
		case e == nil:
			continue
		case e.failing.Load():
			s.Retrying++
		default:
			s.Delivering++
		}
		if at := e.position.Load(); at < head {
			s.Lag = max(s.Lag, head-at)
		}
	}
	return s
}
