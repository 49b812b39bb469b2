package events

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// APIKey is how a principal proves who it is. Only a digest of the key itself
// is kept: keys are random and long, so a plain hash cannot be searched
// backwards.
type APIKey struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Principal string    `json:"principal"`
	Grants    []Grant   `json:"grants"`
	Digest    string    `json:"digest"` // see [DigestKey]
	CreatedAt time.Time `json:"createdAt"`
	CreatedBy string    `json:"createdBy"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"` // zero: never
	RevokedAt time.Time `json:"revokedAt,omitzero"`
	RevokedBy string    `json:"revokedBy,omitzero"`
	// Roles: its bearer also has the roles that namespaces give the principal.
	Roles    bool   `json:"roles,omitzero"`
	Revision uint64 `json:"revision"`
}

// Bearer is who bears the key.
func (k APIKey) Bearer(book RoleBook) Principal {
	p := Principal{Name: k.Principal, KeyID: k.ID, Grants: k.Grants}
	if k.Roles {
		p.Book = book
	}
	return p
}

// Revoked reports whether the key was revoked.
func (k APIKey) Revoked() bool { return !k.RevokedAt.IsZero() }

// Usable reports whether the key may be used at a time.
func (k APIKey) Usable(now time.Time) bool {
	return k.Revision > 0 && !k.Revoked() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// DigestKey is what is kept of a key: its SHA-256 in hex.
func DigestKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// KeyCreated makes an API key known.
type KeyCreated struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Principal string    `json:"principal"`
	Grants    []Grant   `json:"grants"`
	Digest    string    `json:"digest,omitzero"` // never empty in the history
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	Roles     bool      `json:"roles,omitzero"`
}

func (d KeyCreated) shape() int { return 1 + more(d.Roles) }

// KeyRevoked ends an API key.
type KeyRevoked struct {
	ID string `json:"id"`
}

// Kind is "key.created".
func (KeyCreated) Kind() Kind { return "key.created" }

// Kind is "key.revoked".
func (KeyRevoked) Kind() Kind { return "key.revoked" }

// CreateKey makes an API key. The key itself stays with whoever made it up.
//
// A key takes the roles that namespaces give its principal when the principal
// makes it for itself, or an admin of everything does. Other admins make keys
// for themselves and for principals that are theirs alone: nobody lends a name
// that others know somebody else by.
type CreateKey struct {
	ID        string
	Name      string
	Principal string // empty: the name
	Grants    []Grant
	Digest    string
	ExpiresAt time.Time
	By        Principal // the zero value: the cluster itself
}

func (c CreateKey) decide(d *decision) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.Principal == "" {
		c.Principal = c.Name
	}
	roles, err := c.takesRoles(d)
	if err != nil {
		return err
	}
	if len(c.Grants) == 0 && !roles {
		return Invalid("/grants", "is empty, and the key would not take the roles of %s either", c.Principal)
	}
	now := d.view.APIKey(c.ID)
	if now.Revision > 0 {
		return refuse(ErrConflict, "an API key with the ID %s exists already", c.ID)
	}
	d.holds(Subject{Noun: TheAPIKey, Name: c.ID}, now.Revision)
	d.record("", "", KeyCreated{c.ID, c.Name, c.Principal, c.Grants, c.Digest, c.ExpiresAt, roles})
	return nil
}

func (c CreateKey) check() error {
	if err := CheckName("/name", c.Name); err != nil {
		return err
	}
	if c.Principal != "" {
		if err := CheckName("/principal", c.Principal); err != nil {
			return err
		}
	}
	if c.Principal == System || c.Principal == "" && c.Name == System {
		return Invalid("/principal", "%s is the cluster itself", System)
	}
	if err := checkTime("/expiresAt", c.ExpiresAt); err != nil {
		return err
	}
	return CheckGrants("/grants", c.Grants)
}

// takesRoles reports whether the key is to take the roles of its principal, and
// refuses a principal that is not the caller's to name.
func (c CreateKey) takesRoles(d *decision) (bool, error) {
	if c.By.Name == "" {
		return false, nil
	}
	if c.Principal == c.By.Name {
		return c.By.Book != nil || c.By.Can(Admin, Root, ""), nil
	}
	if c.By.Can(Admin, Root, "") {
		return true, nil
	}
	if strings.ContainsAny(c.Principal, "@:") { // as names of people who log in have, and URIs in certificates
		return false, notYours(c.Principal)
	}
	d.policies()
	for _, roles := range d.view.RolesWithin(Root) {
		for _, g := range roles.Grants {
			if g.Principal == c.Principal {
				return false, notYours(c.Principal)
			}
		}
	}
	for k := range d.view.APIKeys("") {
		if k.Principal != c.Principal {
			continue
		}
		if k.Roles || slices.ContainsFunc(k.Grants, func(g Grant) bool { return !c.By.Can(Admin, g.Namespace, "") }) {
			return false, notYours(c.Principal)
		}
	}
	return false, nil
}

func notYours(principal string) error {
	return refuse(ErrForbidden, "%s is known to others as well, or may be the name of somebody who logs in, so only an admin of everything makes API keys for that principal", principal)
}

// RevokeKey ends an API key. Ending one that is ended changes nothing.
type RevokeKey struct {
	ID string
}

func (c RevokeKey) decide(d *decision) error {
	now := d.view.APIKey(c.ID)
	if now.Revision == 0 {
		return refuse(ErrNotFound, "there is no API key with the ID %.64q", c.ID)
	}
	d.holds(Subject{Noun: TheAPIKey, Name: c.ID}, now.Revision)
	if !now.Revoked() {
		d.record("", "", KeyRevoked(c))
	}
	return nil
}
