package webhooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/goleak"

	"confman/events"
)

const (
	patience    = 20 * time.Second
	secret      = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // the one of the shared vector
	otherSecret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is one history and who may write it: what members of a cluster agree
// upon, without what it takes them.
type cluster struct {
	mu       sync.Mutex // guards the fields below
	records  []events.Record
	edge     uint64
	webhooks map[string]events.Webhook
	leader   string
	term     uint64
	refused  error                // of every command
	commands map[string][]command // by webhook
	changed  chan struct{}        // closed at the next event
}

// command is one that a deliverer submitted, and when.
type command struct {
	at time.Time
	events.Command
}

func newCluster() *cluster {
	return &cluster{webhooks: map[string]events.Webhook{}, commands: map[string][]command{}, changed: make(chan struct{})}
}

// happens adds an event to the history and returns its index.
func (c *cluster) happens(t testing.TB, namespace string, d events.Data) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.add(t, namespace, d)
}

// add needs the lock.
func (c *cluster) add(t testing.TB, namespace string, d events.Data) uint64 {
	e := events.Event{ID: ulid.Make(), Actor: "ana", Namespace: namespace, Data: d}
	body, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	index := uint64(len(c.records) + 1)
	c.records = append(c.records, events.Record{Index: index, Time: time.Now(), Body: body})
	close(c.changed)
	c.changed = make(chan struct{})
	return index
}

// changes writes n entries and returns their events' IDs.
func (c *cluster) changes(t testing.TB, namespace string, n int) (ids []string) {
	for range n {
		ids = append(ids, c.letter(t, c.happens(t, namespace, events.ConfigDeleted{})).event.ID.String())
	}
	return ids
}

// letter is the event at an index.
func (c *cluster) letter(t testing.TB, index uint64) letter {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.records[index-1]
	e, err := r.Event()
	if err != nil {
		t.Fatal(err)
	}
	return letter{record: r.WithEvent(e), event: e}
}

// hook makes a webhook, or changes it.
func (c *cluster) hook(w events.Webhook) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.Namespace = cmp.Or(w.Namespace, events.Root)
	before := c.webhooks[w.ID]
	w.CreatedAt, w.UpdatedAt = cmp.Or(before.CreatedAt, time.Now()), time.Now()
	w.Cursor = max(w.Cursor, before.Cursor)
	w.Revision = max(1, uint64(len(c.records)))
	if w.Secrets == nil {
		w.Secrets = []events.WebhookSecret{{Secret: secret}}
	}
	if w.Events == nil {
		w.Events = []string{"config"}
	}
	c.webhooks[w.ID] = w
}

func (c *cluster) unhook(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.webhooks, id)
}

func (c *cluster) now(id string) events.Webhook {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.webhooks[id]
}

func (c *cluster) elect(leader string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leader = leader
	c.term++
}

func (c *cluster) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = err
}

// trim lets go of all events up to an index.
func (c *cluster) trim(to uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.edge = to
}

// age makes all that happened and was set so much older.
func (c *cluster) age(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = slices.Clone(c.records) // somebody may be reading
	for i := range c.records {
		c.records[i].Time = c.records[i].Time.Add(-by)
	}
	for id, w := range c.webhooks {
		w.CreatedAt, w.UpdatedAt = w.CreatedAt.Add(-by), w.UpdatedAt.Add(-by)
		c.webhooks[id] = w
	}
}

// submitted are the commands of one sort that were taken for a webhook.
func submitted[C events.Command](c *cluster, id string) (times []time.Time, commands []C) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.commands[id] {
		if is, ok := one.Command.(C); ok {
			times, commands = append(times, one.at), append(commands, is)
		}
	}
	return times, commands
}

// Position is that of the newest event.
func (c *cluster) Position() events.Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return events.Position{Index: uint64(len(c.records))}
}

// Edge is where the history begins.
func (c *cluster) Edge() events.Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return events.Position{Index: c.edge}
}

// Records yields records in memory that is used again, as a store does.
func (c *cluster) Records(after uint64) iter.Seq2[events.Record, error] {
	c.mu.Lock()
	defer c.mu.Unlock()
	records, compacted := c.records, after < c.edge
	return func(yield func(events.Record, error) bool) {
		if compacted {
			yield(events.Record{}, fmt.Errorf("event %d: %w", after+1, events.ErrCompacted))
			return
		}
		var room []byte
		for _, r := range records[after:] {
			room = append(room[:0], r.Body...)
			r.Body = room
			if !yield(r, nil) {
				break
			}
		}
		clear(room)
	}
}

// Wait wakes at any event.
func (c *cluster) Wait(string) (<-chan struct{}, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed, func() {}
}

// member is one node of the cluster.
type member struct {
	*cluster
	t    testing.TB
	name string
}

// Leading is whether the cluster's leader is this one.
func (m member) Leading() (uint64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.term, m.leader == m.name
}

// Webhooks yields all, by ID.
func (m member) Webhooks() iter.Seq[events.Webhook] {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []events.Webhook
	for _, id := range slices.Sorted(maps.Keys(m.webhooks)) {
		all = append(all, m.webhooks[id])
	}
	return slices.Values(all)
}

// Webhook is one of them.
func (m member) Webhook(id string) events.Webhook { return m.now(id) }

// Cut says so of namespaces that are called vault.
func (m member) Cut(_, namespace string) bool { return path.Base(namespace) == "vault" }

// Submit does what the domain's commands do, as far as delivery sees it.
func (m member) Submit(ctx context.Context, c events.Command) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(ctx.Err(), m.refused); err != nil {
		return err
	}
	if m.leader != m.name {
		return &events.NotLeaderError{Leader: m.leader}
	}
	var w events.Webhook
	var d events.Data
	switch c := c.(type) {
	case events.AdvanceWebhook:
		if w = m.webhooks[c.ID]; c.To <= w.Cursor || c.To > uint64(len(m.records)) {
			m.t.Errorf("%s went from %d to %d of %d", c.ID, w.Cursor, c.To, len(m.records))
		}
		w.Cursor = c.To
		d = events.WebhookAdvanced{ID: c.ID, Cursor: c.To}
	case events.GiveUpDelivery:
		w = m.webhooks[c.ID]
		w.Cursor = c.Letter.Index
		w.Dead = append(w.Dead, c.Letter)
		d = events.WebhookDeadLetter{ID: c.ID, DeadLetter: c.Letter}
	case events.UpdateWebhook:
		w = m.webhooks[c.ID]
		w.Disabled, w.Reason, w.UpdatedAt = c.Properties.Disabled, c.Reason, time.Now()
		d = events.WebhookUpdated{ID: c.ID, WebhookProperties: c.Properties, Reason: c.Reason}
	}
	if w.Revision == 0 {
		return errors.New("there is no such webhook")
	}
	m.webhooks[w.ID] = w
	m.commands[w.ID] = append(m.commands[w.ID], command{time.Now(), c})
	m.add(m.t, "", d)
	return nil
}

// deliver runs the deliverer of a node. stop ends it, and returns when it has
// ended; the end of the test does, too.
func (c *cluster) deliver(t testing.TB, name string, change func(*Config)) (d *Deliverer, stop func()) {
	config := Config{Source: c, Node: member{c, t, name}, Wait: c.Wait, Version: "1.2.3"}
	if change != nil {
		change(&config)
	}
	d, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return d, stop
}
