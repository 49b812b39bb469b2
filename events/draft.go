package events

import "time"

// Draft is a change of one key that is saved and not published: a value, or its
// deletion. A key has one at most.
type Draft struct {
	Namespace   string    `json:"namespace"`
	Key         string    `json:"key"`
	Value       Value     `json:"value,omitzero"`
	Description string    `json:"description,omitzero"`
	Tags        []string  `json:"tags,omitzero"`
	Delete      bool      `json:"delete,omitzero"`
	Comment     string    `json:"comment,omitzero"`
	Saved       uint64    `json:"saved"` // index of the event that saved it: what a publish request pins
	UpdatedAt   time.Time `json:"updatedAt"`
	UpdatedBy   string    `json:"updatedBy"`
	Request     string    `json:"request,omitzero"` // the open publish request that locks it
	Revision    uint64    `json:"revision"`         // index of the last event about it
}

// Exists reports whether there is such a draft.
func (d Draft) Exists() bool { return d.Revision > 0 }

func (d Draft) wants() Entry {
	return Entry{Namespace: d.Namespace, Key: d.Key, Value: d.Value, Description: d.Description, Tags: d.Tags}
}

// DraftSaved replaces the draft of a key.
type DraftSaved struct {
	Value       `json:",inline"`
	Description string   `json:"description,omitzero"`
	Tags        []string `json:"tags,omitzero"`
	Delete      bool     `json:"delete,omitzero"`
	Comment     string   `json:"comment,omitzero"`
}

// DraftDiscarded ends the draft of a key without publishing it.
type DraftDiscarded struct {
	Comment string `json:"comment,omitzero"`
}

// Kind is "draft.saved".
func (DraftSaved) Kind() Kind { return "draft.saved" }

// Kind is "draft.discarded".
func (DraftDiscarded) Kind() Kind { return "draft.discarded" }

// SaveDraft saves what a key should become. It may break the schema.
type SaveDraft struct {
	Namespace string
	Key       string
	Content   Content
	Delete    bool      // the key's deletion, without content
	If        Condition // on the draft's Saved
	Actor     string
}

func (c SaveDraft) decide(d *decision) error {
	if err := checkNames(c.Namespace, c.Key); err != nil {
		return err
	}
	now := d.view.Draft(c.Namespace, c.Key)
	if err := c.If.judge("the draft of "+c.Namespace+"/"+c.Key, "revision", now.Exists(), now.Saved); err != nil {
		return err
	}
	if err := now.unlocked(); err != nil {
		return err
	}
	_, err := d.draft(c, now)
	return err
}

// draft records that a draft is saved, unless it is so already, and returns it
// as it will be; Saved is then 0.
func (d *decision) draft(c SaveDraft, now Draft) (Draft, error) {
	want, entry := Entry{}, d.view.Entry(c.Namespace, c.Key)
	if c.Delete {
		if len(c.Content.Value) > 0 {
			return now, Invalid("/value", "comes with delete; give one of them")
		}
		if !entry.Live() {
			return now, refuse(ErrNotFound, "%s/%s does not exist, so there is nothing to delete", c.Namespace, c.Key)
		}
		if err := CheckText("/comment", c.Content.Comment, MaxTextBytes); err != nil {
			return now, err
		}
	} else {
		var err error
		if want, _, err = c.Content.on(d, c.Namespace, c.Key); err != nil {
			return now, err
		}
	}
	d.holds(Subject{TheDraft, c.Namespace, c.Key}, now.Revision)
	if now.Exists() && now.Delete == c.Delete && now.Comment == c.Content.Comment && now.wants().sameContent(want) {
		return now, nil
	}
	d.ensureNamespace(c.Namespace, c.Actor)
	d.record(c.Namespace, c.Key, DraftSaved{want.Value, want.Description, want.Tags, c.Delete, c.Content.Comment})
	return Draft{
		Namespace: c.Namespace, Key: c.Key, Value: want.Value, Description: want.Description, Tags: want.Tags,
		Delete: c.Delete, Comment: c.Content.Comment, UpdatedBy: c.Actor, Revision: now.Revision,
	}, nil
}

func (d Draft) unlocked() error {
	if d.Request != "" {
		return refuse(ErrLocked, "the draft of %s/%s is under review in publish request %s; withdraw that first", d.Namespace, d.Key, d.Request)
	}
	return nil
}

// DiscardDraft ends a draft.
type DiscardDraft struct {
	Namespace string
	Key       string
	Comment   string
	If        Condition
}

func (c DiscardDraft) decide(d *decision) error {
	if err := checkNames(c.Namespace, c.Key); err != nil {
		return err
	}
	if err := CheckText("/comment", c.Comment, MaxTextBytes); err != nil {
		return err
	}
	now := d.view.Draft(c.Namespace, c.Key)
	if err := c.If.judge("the draft of "+c.Namespace+"/"+c.Key, "revision", now.Exists(), now.Saved); err != nil {
		return err
	}
	if !now.Exists() {
		return refuse(ErrNotFound, "%s/%s has no draft", c.Namespace, c.Key)
	}
	if err := now.unlocked(); err != nil {
		return err
	}
	d.holds(Subject{TheDraft, c.Namespace, c.Key}, now.Revision)
	d.record(c.Namespace, c.Key, DraftDiscarded{c.Comment})
	return nil
}
