package api

import (
	"slices"
	"testing"

	"github.com/oklog/ulid/v2"

	"confman/api/wire"
	"confman/events"
)

// newGoverned is a bench whose history is at the newest level.
func newGoverned(t testing.TB, change ...func(*Config)) *bench {
	t.Helper()
	b := newBench(t, change...)
	b.submit(events.RaiseLevel{Level: events.NewestLevel})
	return b
}

// submit has a command done by the node itself.
func (b *bench) submit(c events.Command) {
	b.t.Helper()
	if _, err := b.node.Submit(b.t.Context(), c, events.Stamp{Time: b.now(), ID: ulid.Make(), Actor: "ana"}); err != nil {
		b.t.Fatal(err)
	}
}

// settings sets those of a namespace.
func (b *bench) settings(namespace string, s events.Settings) {
	b.t.Helper()
	b.submit(events.PutSettings{Namespace: namespace, Settings: s, Actor: "ana"})
}

// by is the header that makes another principal the caller.
func by(key string) string { return "X-Api-Key: " + key }

// writesNothing runs something that must leave the history as it is.
func (b *bench) writesNothing(do func()) {
	b.t.Helper()
	before := b.node.State().Index()
	do()
	if now := b.node.State().Index(); now != before {
		b.t.Errorf("events %d to %d were written", before+1, now)
	}
}

// value is a live value as JSON text; "" when there is none.
func (b *bench) value(namespace, key string) string {
	return string(b.node.State().Entry(namespace, key).Value.JSON)
}

// summary is changes in short: "update pay/a 1>2".
func summary(changes []wire.ValueChange) (lines []string) {
	for _, c := range changes {
		lines = append(lines, c.Action+" "+c.Namespace+"/"+c.Key+" "+string(c.Old)+">"+string(c.New))
	}
	return lines
}

// changes fails the test unless the answer has these changes.
func (r reply) changes(want ...string) wire.Changed {
	r.t.Helper()
	c := decodeAs[wire.Changed](r)
	if got := summary(c.Changes); !slices.Equal(got, want) {
		r.t.Errorf("%s: changes %q, want %q", r.what, got, want)
	}
	return c
}

func yes() *bool {
	is := true
	return &is
}

// submitted makes a publish request and returns its ID.
func (b *bench) submitted(key, body string) string {
	b.t.Helper()
	r := b.do("POST", "/api/v1/publish-requests", body, by(key)).is(201)
	return decodeAs[wire.PublishRequest](r).ID
}
