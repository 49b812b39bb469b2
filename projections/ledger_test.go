package projections_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"confman/events"
)

// ledger is governed change in the words of its contract: the events, folded into
// plain maps, without guards, trees, rows or rules of the code under test.
type ledger struct {
	entries  map[place]held // those that were deleted, too
	spaces   map[string]bool
	drafts   map[place]drafted
	policies map[string]policy
	requests map[string]*asked // open ones
	closed   map[string]events.Kind
	keys     map[string]made
	hooks    map[string]hook
	index    uint64
	usedAt   map[uint64]map[string]events.Usage // by event, then namespace with all below
	written  []writing
	compiled map[string]*jsonschema.Schema
}

type place struct{ namespace, key string }

// held is a value, and since which event.
type held struct {
	value, description string // value "": deleted
	since              uint64
}

type drafted struct {
	value, description string // value "": a deletion
	by, lockedBy       string
	saved              uint64
}

type policy struct {
	roles    events.Roles
	schema   events.SchemaDoc
	schemaAt uint64
	settings events.Settings
}

// asked is an open publish request with what its drafts were when it was
// submitted.
type asked struct {
	by        string
	changes   []events.Change
	content   []drafted
	publishAt time.Time
	due       time.Time // zero: under review
	approvals map[string]approval
}

type approval struct {
	key    string
	groups []string
	basis  string
}

type made struct {
	principal, by  string
	grants         []events.Grant
	roles, revoked bool
	expires        time.Time
}

// hook is what deliveries of a webhook depend on.
type hook struct {
	cursor        uint64
	disabled      bool
	secrets, dead int
}

// writing is a value that was written, as an entry or a draft.
type writing struct {
	index uint64 // of its transaction
	at    place
	bytes int
}

func newLedger() *ledger {
	return &ledger{
		entries: map[place]held{}, spaces: map[string]bool{}, drafts: map[place]drafted{}, policies: map[string]policy{},
		requests: map[string]*asked{}, closed: map[string]events.Kind{}, keys: map[string]made{}, hooks: map[string]hook{},
		usedAt: map[uint64]map[string]events.Usage{0: {}}, compiled: map[string]*jsonschema.Schema{},
	}
}

// above are a namespace and those above it, the root last.
func above(ns string) (all []string) {
	for ns != "/" {
		all = append(all, ns)
		cut := strings.LastIndexByte(ns, '/')
		if cut < 0 {
			break
		}
		ns = ns[:cut]
	}
	return append(all, "/")
}

func below(ns, root string) bool {
	return slices.Contains(above(ns), root)
}

func no(b *bool) bool { return b != nil && !*b }

// effective is what a reader of a namespace gets.
func (l *ledger) effective(ns string) map[string]string {
	values := map[string]string{}
	for _, at := range above(ns) {
		for p, e := range l.entries {
			if _, nearer := values[p.key]; p.namespace == at && e.value != "" && !nearer {
				values[p.key] = e.value
			}
		}
		if no(l.policies[at].settings.Inherit) {
			break
		}
	}
	return values
}

// schemas are those that hold in a namespace, by the namespace that they are of.
func (l *ledger) schemas(ns string) map[string]policy {
	holding := map[string]policy{}
	for _, at := range above(ns) {
		if p := l.policies[at]; p.schema.Schema != nil {
			holding[at] = p
		}
		if no(l.policies[at].schema.Inherit) {
			break
		}
	}
	return holding
}

// setting is a member of the settings that hold in a namespace.
func setting[T any](l *ledger, ns string, of func(events.Settings) *T, otherwise T) T {
	for _, at := range above(ns) {
		if v := of(l.policies[at].settings); v != nil {
			return *v
		}
		if no(l.policies[at].settings.Inherit) {
			break
		}
	}
	return otherwise
}

// open reports whether changes may be made in a namespace at a time. All windows
// of the simulation are from midnight to noon.
func (l *ledger) open(ns string, at time.Time) bool {
	for _, n := range above(ns) {
		for _, f := range l.policies[n].settings.Freezes {
			if !at.Before(f.From) && at.Before(f.Until) {
				return false
			}
		}
	}
	windows := setting(l, ns, func(s events.Settings) *bool {
		if len(s.Windows) > 0 {
			return new(true)
		}
		return nil
	}, false)
	return !windows || at.UTC().Hour() < 12
}

// can reports whether somebody has a role on a key.
func (l *ledger) can(who string, groups []string, key string, role events.Role, p place) bool {
	covers := func(keys string) bool {
		prefix, star := strings.CutSuffix(keys, "*")
		return keys == "" || keys == p.key || star && strings.HasPrefix(p.key, prefix)
	}
	k, keyed := l.keys[key]
	for _, g := range k.grants {
		if g.Role >= role && below(p.namespace, g.Namespace) && covers(g.Keys) {
			return true
		}
	}
	if keyed && !k.roles {
		return false
	}
	for _, at := range above(p.namespace) {
		for _, g := range l.policies[at].roles.Grants {
			if g.Role >= role && (g.Principal == who || slices.Contains(groups, g.Group)) && covers(g.Keys) {
				return true
			}
		}
		if no(l.policies[at].roles.Inherit) {
			break
		}
	}
	return false
}

// basis is what is under review beside the drafts.
func (l *ledger) basis(r *asked) string {
	var b strings.Builder
	for _, c := range r.changes {
		fmt.Fprintln(&b, c.Namespace, c.Key, l.entries[place{c.Namespace, c.Key}].since)
		holding := l.schemas(c.Namespace)
		for _, at := range above(c.Namespace) {
			if p, ok := holding[at]; ok {
				fmt.Fprintln(&b, at, p.schemaAt)
			}
		}
	}
	return b.String()
}

// tainted reports whether an API key comes from one of the authors.
func (l *ledger) tainted(key string, authors []string, depth int) bool {
	k, ok := l.keys[key]
	if !ok || k.roles || depth > 8 {
		return false
	}
	if slices.Contains(authors, k.by) {
		return true
	}
	for id, other := range l.keys {
		if other.principal == k.by && l.tainted(id, authors, depth+1) {
			return true
		}
	}
	return false
}

// approvals counts those of a change that count at a time.
func (l *ledger) approvals(r *asked, c events.Change, basis string, at time.Time) (n int) {
	authors := []string{r.by}
	for _, c := range r.changes {
		authors = append(authors, c.Editor)
	}
	for who, a := range r.approvals {
		k := l.keys[a.key]
		switch {
		case slices.Contains(authors, who), a.basis != basis, l.tainted(a.key, authors, 0):
		case a.key != "" && (k.revoked || !k.expires.IsZero() && !at.Before(k.expires)):
		case l.can(who, a.groups, a.key, events.Publisher, place{c.Namespace, c.Key}):
			n++
		}
	}
	return n
}

// used recounts what each namespace holds with all below it.
func (l *ledger) used(only bool) map[string]events.Usage {
	sum := map[string]events.Usage{}
	add := func(ns string, u events.Usage) {
		if only {
			sum[ns] = sum[ns].Plus(u)
			return
		}
		for _, at := range above(ns) {
			sum[at] = sum[at].Plus(u)
		}
	}
	for p, e := range l.entries {
		if e.value != "" {
			add(p.namespace, events.Usage{Keys: 1, Bytes: int64(len(p.key) + len(e.value))})
		}
	}
	for p, d := range l.drafts {
		if d.value != "" {
			add(p.namespace, events.Usage{Bytes: int64(len(p.key) + len(d.value))})
			if l.entries[p].value == "" {
				add(p.namespace, events.Usage{Keys: 1})
			}
		}
	}
	return sum
}

// pleases asks the JSON Schema library whether an object pleases a document.
func (l *ledger) pleases(s *sim, document string, values map[string]string) bool {
	compiled := l.compiled[document]
	if compiled == nil {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
		c := jsonschema.NewCompiler()
		if err == nil {
			err = c.AddResource("mem:schema", doc)
		}
		if err == nil {
			compiled, err = c.Compile("mem:schema")
		}
		if err != nil {
			s.Fatal(err)
		}
		l.compiled[document] = compiled
	}
	object := map[string]any{}
	for key, raw := range values {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(raw)))
		if err != nil {
			s.Fatal(err)
		}
		object[key] = v
	}
	return compiled.Validate(object) == nil
}
