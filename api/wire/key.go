package wire

import "time"

// Root is the namespace above all others, as a grant names it.
const Root = "/"

// Grant gives a role on a namespace and everything below it. The
// namespace Root is above all others. Keys narrows the grant to one key, or to
// those with a prefix followed by "*" ("db/*").
type Grant struct {
	Namespace string `json:"namespace"`
	Role      string `json:"role"`
	Keys      string `json:"keys,omitempty"`
}

// NewKey asks for an API key. Principal is who the key acts as and defaults to
// Name; a nil ExpiresAt never expires.
type NewKey struct {
	Name      string     `json:"name"`
	Principal string     `json:"principal,omitempty"`
	Grants    []Grant    `json:"grants,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
}

// APIKey is an API key. Key, the secret itself, is only in the answer that
// created it: the cluster keeps its hash.
type APIKey struct {
	ID        string     `json:"id"`
	Key       string     `json:"key,omitempty"`
	Name      string     `json:"name"`
	Principal string     `json:"principal"`
	Grants    []Grant    `json:"grants"`
	Roles     bool       `json:"roles,omitempty"` // it also has the roles that namespaces give its principal
	CreatedAt time.Time  `json:"createdAt"`
	CreatedBy string     `json:"createdBy,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	RevokedAt *time.Time `json:"revokedAt,omitempty"`
	RevokedBy string     `json:"revokedBy,omitempty"`
	// When the key was last used, and from which address, as far as the members that
	// answered remember; in lists only. Of a write that was forwarded it is the
	// address of the client, not of the member.
	LastUsedAt   *time.Time `json:"lastUsedAt,omitempty"`
	LastUsedFrom string     `json:"lastUsedFrom,omitempty"`
}

// Principal is who the caller is: the answer of GET /api/v1/whoami.
type Principal struct {
	Principal string     `json:"principal"`
	KeyID     string     `json:"keyId,omitempty"`
	KeyName   string     `json:"keyName,omitempty"`
	Groups    []string   `json:"groups,omitempty"`
	Grants    []Grant    `json:"grants"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
}
