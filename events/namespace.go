package events

import "time"

// Namespace is an owned place for entries.
type Namespace struct {
	Path        string    `json:"path"`
	Description *string   `json:"description,omitzero"`
	Owner       string    `json:"owner"`
	CreatedAt   time.Time `json:"createdAt"`
	CreatedBy   string    `json:"createdBy"`
	UpdatedAt   time.Time `json:"updatedAt"`
	Created     uint64    `json:"created"`  // index of the event that created it
	Revision    uint64    `json:"revision"` // index of the last event about the namespace itself
	Contents    uint64    `json:"contents"` // index of the last event about any of its entries
	Deleted     bool      `json:"deleted,omitzero"`
	Used        Usage     `json:"-"` // by itself, without what is below; follows from entries and drafts
}

// Live reports whether the namespace exists now.
func (n Namespace) Live() bool { return n.Revision > 0 && !n.Deleted }

// NamespaceProperties are what people set on a namespace.
type NamespaceProperties struct {
	Description *string `json:"description,omitzero"`
	Owner       string  `json:"owner"`
}

// NamespaceCreated begins a namespace, or begins it again.
type NamespaceCreated struct {
	NamespaceProperties
}

// NamespaceUpdated replaces a namespace's properties.
type NamespaceUpdated struct {
	NamespaceProperties
	Previous NamespaceProperties `json:"previous"`
}

// NamespaceDeleted ends a namespace; its entries were deleted by the events
// just before it.
type NamespaceDeleted struct {
	Previous NamespaceProperties `json:"previous"`
}

// Kind is "namespace.created".
func (NamespaceCreated) Kind() Kind { return "namespace.created" }

// Kind is "namespace.updated".
func (NamespaceUpdated) Kind() Kind { return "namespace.updated" }

// Kind is "namespace.deleted".
func (NamespaceDeleted) Kind() Kind { return "namespace.deleted" }

// PutNamespace creates a namespace or changes its properties. What is nil stays
// as it is; the owner of a new one is whoever creates it.
type PutNamespace struct {
	Path        string
	Description *string
	Owner       *string
	Settings    *Settings // its members that are not nil replace those that are set
	Actor       string    // the owner where none is given
}

func (c PutNamespace) decide(d *decision) error {
	if err := CheckNamespace(c.Path); err != nil {
		return err
	}
	if c.Description != nil {
		if err := CheckText("/description", *c.Description, MaxTextBytes); err != nil {
			return err
		}
	}
	if c.Owner != nil {
		if err := CheckName("/owner", *c.Owner); err != nil {
			return err
		}
	}
	now := d.view.Namespace(c.Path)
	d.holds(Subject{Noun: TheNamespace, Namespace: c.Path}, now.Revision)
	want := NamespaceProperties{Description: now.Description, Owner: now.Owner}
	if !now.Live() {
		want = NamespaceProperties{Owner: c.Actor}
	}
	if c.Description != nil {
		want.Description = c.Description
	}
	if c.Owner != nil {
		want.Owner = *c.Owner
	}
	switch before := (NamespaceProperties{now.Description, now.Owner}); {
	case !now.Live():
		d.record(c.Path, "", NamespaceCreated{want})
	case !sameText(want.Description, before.Description) || want.Owner != before.Owner:
		d.record(c.Path, "", NamespaceUpdated{want, before})
	}
	return c.settings(d)
}

// settings changes some of the namespace's settings.
func (c PutNamespace) settings(d *decision) error {
	if c.Settings == nil {
		return nil
	}
	d.ensured[c.Path] = true
	merged := d.view.Policy(c.Path).Settings.with(*c.Settings)
	return at("/settings", PutSettings{Namespace: c.Path, Settings: merged, Actor: c.Actor}.decide(d))
}

func sameText(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// DeleteNamespace deletes a namespace with all entries and drafts that are
// directly in it, each as its own event, and with its roles, schema and settings.
// Namespaces below it are left as they are.
type DeleteNamespace struct {
	Path string
}

func (c DeleteNamespace) decide(d *decision) error {
	if err := CheckNamespace(c.Path); err != nil {
		return err
	}
	now := d.view.Namespace(c.Path)
	if !now.Live() {
		return refuse(ErrNotFound, "namespace %s does not exist", c.Path)
	}
	d.holds(Subject{Noun: TheNamespace, Namespace: c.Path}, now.Revision)
	d.holds(Subject{Noun: TheContents, Namespace: c.Path}, now.Contents)
	if err := c.drafts(d); err != nil {
		return err
	}
	edits := map[string]map[string]*Value{c.Path: {}}
	for e := range d.view.Entries(c.Path) {
		edits[c.Path][e.Key] = nil
		d.record(c.Path, e.Key, ConfigDeleted{Version: e.Version + 1, Previous: e.version()})
	}
	d.record(c.Path, "", NamespaceDeleted{NamespaceProperties{now.Description, now.Owner}})
	d.ends = c.Path
	return d.judgePolicy(Policy{Namespace: c.Path}, edits)
}

// drafts discards the drafts of the namespace, of which none may be under review,
// and guards that no others come meanwhile.
func (c DeleteNamespace) drafts(d *decision) error {
	newest := uint64(0)
	for draft := range d.view.Drafts(c.Path) {
		if err := draft.unlocked(); err != nil {
			return err
		}
		newest = max(newest, draft.Revision)
		d.holds(Subject{TheDraft, c.Path, draft.Key}, draft.Revision)
		d.record(c.Path, draft.Key, DraftDiscarded{})
	}
	if d.view.Cluster().FeatureLevel() >= policyLevel { // below it there are no drafts
		d.holds(Subject{Noun: TheDraft, Namespace: c.Path}, newest)
	}
	return nil
}
