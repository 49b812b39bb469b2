package torture

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// lateness is how long after its time, or after somebody leads again, a request
// may be published. Leaders are missed for a second or two in these tests.
const lateness = 5 * time.Second

// booking is a publish request for a time, and what has to come of it.
type booking struct {
	id        string
	namespace string
	keys      []string
	due       time.Time // it may be published from here on
	state     string    // in which it has to end
	reason    string    // of its rejection
}

// agenda is a cluster with publish requests for certain times.
type agenda struct {
	c        *cluster
	author   *client.Client
	reviewer *client.Client
	all      []*booking
}

func (c *cluster) agenda(namespaces ...string) *agenda {
	a := &agenda{c: c}
	var edits, reviews []wire.Grant
	for _, n := range namespaces {
		c.namespace(n)
		edits = append(edits, wire.Grant{Namespace: n, Role: wire.RoleEditor})
		reviews = append(reviews, wire.Grant{Namespace: n, Role: wire.RolePublisher})
	}
	a.author, a.reviewer = c.client(c.mint("author", edits...).Key), c.client(c.mint("reviewer", reviews...).Key)
	return a
}

// book submits a request for values of its own and has it approved.
func (a *agenda) book(at time.Time, namespace string, by *client.Client, keys ...string) *booking {
	a.c.t.Helper()
	b := &booking{namespace: namespace, keys: keys, due: at, state: wire.RequestPublished}
	a.all = append(a.all, b)
	asked, name := wire.NewRequest{PublishAt: &at}, fmt.Sprintf("booking-%d", len(a.all))
	for _, key := range keys {
		asked.Changes = append(asked.Changes, wire.RequestedChange{Namespace: namespace, Key: key, Value: json.RawMessage(fmt.Sprintf("%q", name))})
	}
	err := settle(a.c.t.Context(), name, func(w client.Write) error {
		r, err := a.author.SubmitRequest(a.c.t.Context(), asked, w)
		b.id = r.ID
		return err
	})
	if err == nil {
		err = settle(a.c.t.Context(), name+"-approve", func(w client.Write) error {
			_, err := by.ApproveRequest(a.c.t.Context(), b.id, "", w)
			return err
		})
	}
	if err != nil {
		a.c.t.Fatalf("%s of %s %v: %v", name, namespace, keys, err)
	}
	return b
}

// ends says that a booking must not be published.
func (b *booking) ends(state, reason string) { b.state, b.reason = state, reason }

// must settles a write that has to succeed.
func (a *agenda) must(name string, write func(client.Write) error) {
	a.c.t.Helper()
	if err := settle(a.c.t.Context(), name, write); err != nil {
		a.c.t.Fatalf("%s: %v", name, err)
	}
}

func TestWhatIsScheduledIsPublishedOnceAndNeverEarlyThoughLeadersDie(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	a := c.agenda("app", "small", "ice", "late-ice")
	faults := []struct {
		offset time.Duration // from when the requests are due
		happen func(*node, time.Time)
	}{
		{-40 * time.Millisecond, c.killAt},
		{-100 * time.Millisecond, c.pauseAround},
		{0, c.killAt},
		{40 * time.Millisecond, c.killAt},
	}
	const between = 2500 * time.Millisecond
	times := len(faults) * rounds(1, 5)
	begin := time.Now().Add(2*time.Second + time.Duration(times)*200*time.Millisecond) // to book it all
	thaw := begin.Add(4 * time.Second).UTC()
	a.hinder(thaw)
	for i := range times {
		for j := range 5 {
			at := begin.Add(time.Duration(i)*between + time.Duration(rng.IntN(120)-60)*time.Millisecond)
			a.book(at, "app", a.reviewer, fmt.Sprintf("r%d-%d/a", i, j), fmt.Sprintf("r%d-%d/b", i, j))
		}
	}
	for i := range 3 {
		a.book(begin, "ice", a.reviewer, fmt.Sprintf("frozen-%d", i)).due = thaw
	}
	a.spoil(begin.Add(between), thaw)
	for i := range times {
		fault := faults[i%len(faults)]
		at := begin.Add(time.Duration(i)*between + fault.offset)
		<-time.After(time.Until(at) - 300*time.Millisecond)
		fault.happen(c.leader(), at)
		c.awaitReady(c.nodes...)
	}
	a.verify()
}

// killAt kills a node at a time and starts it again.
func (c *cluster) killAt(n *node, at time.Time) {
	<-time.After(time.Until(at))
	n.kill9()
	c.leader(n)
	n.start()
}

// pauseAround pauses a node at a time until another has led for a moment.
func (c *cluster) pauseAround(n *node, at time.Time) {
	<-time.After(time.Until(at))
	n.pause()
	c.leader(n)
	<-time.After(500 * time.Millisecond)
	n.resume()
}

// hinder makes namespaces in which not everything can be published: one is frozen
// for a while, of another the schema allows two keys.
func (a *agenda) hinder(thaw time.Time) {
	a.c.settings("ice", wire.Settings{Freezes: []wire.Freeze{{From: thaw.Add(-time.Hour), Until: thaw, Reason: "closing of the books"}}})
	a.must("schema", func(w client.Write) error {
		_, err := a.c.client(a.c.key).PutSchema(a.c.t.Context(), "small", wire.PutSchema{Schema: json.RawMessage(`{"maxProperties":2}`)}, w)
		return err
	})
}

// spoil books what is all right when it is approved, and not when it is due.
func (a *agenda) spoil(at, thaw time.Time) {
	a.c.t.Helper()
	ctx, admin := a.c.t.Context(), a.c.client(a.c.key)
	put := func(namespace, key string) {
		a.must("put-"+namespace+"-"+key, func(w client.Write) error {
			_, err := admin.Put(ctx, namespace, key, value("written directly"), w)
			return err
		})
	}
	put("app", "moves")
	put("small", "first")

	leaver := a.c.mint("leaver", wire.Grant{Namespace: "app", Role: wire.RolePublisher})
	a.book(at, "app", a.c.client(leaver.Key), "left/a", "left/b").ends(wire.RequestRejected, "revoked")
	a.must("revoke", func(w client.Write) error { return admin.RevokeKey(ctx, leaver.ID, w) })

	a.c.roles("app", wire.RoleGrant{Role: wire.RolePublisher, Principal: "demoted"})
	demoted := a.c.mint("demoted") // who has the role only
	a.book(at, "app", a.c.client(demoted.Key), "demoted").ends(wire.RequestRejected, "lost the role")
	a.c.roles("app")

	a.book(at, "app", a.reviewer, "moves", "other").ends(wire.RequestRejected, "changed since")
	a.must("move", func(w client.Write) error {
		_, err := admin.Put(ctx, "app", "moves", value("another"), w)
		return err
	})

	a.book(at, "small", a.reviewer, "second").ends(wire.RequestRejected, "schema")
	put("small", "third")

	taken := a.book(at, "app", a.reviewer, "taken-back")
	taken.ends(wire.RequestWithdrawn, "")
	a.must("withdraw", func(w client.Write) error {
		_, err := a.author.WithdrawRequest(ctx, taken.id, "", w)
		return err
	})

	a.book(at, "late-ice", a.reviewer, "k").due = thaw
	a.c.settings("late-ice", wire.Settings{Freezes: []wire.Freeze{{From: thaw.Add(-time.Hour), Until: thaw, Reason: "an incident"}}})
}

// verify waits until no request is open and holds the log against the bookings.
func (a *agenda) verify() {
	c := a.c
	c.t.Helper()
	await(c.t, "no request is open", func() error {
		for r, err := range c.client(c.key, c.leader()).Requests(c.t.Context(), client.RequestQuery{State: "open"}, client.Read{}) {
			if err != nil {
				return err
			}
			return fmt.Errorf("%s of %s/%s is %s, due at %v", r.ID, r.Changes[0].Namespace, r.Changes[0].Key, r.State, r.PublishAt)
		}
		return nil
	})
	h := c.oneHistory()
	log := c.eventLog(c.nodes[0], uint64(len(h)))
	latest := time.Duration(0)
	for _, b := range a.all {
		latest = max(latest, a.check(b, log))
	}
	c.t.Logf("%d requests, the latest %v after its time", len(a.all), latest)
	if latest > lateness {
		c.t.Errorf("a request was published %v after its time", latest)
	}
}

// check holds one booking against the log and against what each node shows of it,
// and returns by how much it was late.
func (a *agenda) check(b *booking, log []wire.Event) (late time.Duration) {
	t, kinds, changed := a.c.t, map[string]int{}, map[string]int{}
	for _, e := range log {
		if e.Request != b.id {
			continue
		}
		kinds[e.Type]++
		if strings.HasPrefix(e.Type, "config.") {
			changed[e.Key]++
			late = max(late, e.Time.Sub(b.due))
			if e.Time.Before(b.due) {
				t.Errorf("%s/%s was published %v early", b.namespace, e.Key, b.due.Sub(e.Time))
			}
		}
	}
	published := b.state == wire.RequestPublished
	for _, key := range b.keys {
		if want := map[bool]int{true: 1}[published]; changed[key] != want || kinds["publish-request.published"] != want {
			t.Errorf("%s/%s of %s was published %d times, its request %d times; want %d", b.namespace, key, b.id, changed[key], kinds["publish-request.published"], want)
		}
	}
	if kinds["publish-request.scheduled"] == 0 {
		t.Logf("%s/%s was approved when it was due already", b.namespace, b.keys[0])
	}
	for _, n := range a.c.nodes {
		r, err := a.c.client(a.c.key, n).Request(t.Context(), b.id, client.Read{})
		if err != nil || r.State != b.state || r.Resolution == nil {
			t.Errorf("%s of %s/%s at %s: %+v, %v; want %s", b.id, b.namespace, b.keys[0], n.id, r, err, b.state)
			continue
		}
		if b.reason != "" && (r.Resolution.By != "system" || !strings.Contains(r.Resolution.Comment, b.reason)) {
			t.Errorf("%s of %s/%s at %s was ended by %s: %s; want system and %q", b.id, b.namespace, b.keys[0], n.id, r.Resolution.By, r.Resolution.Comment, b.reason)
		}
		if published {
			continue
		}
		if d, err := a.c.client(a.c.key, n).Draft(t.Context(), b.namespace, b.keys[0], client.Read{}); err != nil || d.Request != "" {
			t.Errorf("%s/%s of what was not published is no plain draft at %s: %+v, %v", b.namespace, b.keys[0], n.id, d, err)
		}
	}
	return late
}
