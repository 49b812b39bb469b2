package events

import (
	"fmt"
)

// MaxOperations is how many conditions and operations one transaction may have.
const MaxOperations = 128

// VersionIs is a condition of a transaction: the entry is at this version, 0
// for an entry that does not exist.
//
// Without a key it is a condition on the namespace: the last event about it, or
// about anything in it, has this index; 0 for a namespace that never was.
type VersionIs struct {
	Namespace string
	Key       string
	Version   uint64
	Index     uint64 // without a key
}

// Transact does all of its sets and deletions when all of its conditions hold,
// and otherwise nothing.
type Transact struct {
	If     []VersionIs
	Set    []PutEntry
	Delete []DeleteEntry
}

func (c Transact) decide(d *decision) error {
	if n := len(c.If) + len(c.Set) + len(c.Delete); n > MaxOperations {
		return refuse(ErrTooLarge, "the transaction has %d conditions and operations, at most %d are allowed", n, MaxOperations)
	}
	if len(c.Set)+len(c.Delete) == 0 {
		return Invalid("/set", "is empty, and so is delete; a transaction changes something")
	}
	if err := c.conditions(d); err != nil {
		return err
	}
	seen := map[Subject]bool{}
	once := func(where, namespace, key string) error {
		s := Subject{TheEntry, namespace, key}
		if seen[s] {
			return Invalid(where, "changes %s/%s, which another operation of the transaction changes too", namespace, key)
		}
		seen[s] = true
		return nil
	}
	for i, set := range c.Set {
		where := fmt.Sprintf("/set/%d", i)
		if err := once(where, set.Namespace, set.Key); err != nil {
			return err
		}
		if err := set.decide(d); err != nil {
			return at(where, err)
		}
	}
	for i, del := range c.Delete {
		where := fmt.Sprintf("/delete/%d", i)
		if err := once(where, del.Namespace, del.Key); err != nil {
			return err
		}
		if err := del.decide(d); err != nil {
			return at(where, err)
		}
	}
	return nil
}

// conditions guards every entry that the conditions name, and refuses with all
// those that do not hold.
func (c Transact) conditions(d *decision) error {
	failed := &Refusal{Kind: ErrConflict, Detail: "conditions of the transaction do not hold"}
	for i, cond := range c.If {
		where := fmt.Sprintf("/if/%d", i)
		if cond.Key == "" {
			if err := c.untouched(d, cond, where, failed); err != nil {
				return err
			}
			continue
		}
		if err := checkNames(cond.Namespace, cond.Key); err != nil {
			return at(where, err)
		}
		now := d.view.Entry(cond.Namespace, cond.Key)
		d.holds(Subject{TheEntry, cond.Namespace, cond.Key}, now.Revision)
		version := now.Version
		if !now.Live() {
			version = 0
		}
		if version != cond.Version {
			failed.Fields = append(failed.Fields, Field{where, fmt.Sprintf("%s/%s is at version %d, not %d",
				cond.Namespace, cond.Key, version, cond.Version)})
		}
	}
	if len(failed.Fields) > 0 {
		return failed
	}
	return nil
}

// untouched checks a condition on a namespace.
func (c Transact) untouched(d *decision, cond VersionIs, where string, failed *Refusal) error {
	if err := CheckNamespace(cond.Namespace); err != nil {
		return at(where, err)
	}
	if cond.Version != 0 {
		return at(where, Invalid("/key", "is empty; only an entry has a version, a namespace has an index"))
	}
	now := d.view.Namespace(cond.Namespace)
	d.holds(Subject{Noun: TheNamespace, Namespace: cond.Namespace}, now.Revision)
	d.holds(Subject{Noun: TheContents, Namespace: cond.Namespace}, now.Contents)
	if index := max(now.Revision, now.Contents); index != cond.Index {
		failed.Fields = append(failed.Fields, Field{where, fmt.Sprintf("namespace %s last changed at event %d, not %d", cond.Namespace, index, cond.Index)})
	}
	return nil
}
