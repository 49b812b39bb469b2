package wire

import "time"

// NewSession asks for a session that stands for an API key.
type NewSession struct {
	Key string `json:"key"`
}

// Session says whether a browser is signed in, and what it may want to know of the
// node before it is.
type Session struct {
	SignedIn bool   `json:"signedIn"`
	Why      string `json:"why,omitempty"` // there is a cookie, and it is no good any more

	Principal string     `json:"principal,omitempty"`
	Via       string     `json:"via,omitempty"` // one of ViaKey, ViaOIDC
	KeyID     string     `json:"keyId,omitempty"`
	KeyName   string     `json:"keyName,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`

	Login   bool   `json:"login"`  // an issuer is configured: /auth/login
	Secure  bool   `json:"secure"` // reached by https, or from this machine
	NodeID  string `json:"nodeId"`
	Version string `json:"version"`
}

// How a session began.
const (
	ViaKey  = "key"
	ViaOIDC = "oidc"
)
