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
	Version     uint64 `json:"version"`
	Description string `json:"description,omitzero"`
	Comment     string `json:"comment,omitzero"`
}

// ConfigUpdated replaces a key's value or description.
type ConfigUpdated struct {
	Value       `json:",inline"`
	Version     uint64  `json:"version"`
	Description string  `json:"description,omitzero"`
	Comment     string  `json:"comment,omitzero"`
	Previous    Version `json:"previous"`
}

// ConfigDeleted ends a key's value. Version counts the deletion.
type ConfigDeleted struct {
	Version  uint64  `json:"version"`
	Comment  string  `json:"comment,omitzero"`
	Previous Version `json:"previous"`
}

// Kind is "config.created".
func (ConfigCreated) Kind() Kind { return "config.created" }

// Kind is "config.updated".
func (ConfigUpdated) Kind() Kind { return "config.updated" }

// Kind is "config.deleted".
func (ConfigDeleted) Kind() Kind { return "config.deleted" }

// Condition is what must be true of an entry for a change to go ahead
// (RFC 9110, sections 13.1.1 and 13.1.2). The zero value is always true.
type Condition struct {
	Exists   bool     // If-Match: *
	Versions []uint64 // If-Match: one of these; empty but not nil matches nothing
	Absent   bool     // If-None-Match: *
	Not      []uint64 // If-None-Match: none of these
}

func (c Condition) check(e Entry) error {
	live := e.Live()
	switch {
	case c.Exists && !live, c.Versions != nil && (!live || !slices.Contains(c.Versions, e.Version)):
		return refuse(ErrCondition, "%s/%s %s, which the condition does not allow", e.Namespace, e.Key, e.standing())
	case c.Absent && live, live && slices.Contains(c.Not, e.Version):
		return refuse(ErrCondition, "%s/%s %s, which the condition excludes", e.Namespace, e.Key, e.standing())
	}
	return nil
}

func (e Entry) standing() string {
	if e.Live() {
		return fmt.Sprintf("is at version %d", e.Version)
	}
	return "does not exist"
}

// PutEntry sets the value of a key. A namespace that does not exist comes into
// being with it.
type PutEntry struct {
	Namespace   string
	Key         string
	Value       jsontext.Value // as the client sent it; see [ParseValue]
	Type        ValueType      // empty: told by the value
	Description *string        // nil: stays as it is
	Comment     string
	If          Condition
	Actor       string // the owner of a namespace that comes into being
}

func (c PutEntry) decide(d *decision) error {
	value, now, err := c.check(d)
	if err != nil {
		return err
	}
	description := now.Description
	if !now.Live() {
		description = ""
	}
	if c.Description != nil {
		description = *c.Description
	}
	d.holds(Subject{TheEntry, c.Namespace, c.Key}, now.Revision)
	if !now.Live() {
		d.ensureNamespace(c.Namespace, c.Actor)
		d.record(c.Namespace, c.Key, ConfigCreated{value, now.Version + 1, description, c.Comment})
		return nil
	}
	if value.Equal(now.Value) && description == now.Description {
		return nil
	}
	d.record(c.Namespace, c.Key, ConfigUpdated{value, now.Version + 1, description, c.Comment, now.version()})
	return nil
}

// check judges the form of the request and its condition.
func (c PutEntry) check(d *decision) (Value, Entry, error) {
	if err := checkNames(c.Namespace, c.Key); err != nil {
		return Value{}, Entry{}, err
	}
	value, err := ParseValue(c.Value, c.Type, d.rules.maxValueBytes())
	if err != nil {
		return Value{}, Entry{}, err
	}
	if c.Description != nil {
		if err := CheckText("/description", *c.Description, MaxTextBytes); err != nil {
			return Value{}, Entry{}, err
		}
	}
	if err := CheckText("/comment", c.Comment, MaxTextBytes); err != nil {
		return Value{}, Entry{}, err
	}
	now := d.view.Entry(c.Namespace, c.Key)
	now.Namespace, now.Key = c.Namespace, c.Key
	return value, now, c.If.check(now)
}

func checkNames(namespace, key string) error {
	if err := CheckNamespace(namespace); err != nil {
		return err
	}
	return CheckKey(key)
}

// ensureNamespace lets the namespace come into being, once in a decision.
func (d *decision) ensureNamespace(path, owner string) {
	subject := Subject{Noun: TheNamespace, Namespace: path}
	if d.guarded[subject] {
		return
	}
	now := d.view.Namespace(path)
	d.holds(subject, now.Revision)
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
	d.holds(Subject{TheEntry, c.Namespace, c.Key}, now.Revision)
	d.record(c.Namespace, c.Key, ConfigDeleted{now.Version + 1, c.Comment, now.version()})
	return nil
}
