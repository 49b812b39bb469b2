package events

import (
	"fmt"
	"slices"
)

// Restored is one key that is to be again as it was.
type Restored struct {
	Namespace string
	Key       string
	Was       Entry  // as it was; not live: it did not exist
	AsOf      uint64 // the event as of which it was so
	// Unless holds the index of the last event that may be about the entry: it
	// is refused when a later one is. 0: any may.
	Unless uint64
}

// Restore brings back earlier states of entries, each as a new version that names
// its source. Where settings say so it becomes a publish request.
type Restore struct {
	Entries []Restored
	Whole   []string // namespaces that the entries are all of: what else is in them goes
	Source  ChangeSource
	Comment string
	Request string // ID of the publish request, if it becomes one
	Actor   string
}

func (c Restore) decide(d *decision) error {
	if err := CheckText("/comment", c.Comment, MaxTextBytes); err != nil {
		return err
	}
	d.policies()
	if err := c.conflicts(d); err != nil {
		return err
	}
	c.Entries = c.withLater(d)
	for _, r := range c.Entries {
		if r.Was.Live() && r.Was.Value.Type == Erased {
			return refuse(ErrConflict, "version %d of %s/%s was erased and cannot be brought back", r.Was.Version, r.Namespace, r.Key)
		}
	}
	differ := slices.DeleteFunc(slices.Clone(c.Entries), func(r Restored) bool { return r.isSo(d.view) })
	if slices.ContainsFunc(differ, func(r Restored) bool { return EffectiveSettings(d.view, r.Namespace).RollbackRequiresApproval }) {
		return c.request(differ).decide(d)
	}
	d.mandate = rolledBack
	for _, r := range differ {
		now := d.view.Entry(r.Namespace, r.Key)
		now.Namespace, now.Key = r.Namespace, r.Key
		source := r.source()
		if r.Was.Live() {
			d.put(now, r.Was, c.Comment, c.Actor, &source)
		} else {
			d.remove(now, c.Comment, &source)
		}
	}
	return nil
}

// withLater are the entries with those that came into the whole namespaces since
// they were read, and are to go again. None comes after this.
func (c Restore) withLater(d *decision) []Restored {
	entries := slices.Clone(c.Entries)
	known := map[Subject]bool{}
	for _, r := range entries {
		known[Subject{TheEntry, r.Namespace, r.Key}] = true
	}
	for _, n := range c.Whole {
		d.holds(Subject{Noun: TheContents, Namespace: n}, d.view.Namespace(n).Contents)
		for e := range d.view.Entries(n) {
			if !known[Subject{TheEntry, n, e.Key}] {
				entries = append(entries, Restored{Namespace: n, Key: e.Key, AsOf: c.Source.Index})
			}
		}
	}
	return entries
}

// conflicts refuses when something changed that must not have.
func (c Restore) conflicts(d *decision) error {
	failed := &Refusal{Kind: ErrConflict, Detail: "later changes touched the same keys"}
	for i, r := range c.Entries {
		now := d.view.Entry(r.Namespace, r.Key)
		d.holds(Subject{TheEntry, r.Namespace, r.Key}, now.Revision)
		if r.Unless > 0 && now.Revision > r.Unless {
			failed.Fields = append(failed.Fields, Field{fmt.Sprintf("/changes/%d", i), fmt.Sprintf(
				"%s/%s was changed by %s at event %d, version %d", r.Namespace, r.Key, now.UpdatedBy, now.Revision, now.Version)})
		}
	}
	if len(failed.Fields) > 0 {
		return failed
	}
	return nil
}

// isSo reports whether the entry is already as it was.
func (r Restored) isSo(v View) bool {
	now := v.Entry(r.Namespace, r.Key)
	return now.Live() == r.Was.Live() && (!now.Live() || now.sameContent(r.Was))
}

func (r Restored) source() EntrySource {
	if !r.Was.Live() {
		return EntrySource{Index: r.AsOf}
	}
	return EntrySource{Version: r.Was.Version, Index: r.AsOf}
}

// request is the publish request that does the same.
func (c Restore) request(entries []Restored) SubmitRequest {
	source := c.Source
	s := SubmitRequest{ID: c.Request, Comment: c.Comment, Source: &source, Actor: c.Actor}
	for _, r := range entries {
		from := r.source()
		change := Submitted{Namespace: r.Namespace, Key: r.Key, Source: &from}
		if r.Was.Live() {
			change.Content = r.Was.Content()
		} else {
			change.Delete = true
		}
		s.Changes = append(s.Changes, change)
	}
	return s
}

// Content is what makes another entry as this one.
func (e Entry) Content() *Content {
	tags := slices.Clone(e.Tags)
	return &Content{Value: e.Value.given(), Type: e.Value.Type, Description: &e.Description, Tags: &tags}
}
