package replication

import (
	"context"
	"time"

	"confman/events"
)

// scheduleInterval is how often the leader looks whether a publish request is
// due.
const scheduleInterval = 250 * time.Millisecond

// publishDue publishes scheduled requests when they are due, while this node
// leads, until the context ends. The command is guarded, so whoever else leads
// meanwhile, each is published once.
func (n *Node) publishDue(ctx context.Context) {
	tick := time.NewTicker(scheduleInterval)
	defer tick.Stop()
	said := map[string]string{} // by request, so that one trouble is logged once
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if _, ok := n.Leading(); !ok {
			continue
		}
		for _, r := range due(n.State(), time.Now()) {
			err := n.publishOne(ctx, r)
			switch {
			case err == nil:
				delete(said, r.ID)
			case ctx.Err() == nil && err.Error() != said[r.ID]:
				said[r.ID] = err.Error()
				n.config.Log.Warn().Err(err).Str("request", r.ID).Msg("a publish request that is due is not published")
			}
		}
	}
}

// due are the scheduled requests whose time has come, by ID.
func due(v events.View, now time.Time) (requests []events.Request) {
	for r := range v.Requests("") {
		if r.Due(v, now) {
			requests = append(requests, r)
		}
	}
	return requests
}

func (n *Node) publishOne(ctx context.Context, r events.Request) error {
	ctx, cancel := context.WithTimeout(ctx, configTimeout)
	defer cancel()
	_, err := n.Submit(ctx, events.PublishDue{ID: r.ID}, events.Stamp{
		Time: time.Now(), ID: newULID(), Actor: events.System, CorrelationID: r.ID,
	})
	return err
}
