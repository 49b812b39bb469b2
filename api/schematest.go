package api

import (
	"iter"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
)

// Bounds of a test of a schema against past changes.
const (
	paramLast     = "last" // how many
	defaultLast   = 100
	maxLast       = 1000
	schemaTimeout = 5 * time.Second // whatever was looked at by then is the answer
)

// testSchema answers POST …/schema?dry_run=true: what the schema in the body would
// refuse if it were the namespace's. First the live values of the namespace and of
// those below in which it would hold. Then the last changes in these: each
// transaction is judged by the schema alone, on top of the values and the
// inheritance of that time, and only in the namespace that it changed. It looks at
// as many changes as asked for and what belongs to the last of them, or at those
// among the last events that one page of an audit may look at, or for five
// seconds; the answer says at how many.
func (x *exchange) testSchema() error {
	dry, err := x.flag(paramDryRun)
	if err != nil {
		return err
	}
	if !dry {
		return badParam(paramDryRun, "is not true: POST only tests a schema, PUT sets it")
	}
	last := defaultLast
	if given := x.query.Get(paramLast); given != "" {
		if last, err = strconv.Atoi(given); err != nil || last < 0 || last > maxLast {
			return badParam(paramLast, "is %.40q, want a number from 0 to %d", given, maxLast)
		}
	}
	_, doc, err := x.newSchema()
	if err != nil {
		return err
	}
	t := schemaTest{exchange: x, doc: doc, last: last, SchemaTest: wire.SchemaTest{Live: []wire.SchemaBreach{}, Changes: []wire.RefusedChange{}}}
	t.judgeLive()
	if err := t.judgeChanges(); err != nil {
		return err
	}
	return x.sendJSON(http.StatusOK, t.SchemaTest)
}

// schemaTest is one under way.
type schemaTest struct {
	*exchange
	wire.SchemaTest
	doc  events.SchemaDoc
	last int
}

func (t *schemaTest) judgeLive() {
	for _, b := range events.Breaches(t.state, t.names.namespace, t.doc) {
		t.Live = append(t.Live, wire.SchemaBreach{Namespace: b.Namespace, Errors: fieldErrors(t.audible(b.Namespace, b.Fields))})
	}
	t.Valid = len(t.Live) == 0
}

// pastChange is an event about an entry.
type pastChange struct {
	record events.Record
	event  events.Event
}

// judgeChanges goes back through the history, a transaction at a time.
func (t *schemaTest) judgeChanges() error {
	if t.doc.Schema == nil || t.last == 0 {
		return nil
	}
	ctx, cancel := t.within(schemaTimeout)
	defer cancel()
	h, release := t.Reader.History(t.state.Index())
	defer release()
	var group []pastChange // of one transaction, the newest first
	read := 0
	for r, err := range h.RecordsBefore(0) {
		if err != nil {
			return err
		}
		if !r.More { // it ends a transaction; the one after it is complete
			if err := t.judge(group); err != nil {
				return err
			}
			group = nil
		}
		if t.Looked >= t.last || read >= t.Limits.Audit || ctx.Err() != nil {
			return nil
		}
		read++
		e, err := r.Event()
		if err != nil {
			return err
		}
		if t.concerns(e) {
			group = append(group, pastChange{r, e})
		}
	}
	return t.judge(group)
}

// concerns reports whether the schema would have had a say in an event.
func (t *schemaTest) concerns(e events.Event) bool {
	return isConfig(e) && events.Within(e.Namespace, t.names.namespace) &&
		events.SchemaReaches(t.state, e.Namespace, t.names.namespace) && t.principal.Can(events.Viewer, e.Namespace, e.Key)
}

// judge judges the changes of one transaction.
func (t *schemaTest) judge(group []pastChange) error {
	if len(group) == 0 {
		return nil
	}
	t.Looked += len(group)
	h, release := t.Reader.History(group[len(group)-1].record.Index - 1)
	defer release()
	was := &past{State: t.state, history: h}
	edits := map[string]map[string]*events.Value{}
	for _, c := range group {
		if edits[c.event.Namespace] == nil {
			edits[c.event.Namespace] = map[string]*events.Value{}
		}
		edits[c.event.Namespace][c.event.Key] = valueOf(c.event.Data)
	}
	for _, namespace := range slices.Sorted(maps.Keys(edits)) {
		t.refuse(group, namespace, t.audible(namespace, t.doc.Schema.JudgeEdits(was, namespace, edits[namespace])))
	}
	return was.err
}

// valueOf is what an event makes of an entry, nil for nothing.
func valueOf(d events.Data) *events.Value {
	switch d := d.(type) {
	case events.ConfigCreated:
		return &d.Value
	case events.ConfigUpdated:
		return &d.Value
	case events.ConfigRolledBack:
		return &d.Value
	}
	return nil
}

// refuse lists the changes of a namespace that would have been refused. A violation
// at none of their keys, such as one of required, is that of the newest.
func (t *schemaTest) refuse(group []pastChange, namespace string, broken []events.Field) {
	of := func(f events.Field) int {
		newest := -1
		for i, c := range group {
			if c.event.Namespace != namespace {
				continue
			}
			if key := pointerTo(c.event.Key); f.Pointer == key || strings.HasPrefix(f.Pointer, key+"/") {
				return i
			}
			if newest < 0 {
				newest = i
			}
		}
		return newest
	}
	byChange := map[int][]events.Field{}
	for _, f := range broken {
		i := of(f)
		byChange[i] = append(byChange[i], f)
	}
	for _, i := range slices.Sorted(maps.Keys(byChange)) {
		r, e := group[i].record, group[i].event
		t.Changes = append(t.Changes, wire.RefusedChange{
			Index: r.Index, Time: r.Time.UTC(), Actor: e.Actor, Namespace: e.Namespace, Key: e.Key, Errors: fieldErrors(byChange[i]),
		})
	}
}

// past shows the rules a state in which entries and policies are as they were at
// some event. The rest is of the present. What could not be read is in err.
type past struct {
	*projections.State
	history *projections.History
	err     error
}

func (p *past) note(err error) {
	if p.err == nil {
		p.err = err
	}
}

// Entry is an entry as it was.
func (p *past) Entry(namespace, key string) events.Entry {
	e, err := p.history.Entry(namespace, key)
	p.note(err)
	return e
}

// Entries yields the entries that a namespace had.
func (p *past) Entries(namespace string) iter.Seq[events.Entry] {
	return func(yield func(events.Entry) bool) {
		for e, err := range p.history.EntriesAfter(namespace, "") {
			if p.note(err); err != nil || !yield(e) {
				return
			}
		}
	}
}

// Policy is what a namespace set.
func (p *past) Policy(namespace string) events.Policy {
	policy, err := p.history.Policy(namespace)
	p.note(err)
	return policy
}

// pointerTo is the JSON pointer to a key of a namespace.
func pointerTo(key string) string { return string(jsontext.Pointer("").AppendToken(key)) }
