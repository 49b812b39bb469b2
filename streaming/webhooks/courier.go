package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"confman/events"
)

// When a courier writes down how far it is.
const (
	recordInterval = time.Second      // at most this often
	skippedMost    = 1000             // after as many events that are not for the endpoint,
	skippedTime    = 60 * time.Second // or after this, if there was one
	submitTime     = 5 * time.Second
)

// giveUp is how long an event is tried: from when it happened, or the webhook
// was last changed, to the first attempt that fails thereafter. It is the event's
// own time that counts, and not the first attempt, so that a new leader gives up
// no later.
const giveUp = 24 * time.Hour

// deadPause is how soon an event is tried after the one before it was given up.
const deadPause = time.Second

// errOver ends a courier: the webhook is gone, disabled or changed, or the node
// does not lead any more.
var errOver = errors.New("not to be served any more")

// terms are what a courier was started with. When they change, another one takes
// over.
type terms struct {
	url, namespace, events, secrets string
	values                          bool
}

func termsOf(w events.Webhook) terms {
	t := terms{url: w.URL, namespace: w.Namespace, events: strings.Join(w.Events, ","), values: w.Values}
	for _, s := range w.Secrets {
		t.secrets += s.Secret + " "
	}
	return t
}

// courier carries the events of one webhook to its endpoint, one after the
// other. It belongs to one goroutine.
type courier struct {
	*Deliverer
	*endpoint
	webhook string
	term    uint64
	terms   terms

	at         uint64 // everything up to here was delivered, given up, or is not for it
	recorded   uint64 // so the history knows
	recordedAt time.Time
	moved      bool   // something was delivered or lost since
	skipped    int    // events since that are not for it
	said       string // the last trouble, so that it is logged once
}

// run delivers what there is and what comes, until the context ends or the
// webhook is not to be served any more.
func (c *courier) run(ctx context.Context) {
	defer c.leave(ctx)
	for {
		wake, release := c.config.Wait(c.terms.namespace)
		err := c.catchUp(ctx)
		if err == nil {
			c.said = ""
			c.record(ctx)
		}
		c.trouble(ctx, err)
		if err != nil {
			wake = nil // what comes does not mend it
		}
		if !errors.Is(err, errOver) {
			// The hub does not wake for what is skipped, and what was delivered in a
			// burst is to be written down.
			pause(ctx, recordInterval, wake)
		}
		release()
		if errors.Is(err, errOver) || ctx.Err() != nil {
			return
		}
	}
}

// catchUp delivers all there is.
func (c *courier) catchUp(ctx context.Context) error {
	for c.at < c.config.Source.Position().Index {
		p, err := c.read()
		if err != nil {
			return err
		}
		for _, l := range p.letters {
			if err := c.deliver(ctx, l); err != nil {
				return err
			}
			c.reach(l.record.Index)
			c.record(ctx)
		}
		c.skipped += p.skipped
		c.reach(p.end)
		c.record(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (c *courier) reach(index uint64) {
	c.at = index
	c.position.Store(index)
}

// deliver tries until the endpoint has the event, or it is given up.
func (c *courier) deliver(ctx context.Context, l letter) error {
	defer c.failing.Store(false)
	for failures := 1; ctx.Err() == nil; failures++ {
		w, err := c.present()
		if err == nil {
			l, err = c.anew(l)
		}
		if err != nil {
			return err
		}
		t := c.try(ctx, w, l)
		if t.err == nil {
			c.note(l, t, Delivered, time.Time{})
			c.moved = true
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err() // that says nothing of the endpoint
		}
		c.failing.Store(true)
		over, err := c.conclude(ctx, w, l, t, failures)
		if over {
			return err
		}
		c.trouble(ctx, err)
		wait := max(c.config.Jitter(backoff(failures)), t.after)
		c.note(l, t, Retrying, c.config.Now().Add(wait))
		pause(ctx, wait, nil)
		c.record(ctx) // of what was delivered just before
	}
	return ctx.Err()
}

// conclude looks whether a failed attempt was the last. The error is errOver when
// nothing more is to be sent at all, or says why it could not be written down; then
// the event is tried again.
func (c *courier) conclude(ctx context.Context, w events.Webhook, l letter, t trial, failures int) (over bool, err error) {
	switch {
	case t.status == http.StatusGone:
		c.note(l, t, Retrying, time.Time{})   // once the webhook is enabled again
		if w, err = c.present(); err != nil { // somebody was faster: what they set stays
			return true, err
		}
		disabled := events.UpdateWebhook{ID: w.ID, Properties: w.Properties(), Reason: "the endpoint answered 410 Gone"}
		disabled.Properties.Disabled = true
		if err = c.submit(ctx, disabled); err != nil {
			return false, err
		}
		c.config.Log.Warn().Str("webhook", w.ID).Msg("a webhook's endpoint answered 410 Gone; the webhook is disabled")
		return true, errOver
	case c.config.Now().Sub(latest(l.record.Time, w.CreatedAt, w.UpdatedAt)) >= giveUp:
		err = c.submit(ctx, events.GiveUpDelivery{ID: w.ID, Letter: events.DeadLetter{
			Index: l.record.Index, Event: l.event.ID.String(), Type: l.event.Data.Kind(), Attempts: failures, Error: brief(t.err), At: t.at,
		}})
		if err != nil {
			return false, err
		}
		c.recorded, c.moved, c.skipped = l.record.Index, false, 0 // the command did
		c.dead.Add(1)
		c.note(l, t, Dead, time.Time{})
		c.config.Log.Warn().Str("webhook", w.ID).Uint64("event", l.record.Index).Err(t.err).Msg("an event was not delivered in time and is given up")
		pause(ctx, deadPause, nil)
		return true, nil
	}
	return false, nil
}

// present is the webhook as it is now, if it is to be served on.
func (c *courier) present() (events.Webhook, error) {
	w := c.config.Node.Webhook(c.webhook)
	if !exists(w) || w.Disabled || termsOf(w) != c.terms || !c.leads(c.term) {
		return w, errOver
	}
	return w, nil
}

// record writes down how far the courier is, when that is due.
func (c *courier) record(ctx context.Context) {
	since := c.config.Now().Sub(c.recordedAt)
	worth := c.moved || c.skipped >= skippedMost
	if c.at == c.recorded || since < recordInterval || !worth && (c.skipped == 0 || since < skippedTime) {
		return
	}
	c.trouble(ctx, c.advance(ctx))
}

func (c *courier) advance(ctx context.Context) error {
	c.recordedAt = c.config.Now() // of a failure, too: it is tried again as late
	if err := c.submit(ctx, events.AdvanceWebhook{ID: c.webhook, To: c.at}); err != nil {
		return err
	}
	c.recorded, c.moved, c.skipped = c.at, false, 0
	return nil
}

// leave writes down what was delivered, if this node may.
func (c *courier) leave(ctx context.Context) {
	if c.moved && c.leads(c.term) && exists(c.config.Node.Webhook(c.webhook)) {
		c.trouble(ctx, c.advance(context.WithoutCancel(ctx)))
	}
}

func (c *courier) submit(ctx context.Context, command events.Command) error {
	ctx, cancel := context.WithTimeout(ctx, submitTime)
	defer cancel()
	if err := c.config.Node.Submit(ctx, command); err != nil {
		return fmt.Errorf("record %T: %w", command, err)
	}
	return nil
}

// trouble logs an error that is news.
func (c *courier) trouble(ctx context.Context, err error) {
	if err == nil || errors.Is(err, errOver) || ctx.Err() != nil || err.Error() == c.said {
		return
	}
	c.said = err.Error()
	c.config.Log.Warn().Err(err).Str("webhook", c.webhook).Msg("webhook delivery")
}

func exists(w events.Webhook) bool { return w.Revision > 0 }

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// pause waits for a time, a wake-up, or the end of the context.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
}
