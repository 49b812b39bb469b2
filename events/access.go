package events

import (
	"fmt"
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

// Principal is who acts: a person or a service, with what it was granted.
type Principal struct {
	Name   string
	KeyID  string // the API key it came with
	Grants []Grant
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
	return false
}

// CanSee reports whether anything in the namespace may be visible to the
// principal: the namespace as a whole, or at least some of its keys.
func (p Principal) CanSee(namespace string) bool {
	for _, g := range p.Grants {
		if g.Role >= Viewer && Within(namespace, g.Namespace) {
			return true
		}
	}
	return false
}

// CheckGrants judges a list of grants.
func CheckGrants(pointer string, grants []Grant) error {
	if len(grants) == 0 {
		return Invalid(pointer, "is empty; an API key needs at least one grant")
	}
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
		if g.Role < Viewer || g.Role > Admin {
			return Invalid(where+"/role", "is missing; give one of viewer editor publisher admin")
		}
		key, narrowed := strings.CutSuffix(g.Keys, "*")
		if narrowed {
			key += "x" // one of the keys that it covers
		}
		if key != "" && CheckKey(key) != nil {
			return Invalid(where+"/keys", "%q is not a key, nor the beginning of one followed by *", g.Keys)
		}
	}
	return nil
}

// MaxGrants is how many grants one API key may have.
const MaxGrants = 64
