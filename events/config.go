package events

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Entry is the value of one key of a namespace.
type Entry struct {
	Namespace   string    `json:"namespace"`
	Key         string    `json:"key"`
	Value       Value     `json:"value,omitzero"`
	Description string    `json:"description,omitzero"`
	Tags        []string  `json:"tags,omitzero"`
	Comment     string    `json:"comment,omitzero"` // of the last change
	Version     uint64    `json:"version"`          // 1, 2, 3 … for each change, deletions included
	CreatedAt   time.Time `json:"createdAt"`
	CreatedBy   string    `json:"createdBy"`
	UpdatedAt   time.Time `json:"updatedAt"`
	UpdatedBy   string    `json:"updatedBy"`
	Created     uint64    `json:"created"`  // index of the event that created it, again after a deletion
	Revision    uint64    `json:"revision"` // index of the last event about it
	Deleted     bool      `json:"deleted,omitzero"`
}

// Live reports whether the entry exists now.
func (e Entry) Live() bool { return e.Revision > 0 && !e.Deleted }

func (e Entry) version() Version { return Version{Value: e.Value, Version: e.Version} }

// Version is one state of an entry.
type Version struct {
	Value   `json:",inline"`
	Version uint64 `json:"version"`
}

// ConfigCreated gives a key its first value, or its first after a deletion.
type ConfigCreated struct {
	Value       `json:",inline"`
	Version     uint64   `json:"version"`
	Description string   `json:"description,omitzero"`
	Comment     string   `json:"comment,omitzero"`
	Tags        []string `json:"tags,omitzero"`
}

// ConfigUpdated replaces a key's value or description.
type ConfigUpdated struct {
	Value       `json:",inline"`
	Version     uint64   `json:"version"`
	Description string   `json:"description,omitzero"`
	Comment     string   `json:"comment,omitzero"`
	Previous    Version  `json:"previous"`
	Tags        []string `json:"tags,omitzero"`
}

// ConfigDeleted ends a key's value. Version counts the deletion.
type ConfigDeleted struct {
	Version  uint64       `json:"version"`
	Comment  string       `json:"comment,omitzero"`
	Previous Version      `json:"previous"`
	Source   *EntrySource `json:"source,omitzero"` // when a rollback deleted it
}

// ConfigRolledBack gives a key a value that it had before.
type ConfigRolledBack struct {
	Value       `json:",inline"`
	Version     uint64      `json:"version"`
	Description string      `json:"description,omitzero"`
	Comment     string      `json:"comment,omitzero"`
	Previous    *Version    `json:"previous,omitzero"` // nil: it did not exist
	Tags        []string    `json:"tags,omitzero"`
	Source      EntrySource `json:"source"`
}

// EntrySource is an earlier state of an entry that was brought back.
type EntrySource struct {
	Version uint64 `json:"version,omitzero"` // 0: it did not exist
	Index   uint64 `json:"index"`            // as of this event
}

// Kind is "config.created".
func (ConfigCreated) Kind() Kind { return "config.created" }

// Kind is "config.updated".
func (ConfigUpdated) Kind() Kind { return "config.updated" }

// Kind is "config.deleted".
func (ConfigDeleted) Kind() Kind { return "config.deleted" }

// Kind is "config.rolled-back".
func (ConfigRolledBack) Kind() Kind { return "config.rolled-back" }

func (d ConfigCreated) shape() int { return 1 + more(len(d.Tags) > 0) }
func (d ConfigUpdated) shape() int { return 1 + more(len(d.Tags) > 0) }
func (d ConfigDeleted) shape() int { return 1 + more(d.Source != nil) }

// more is 1 for what needs a newer shape.
func more(needed bool) int {
	if needed {
		return 1
	}
	return 0
}

// Condition is what must be true of an entry for a change to go ahead
// (RFC 9110, sections 13.1.1 and 13.1.2). The zero value is always true.
type Condition struct {
	Exists   bool     // If-Match: *
	Versions []uint64 // If-Match: one of these; empty but not nil matches nothing
	Absent   bool     // If-None-Match: *
	Not      []uint64 // If-None-Match: none of these
}

func (c Condition) check(e Entry) error {
	return c.judge(e.Namespace+"/"+e.Key, "version", e.Live(), e.Version)
}

// judge is check for anything that has a version, or what else its number is
// called.
func (c Condition) judge(what, number string, live bool, version uint64) error {
	standing := "does not exist"
	if live {
		standing = fmt.Sprintf("is at %s %d", number, version)
	}
	switch {
	case c.Exists && !live, c.Versions != nil && (!live || !slices.Contains(c.Versions, version)):
		return refuse(ErrCondition, "%s %s, which the condition does not allow", what, standing)
	case c.Absent && live, live && slices.Contains(c.Not, version):
		return refuse(ErrCondition, "%s %s, which the condition excludes", what, standing)
	}
	return nil
}

// PutEntry sets the value of a key. A namespace that does not exist comes into
// being with it.
type PutEntry struct {
	Namespace   string
	Key         string
	Value       jsontext.Value // as the client sent it; see [ParseValue]
	Type        ValueType      // empty: told by the value
	Description *string        // nil: stays as it is
	Tags        *[]string      // nil: stay as they are
	Comment     string
	If          Condition
	Actor       string // the owner of a namespace that comes into being
}

func (c PutEntry) decide(d *decision) error {
	if err := checkNames(c.Namespace, c.Key); err != nil {
		return err
	}
	want, now, err := c.content().on(d, c.Namespace, c.Key)
	if err != nil {
		return err
	}
	if err := c.If.check(now); err != nil {
		return err
	}
	d.put(now, want, c.Comment, c.Actor, nil)
	return nil
}

func (c PutEntry) content() Content {
	return Content{Value: c.Value, Type: c.Type, Description: c.Description, Tags: c.Tags, Comment: c.Comment}
}

// put records what it takes for an entry to become as wanted; with a source it is
// a rollback.
func (d *decision) put(now, want Entry, comment, actor string, source *EntrySource) {
	d.holds(Subject{TheEntry, now.Namespace, now.Key}, now.Revision)
	version := now.Version + 1
	if !now.Live() {
		d.ensureNamespace(now.Namespace, actor)
	} else if want.sameContent(now) {
		return
	}
	switch {
	case source != nil:
		back := ConfigRolledBack{want.Value, version, want.Description, comment, nil, want.Tags, *source}
		if previous := now.version(); now.Live() {
			back.Previous = &previous
		}
		d.record(now.Namespace, now.Key, back)
	case now.Live():
		d.record(now.Namespace, now.Key, ConfigUpdated{want.Value, version, want.Description, comment, now.version(), want.Tags})
	default:
		d.record(now.Namespace, now.Key, ConfigCreated{want.Value, version, want.Description, comment, want.Tags})
	}
}

func (e Entry) sameContent(o Entry) bool {
	return e.Value.Equal(o.Value) && e.Description == o.Description && slices.Equal(e.Tags, o.Tags)
}

// Content is what somebody wants an entry to hold.
type Content struct {
	Value       jsontext.Value // as the client sent it; see [ParseValue]
	Type        ValueType      // empty: told by the value
	Description *string        // nil: that of the live entry
	Tags        *[]string      // nil: those of the live entry
	Comment     string
}

// Limits of an entry's tags.
const (
	MaxTags     = 32
	MaxTagBytes = 128
)

// on judges the form of the content, and returns what it makes of an entry, and
// the entry as it is.
func (c Content) on(d *decision, namespace, key string) (want, now Entry, err error) {
	now = d.view.Entry(namespace, key)
	now.Namespace, now.Key = namespace, key
	want = Entry{Namespace: namespace, Key: key}
	if want.Value, err = ParseValue(c.Value, c.Type, d.rules.maxValueBytes()); err != nil {
		return want, now, err
	}
	if now.Live() {
		want.Description, want.Tags = now.Description, now.Tags
	}
	if c.Description != nil {
		want.Description = *c.Description
		if err := CheckText("/description", want.Description, MaxTextBytes); err != nil {
			return want, now, err
		}
	}
	if c.Tags != nil {
		if want.Tags, err = checkTags(*c.Tags); err != nil {
			return want, now, err
		}
	}
	return want, now, CheckText("/comment", c.Comment, MaxTextBytes)
}

// checkTags judges tags and returns them sorted, each once; nil for none.
func checkTags(tags []string) ([]string, error) {
	if len(tags) > MaxTags {
		return nil, Invalid("/tags", "has %d tags, at most %d are allowed", len(tags), MaxTags)
	}
	for i, t := range tags {
		where := fmt.Sprintf("/tags/%d", i)
		if err := CheckName(where, t); err != nil {
			return nil, err
		}
		if len(t) > MaxTagBytes {
			return nil, Invalid(where, "has %d bytes, at most %d are allowed", len(t), MaxTagBytes)
		}
	}
	if len(tags) == 0 {
		return nil, nil
	}
	return slices.Compact(slices.Sorted(slices.Values(tags))), nil
}

func checkNames(namespace, key string) error {
	if err := CheckNamespace(namespace); err != nil {
		return err
	}
	return CheckKey(key)
}

// ensureNamespace lets the namespace come into being, once in a decision.
func (d *decision) ensureNamespace(path, owner string) {
	if d.ensured[path] {
		return
	}
	d.ensured[path] = true
	now := d.view.Namespace(path)
	d.holds(Subject{Noun: TheNamespace, Namespace: path}, now.Revision)
	if !now.Live() {
		d.record(path, "", NamespaceCreated{NamespaceProperties{Owner: owner}})
	}
}

// DeleteEntry deletes a key.
type DeleteEntry struct {
	Namespace string
	Key       string
	Comment   string
	If        Condition
}

func (c DeleteEntry) decide(d *decision) error {
	if err := checkNames(c.Namespace, c.Key); err != nil {
		return err
	}
	if err := CheckText("/comment", c.Comment, MaxTextBytes); err != nil {
		return err
	}
	now := d.view.Entry(c.Namespace, c.Key)
	now.Namespace, now.Key = c.Namespace, c.Key
	if err := c.If.check(now); err != nil {
		return err
	}
	if !now.Live() {
		return refuse(ErrNotFound, "%s/%s does not exist", c.Namespace, c.Key)
	}
	d.remove(now, c.Comment, nil)
	return nil
}

// remove records that a live entry ends; with a source it is a rollback to when
// it did not exist.
func (d *decision) remove(now Entry, comment string, source *EntrySource) {
	d.holds(Subject{TheEntry, now.Namespace, now.Key}, now.Revision)
	d.record(now.Namespace, now.Key, ConfigDeleted{now.Version + 1, comment, now.version(), source})
}
