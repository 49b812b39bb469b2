package events

import (
	"crypto/sha256"
	"encoding/hex"
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
	Revision  uint64    `json:"revision"`
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
}

// KeyRevoked ends an API key.
type KeyRevoked struct {
	ID string `json:"id"`
}

// Kind is "key.created".
func (KeyCreated) Kind() Kind { return "key.created" }

// Kind is "key.revoked".
func (KeyRevoked) Kind() Kind { return "key.revoked" }

// CreateKey makes an API key. The key itself stays with whoever made it up.
type CreateKey struct {
	ID        string
	Name      string
	Principal string // empty: the name
	Grants    []Grant
	Digest    string
	ExpiresAt time.Time
}

func (c CreateKey) decide(d *decision) error {
	if err := CheckName("/name", c.Name); err != nil {
		return err
	}
	if c.Principal == "" {
		c.Principal = c.Name
	}
	if err := CheckName("/principal", c.Principal); err != nil {
		return err
	}
	if c.Principal == System {
		return Invalid("/principal", "%s is the cluster itself", System)
	}
	if err := CheckGrants("/grants", c.Grants); err != nil {
		return err
	}
	now := d.view.APIKey(c.ID)
	if now.Revision > 0 {
		return refuse(ErrConflict, "an API key with the ID %s exists already", c.ID)
	}
	d.holds(Subject{Noun: TheAPIKey, Name: c.ID}, now.Revision)
	d.record("", "", KeyCreated(c))
	return nil
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
