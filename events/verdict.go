package events

import (
	"errors"
	"fmt"
)

// Wanted is what somebody would make of a key: content or, with Delete, nothing.
type Wanted struct {
	Key     string
	Content Content
	Delete  bool
}

// Verdict is what speaks against changes. The pointers lead into the namespace, seen
// as an object of its keys; an empty one is about all changes together.
type Verdict struct {
	Refused []Field // by what they are, whatever the schemas say
	Broken  []Field // of the schemas; may quote values besides the changed ones
}

// Judge is the verdict on changing keys of a namespace together, by a direct write
// or by publishing it: what [Rules.Decide] would refuse now. Whether the changes
// need approval, and freezes and windows, are left out. Of changes that are wrong by
// themselves only that is said. The error is an ErrInvalid when the question is
// none, an ErrTooLarge for more than MaxChanges.
func (r Rules) Judge(view View, namespace string, changes []Wanted, s Stamp) (v Verdict, err error) {
	if err := CheckNamespace(namespace); err != nil {
		return v, err
	}
	if len(changes) > MaxChanges {
		return v, refuse(ErrTooLarge, "there are %d changes, at most %d are allowed", len(changes), MaxChanges)
	}
	d := r.begin(view, s)
	d.mandate = considered
	seen := map[string]bool{}
	for i, c := range changes {
		where := fmt.Sprintf("/changes/%d", i)
		switch {
		case seen[c.Key]:
			return v, Invalid(where, "changes %s, which another change changes too", c.Key)
		case c.Delete && len(c.Content.Value) > 0:
			return v, Invalid(where+"/value", "comes with delete; give one of them")
		}
		seen[c.Key] = true
		if err := v.hear(pointerTo(c.Key), c.command(namespace, s.Actor).decide(d)); err != nil {
			return v, err
		}
	}
	if len(v.Refused) > 0 {
		return v, nil
	}
	for err := range d.objections(editsOf(d.events)) {
		if err := v.hear("", err); err != nil {
			return v, err
		}
	}
	_, err = d.proposal()
	if level := (*LevelError)(nil); errors.As(err, &level) {
		err = nil // a write would raise it
	}
	return v, v.hear("", err)
}

func (c Wanted) command(namespace, actor string) Command {
	if c.Delete {
		return DeleteEntry{Namespace: namespace, Key: c.Key}
	}
	return PutEntry{
		Namespace: namespace, Key: c.Key, Value: c.Content.Value, Type: c.Content.Type,
		Description: c.Content.Description, Tags: c.Content.Tags, Comment: c.Content.Comment, Actor: actor,
	}
}

// hear adds what a refusal says, of what a pointer leads to where it does not say
// itself. What is no refusal it returns.
func (v *Verdict) hear(about string, err error) error {
	var r *Refusal
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &r):
		return err
	case errors.Is(r, ErrSchema):
		v.Broken = append(v.Broken, r.Fields...)
		return nil
	case len(r.Fields) == 0:
		v.Refused = append(v.Refused, Field{about, r.Detail})
	}
	for _, f := range r.Fields {
		if f.Pointer == "/type" {
			f.Detail = "type " + f.Detail
		}
		v.Refused = append(v.Refused, Field{about, f.Detail})
	}
	return nil
}
