package events

import (
	"bytes"
	"fmt"
	"iter"
	"time"

	"github.com/go-json-experiment/json"
)

// Policy is what governs a namespace and those below it: who may do what, which
// shape the values have, and how changes are made. Each part is set by itself;
// the zero value of a part sets nothing.
type Policy struct {
	Namespace string    `json:"namespace"`
	Roles     Roles     `json:"roles,omitzero"`
	Schema    SchemaDoc `json:"schema,omitzero"`
	Settings  Settings  `json:"settings,omitzero"`

	RolesMark    Mark `json:"rolesMark,omitzero"`
	SchemaMark   Mark `json:"schemaMark,omitzero"`
	SettingsMark Mark `json:"settingsMark,omitzero"`

	// Revision is the index of the last event about any of it. A namespace that
	// was deleted has no policy any more, but keeps this.
	Revision uint64 `json:"revision"`
}

// Mark says by which event something was set.
type Mark struct {
	Revision uint64    `json:"revision,omitzero"`
	At       time.Time `json:"at,omitzero"`
	By       string    `json:"by,omitzero"`
}

// Roles are the roles that a namespace gives on itself and below.
type Roles struct {
	Inherit *bool       `json:"inherit,omitzero"` // false cuts off what namespaces above give
	Grants  []RoleGrant `json:"grants,omitzero"`
}

// RoleGrant gives a role to one principal, or to all of one group.
type RoleGrant struct {
	Role      Role   `json:"role"`
	Principal string `json:"principal,omitzero"`
	Group     string `json:"group,omitzero"`
	Keys      string `json:"keys,omitzero"` // as in [Grant]
}

// MaxRoleGrants is how many grants one namespace may give.
const MaxRoleGrants = 1024

// Cuts reports whether nothing that namespaces above give holds.
func (r Roles) Cuts() bool { return r.Inherit != nil && !*r.Inherit }

// check judges the form of roles.
func (r Roles) check() error {
	if len(r.Grants) > MaxRoleGrants {
		return Invalid("/grants", "has %d grants, at most %d are allowed", len(r.Grants), MaxRoleGrants)
	}
	for i, g := range r.Grants {
		where := fmt.Sprintf("/grants/%d", i)
		switch {
		case g.Principal == "" && g.Group == "":
			return Invalid(where, "names nobody; give a principal or a group")
		case g.Principal != "" && g.Group != "":
			return Invalid(where, "names both a principal and a group; give one of them")
		case g.Group != "":
			if err := CheckName(where+"/group", g.Group); err != nil {
				return err
			}
		case g.Principal == System:
			return Invalid(where+"/principal", "%s is the cluster itself", System)
		default:
			if err := CheckName(where+"/principal", g.Principal); err != nil {
				return err
			}
		}
		if err := checkGranted(where, g.Role, g.Keys); err != nil {
			return err
		}
	}
	return nil
}

// SchemaDoc is a namespace's own schema.
type SchemaDoc struct {
	Inherit *bool   `json:"inherit,omitzero"` // false cuts off the schemas of namespaces above
	Schema  *Schema `json:"schema,omitzero"`
}

func (s SchemaDoc) cuts() bool { return s.Inherit != nil && !*s.Inherit }

// RolesChanged replaces the roles that a namespace gives.
type RolesChanged struct {
	Roles
	Previous Roles `json:"previous"`
}

// SchemaChanged replaces a namespace's own schema. Forced: although live values
// break it.
type SchemaChanged struct {
	SchemaDoc
	Comment  string    `json:"comment,omitzero"`
	Forced   bool      `json:"forced,omitzero"`
	Previous SchemaDoc `json:"previous"`
}

// SettingsChanged replaces a namespace's settings.
type SettingsChanged struct {
	Settings
	Previous Settings `json:"previous"`
}

// Kind is "namespace.roles-changed".
func (RolesChanged) Kind() Kind { return "namespace.roles-changed" }

// Kind is "namespace.schema-changed".
func (SchemaChanged) Kind() Kind { return "namespace.schema-changed" }

// Kind is "namespace.settings-changed".
func (SettingsChanged) Kind() Kind { return "namespace.settings-changed" }

// policies guards all policies at once: they change seldom, and nearly every
// decision depends on several. Where the history is at a level that has none,
// what guards is that it stays there.
func (d *decision) policies() {
	if d.view.Cluster().FeatureLevel() < policyLevel {
		d.holds(Subject{Noun: TheCluster}, d.view.Cluster().Revision)
		return
	}
	d.holds(Subject{Noun: ThePolicies}, d.view.PoliciesRevision())
}

// policyLevel is the level from which on there are policies, and guards on them.
const policyLevel Level = 3

// Schemas yields the schemas that hold in a namespace, the nearest first, with
// the policies that they are of.
func Schemas(v PolicyView, namespace string) iter.Seq2[Policy, *Schema] {
	return func(yield func(Policy, *Schema) bool) {
		for path := range Upwards(namespace) {
			p := v.Policy(path)
			if p.Schema.Schema != nil && !yield(p, p.Schema.Schema) || p.Schema.cuts() {
				return
			}
		}
	}
}

// PolicyView shows the policies of the present.
type PolicyView interface {
	// Policy is what a namespace itself sets, the zero value for nothing.
	Policy(namespace string) Policy
}

// PutRoles replaces the roles that a namespace gives.
type PutRoles struct {
	Namespace string
	Roles     Roles
	If        Condition // on the revision of the roles
	Actor     string
}

func (c PutRoles) decide(d *decision) error {
	if err := CheckPlace(c.Namespace); err != nil {
		return err
	}
	if err := c.Roles.check(); err != nil {
		return err
	}
	now := d.view.Policy(c.Namespace)
	if err := c.If.checkMark("the roles document of "+c.Namespace, now.RolesMark); err != nil {
		return err
	}
	d.policies()
	d.ensurePlace(c.Namespace, c.Actor)
	if !same(now.Roles, c.Roles) {
		d.record(c.Namespace, "", RolesChanged{c.Roles, now.Roles})
	}
	return nil
}

// PutSchema replaces a namespace's own schema. It is refused when live values
// break it, unless forced.
type PutSchema struct {
	Namespace string
	Schema    SchemaDoc
	Comment   string
	Force     bool
	If        Condition
	Actor     string
}

func (c PutSchema) decide(d *decision) error {
	if err := CheckPlace(c.Namespace); err != nil {
		return err
	}
	if err := CheckText("/comment", c.Comment, MaxTextBytes); err != nil {
		return err
	}
	now := d.view.Policy(c.Namespace)
	if err := c.If.checkMark("the schema of "+c.Namespace, now.SchemaMark); err != nil {
		return err
	}
	d.policies()
	d.ensurePlace(c.Namespace, c.Actor)
	if same(now.Schema, c.Schema) {
		return nil
	}
	forced := false
	if broken := d.breaches(c.Namespace, c.Schema, now.Schema.cuts()); len(broken) > 0 {
		if !c.Force {
			return &Refusal{
				Kind: ErrSchema, Detail: "live values break the schema; change them first, or force it",
				Fields: broken,
			}
		}
		forced = true
	}
	d.record(c.Namespace, "", SchemaChanged{c.Schema, c.Comment, forced, now.Schema})
	return nil
}

// ensurePlace is ensureNamespace for what may be the root.
func (d *decision) ensurePlace(path, owner string) {
	if path != Root {
		d.ensureNamespace(path, owner)
	}
}

// checkMark is check for what has a revision instead of versions.
func (c Condition) checkMark(what string, m Mark) error {
	return c.judge(what, "revision", m.Revision > 0, m.Revision)
}

// same reports whether two values have the same JSON.
func same[T any](a, b T) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
