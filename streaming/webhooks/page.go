package webhooks

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"time"

	"confman/events"
)

// Bounds of a page.
const (
	pageRecords = 1024    // looked at
	pageLetters = 32      // for the endpoint
	pageBytes   = 1 << 20 // of them
)

// page is a stretch of the history, read at once so that nothing of the store is
// held while an endpoint is waited for.
type page struct {
	letters []letter
	end     uint64 // the last event looked at
	skipped int    // events that are not for the endpoint, and none about webhooks
}

// read is the page after where the courier is. What is not kept any more is lost
// to the endpoint: the courier goes on where the history begins.
func (c *courier) read() (page, error) {
	p, bytes := page{end: c.at}, 0
	for r, err := range c.config.Source.Records(c.at) {
		if edge := c.config.Source.Edge().Index; errors.Is(err, events.ErrCompacted) && c.at < edge {
			c.lost(edge)
			return page{end: edge}, nil
		}
		if err != nil {
			return p, err
		}
		e, err := r.Event()
		if err != nil {
			return p, err
		}
		p.end = r.Index
		switch {
		case c.terms.selects(e) && !c.config.Node.Cut(c.terms.namespace, e.Namespace):
			p.letters = append(p.letters, c.newLetter(r, e))
			bytes += len(r.Body)
		case !aboutWebhooks(e.Data.Kind()):
			p.skipped++
		}
		if r.Index-c.at >= pageRecords || len(p.letters) >= pageLetters || bytes >= pageBytes {
			break
		}
	}
	return p, nil
}

// lost says that the history begins at an edge now, after where the courier is.
func (c *courier) lost(edge uint64) {
	c.moved = true // so that it is written down soon
	c.config.Log.Error().Str("webhook", c.webhook).Uint64("after", c.at).Uint64("upTo", edge).
		Msg("events were trimmed from the history before they were looked at for this webhook; its endpoint was not told of them")
}

// newLetter copies what is good only while it is read.
func (d *Deliverer) newLetter(r events.Record, e events.Event) letter {
	r.Body = bytes.Clone(r.Body)
	return letter{record: r.WithEvent(e), event: e, read: d.config.Now()}
}

// letterStale is how long a letter may wait before its event is read again.
const letterStale = time.Second

// anew is a letter as its event is now: a value may have been erased while it was
// tried again and again. What is not kept any more goes without values.
func (d *Deliverer) anew(l letter) (letter, error) {
	if d.config.Now().Sub(l.read) < letterStale {
		return l, nil
	}
	for r, err := range d.config.Source.Records(l.record.Index - 1) {
		if errors.Is(err, events.ErrCompacted) {
			break
		}
		if err != nil {
			return l, err
		}
		e, err := r.Event()
		return d.newLetter(r, e), err
	}
	l.bare = true
	return l, nil
}

// selects reports whether the webhook is told of an event: one in its namespace's
// subtree, of a kind that it lists. Events about webhooks are never sent: each
// delivery would make the next.
func (t terms) selects(e events.Event) bool {
	k := e.Data.Kind()
	if aboutWebhooks(k) || t.namespace != events.Root && (e.Namespace == "" || !events.Within(e.Namespace, t.namespace)) {
		return false
	}
	return slices.ContainsFunc(strings.Split(t.events, ","), k.Matches)
}

func aboutWebhooks(k events.Kind) bool { return strings.HasPrefix(string(k), "webhook.") }
