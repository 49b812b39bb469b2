package check

import (
	"fmt"

	"confman/api/wire"
)

// History is the audit from event 1 on.
type History []wire.AuditEvent

// Acked is a write that was acknowledged.
type Acked struct {
	Namespace  string
	Key, Value string // Value "": deleted
	Index      uint64 // 0: not known, because it changed nothing or the answer was of a later attempt
}

// Dense is C2's indexes: 1, 2, 3, …
func (h History) Dense() []Finding {
	for i, e := range h {
		if e.Index != uint64(i)+1 {
			return []Finding{finding("C2", "event %d stands where %d should: a hole", e.Index, i+1)}
		}
	}
	return nil
}

// Kept is C2's writes: every one that was acknowledged stands in the history, at
// its index, and no value of theirs was written twice. Values must be unique.
func (h History) Kept(writes []Acked) (found []Finding) {
	seen, spaces := map[uint64]bool{}, map[string]bool{}
	say := func(format string, args ...any) { found = append(found, finding("C2", format, args...)) }
	for _, w := range writes {
		spaces[w.Namespace] = true
		if w.Index == 0 || w.Index > uint64(len(h)) {
			say("%s/%s=%q was acknowledged at event %d, the history ends at %d: lost", w.Namespace, w.Key, w.Value, w.Index, len(h))
			continue
		}
		if e := h[w.Index-1]; e.Namespace != w.Namespace || e.Key == nil || *e.Key != w.Key || !same(e.NewValue, w.Value) {
			say("%s/%s=%q was acknowledged at event %d, which is %s", w.Namespace, w.Key, w.Value, w.Index, tell(e))
		}
		if seen[w.Index] {
			say("two writes were acknowledged at event %d", w.Index)
		}
		seen[w.Index] = true
	}
	values := map[string]uint64{}
	for _, e := range h {
		if !spaces[e.Namespace] || e.Key == nil || e.NewValue == nil {
			continue
		}
		if before := values[*e.NewValue]; before != 0 {
			say("%q was written twice, at %d and %d", *e.NewValue, before, e.Index)
		}
		values[*e.NewValue] = e.Index
	}
	return found
}

func same(value *string, want string) bool {
	return value == nil && want == "" || value != nil && *value == want
}

func tell(e wire.AuditEvent) string {
	key, value := "", "(none)"
	if e.Key != nil {
		key = *e.Key
	}
	if e.NewValue != nil {
		value = *e.NewValue
	}
	return fmt.Sprintf("%s %s/%s=%.80q by %s", e.Action, e.Namespace, key, value, e.Actor)
}

// At folds the history up to an index: what each key of a namespace was then.
func (h History) At(index uint64, namespace string) map[string]string {
	entries := map[string]string{}
	for _, e := range h[:index] {
		switch {
		case e.Key == nil || e.Namespace != namespace:
		case e.NewValue == nil:
			delete(entries, *e.Key)
		default:
			entries[*e.Key] = *e.NewValue
		}
	}
	return entries
}

// Published is a publish request of which somebody was told that it is live.
type Published struct {
	Request string
	Index   uint64
}

// Live is C8's other half: what somebody was told is published, is.
func (h History) Live(published []Published) (found []Finding) {
	for _, p := range published {
		if p.Index == 0 || p.Index > uint64(len(h)) {
			found = append(found, finding("C8", "request %s was published at event %d, the history ends at %d: lost", p.Request, p.Index, len(h)))
			continue
		}
		if e := h[p.Index-1]; e.Action != "publish-request.published" || e.Request != p.Request {
			found = append(found, finding("C8", "request %s was published at event %d, which is %s of %q", p.Request, p.Index, tell(e), e.Request))
		}
	}
	return found
}
