package events

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Role is what a principal may do on a namespace; each role may do all that the
// ones before it may.
type Role uint8

// The roles.
const (
	NoRole    Role = iota
	Viewer         // read what is published
	Editor         // write drafts, submit, write directly where no approval is required
	Publisher      // review, roll back
	Admin          // namespaces, roles, schemas, settings, API keys
)

var roleNames = []string{"none", "viewer", "editor", "publisher", "admin"}

func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// ParseRole reads viewer, editor, publisher or admin.
func ParseRole(s string) (Role, error) {
	for i, name := range roleNames[1:] {
		if s == name {
			return Role(i + 1), nil
		}
	}
	return NoRole, fmt.Errorf("%.40q is not one of viewer editor publisher admin", s)
}

// MarshalText writes the role's name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the role's name.
func (r *Role) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRole(string(text))
	return err
}

// Grant gives a role on the subtree of a namespace, [Root] for everything.
type Grant struct {
	Namespace string `json:"namespace"`
	Role      Role   `json:"role"`
	// Keys narrows the grant to some entries: an exact key, or a prefix
	// followed by *. Empty: all of them, and the namespaces themselves.
	Keys string `json:"keys,omitzero"`
}

// covers reports whether the grant speaks of this entry, or, with an empty key,
// of the namespace as a whole.
func (g Grant) covers(namespace, key string) bool {
	if !Within(namespace, g.Namespace) {
		return false
	}
	if g.Keys == "" {
		return true
	}
	if key == "" {
		return false
	}
	if prefix, ok := strings.CutSuffix(g.Keys, "*"); ok {
		return strings.HasPrefix(key, prefix)
	}
	return key == g.Keys
}

// RoleBook shows the roles that namespaces give. Its implementations are
// immutable.
type RoleBook interface {
	// Roles are those that a namespace itself gives.
	Roles(namespace string) Roles
	// RolesWithin yields the roles that namespaces in a subtree give, by path.
	RolesWithin(subtree string) iter.Seq2[string, Roles]
}

// Principal is who acts: a person or a service, with what it was granted.
type Principal struct {
	Name   string
	KeyID  string   // the API key it came with, if it came with one
	Groups []string // those that its issuer puts it into
	Grants []Grant  // of the API key
	Book   RoleBook // the roles that namespaces give it; nil: they give none
}

// Can reports whether the principal has at least the role on an entry, or, with
// an empty key, on the namespace as a whole. It is the one authorizer: every
// way to data asks it.
func (p Principal) Can(role Role, namespace, key string) bool {
	for _, g := range p.Grants {
		if g.Role >= role && g.covers(namespace, key) {
			return true
		}
	}
	for path, g := range p.given(namespace) {
		if g.Role >= role && (Grant{path, g.Role, g.Keys}).covers(namespace, key) {
			return true
		}
	}
	return false
}

// CanSee reports whether anything in the namespace may be visible to the
// principal: the namespace as a whole, or at least some of its keys.
func (p Principal) CanSee(namespace string) bool { return p.CanSome(Viewer, namespace) }

// CanSome reports whether the principal has at least the role on the namespace as
// a whole or on some of its keys.
func (p Principal) CanSome(role Role, namespace string) bool {
	for _, g := range p.Grants {
		if g.Role >= role && Within(namespace, g.Namespace) {
			return true
		}
	}
	for _, g := range p.given(namespace) {
		if g.Role >= role {
			return true
		}
	}
	return false
}

// CanSeeWithin is CanSee for a namespace and all below it.
func (p Principal) CanSeeWithin(subtree string) bool {
	for _, g := range p.Grants {
		if g.Role >= Viewer && Within(g.Namespace, subtree) {
			return true
		}
	}
	if p.Book != nil {
		for _, roles := range p.Book.RolesWithin(subtree) {
			if slices.ContainsFunc(roles.Grants, p.bears) {
				return true
			}
		}
	}
	return p.CanSee(subtree)
}

// given yields what a namespace and those above it give the principal, and which
// of them does.
func (p Principal) given(namespace string) iter.Seq2[string, RoleGrant] {
	return func(yield func(string, RoleGrant) bool) {
		if p.Book == nil {
			return
		}
		for path := range Upwards(namespace) {
			roles := p.Book.Roles(path)
			for _, g := range roles.Grants {
				if p.bears(g) && !yield(path, g) {
					return
				}
			}
			if roles.Cuts() {
				return
			}
		}
	}
}

// bears reports whether a role is given to the principal or one of its groups.
func (p Principal) bears(g RoleGrant) bool {
	return g.Principal != "" && g.Principal == p.Name || g.Group != "" && slices.Contains(p.Groups, g.Group)
}

// CheckGrants judges a list of grants.
func CheckGrants(pointer string, grants []Grant) error {
	if len(grants) > MaxGrants {
		return Invalid(pointer, "has %d grants, at most %d are allowed", len(grants), MaxGrants)
	}
	for i, g := range grants {
		where := fmt.Sprintf("%s/%d", pointer, i)
		if g.Namespace != Root {
			if err := CheckNamespace(g.Namespace); err != nil {
				return at(where, err)
			}
		}
		if err := checkGranted(where, g.Role, g.Keys); err != nil {
			return err
		}
	}
	return nil
}

// checkGranted judges the role of a grant and what narrows it.
func checkGranted(where string, role Role, keys string) error {
	if role < Viewer || role > Admin {
		return Invalid(where+"/role", "is missing; give one of viewer editor publisher admin")
	}
	key, narrowed := strings.CutSuffix(keys, "*")
	if narrowed {
		key += "x" // one of the keys that it covers
	}
	if key != "" && CheckKey(key) != nil {
		return Invalid(where+"/keys", "%q is not a key, nor the beginning of one followed by *", keys)
	}
	return nil
}

// MaxGrants is how many grants one API key may have.
const MaxGrants = 64

// Given yields the roles that namespaces of a subtree, [Root] for all, give the
// principal, and which namespace gives each.
func (p Principal) Given(subtree string) iter.Seq2[string, RoleGrant] {
	return func(yield func(string, RoleGrant) bool) {
		if p.Book == nil {
			return
		}
		for path, roles := range p.Book.RolesWithin(subtree) {
			for _, g := range roles.Grants {
				if p.bears(g) && !yield(path, g) {
					return
				}
			}
		}
	}
}

// RolesReach reports whether roles that one namespace gives hold in another below
// it: whether none from there up to it cuts them off.
func RolesReach(b RoleBook, above, namespace string) bool {
	for path := range Upwards(namespace) {
		if path == above {
			return true
		}
		if b.Roles(path).Cuts() {
			return false
		}
	}
	return false
}
