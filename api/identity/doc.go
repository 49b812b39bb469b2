// Package identity finds out which person or machine bears a token, a session
// cookie or a client certificate. It grants nothing: what an [Identity] may do is
// decided by whoever asked.
//
// # People
//
// People come from one OpenID Connect issuer. An [Issuer] checks the tokens that
// they paste or that the command line got for them; a [Login] signs a browser in
// (authorization code flow with PKCE, state and nonce; RFC 9700).
//
// # Sessions
//
// A browser stays signed in, by such a login or by an API key, with a session cookie
// of [Sessions]. Nothing of a login or a session is stored on a node: both live in
// cookies sealed with a key made of the cluster's secret, so that any node finishes
// what another began. The price is that only the node that a session is signed out
// at refuses it from then on. A session of an API key ends with the key, everywhere.
//
// # Machines
//
// [FromTLS] reads a verified client certificate.
//
// # Names
//
// Names are compared byte for byte. Those of people are what the issuer says, so
// whoever runs the issuer decides who somebody is. So that no person can pick the
// name of a machine, a name from the claim "email" must look like an address and
// any other claim's is set behind a prefix, see [OIDCConfig.NamePrefix]. A machine
// may still be given a person's name, by whoever runs the authority of client
// certificates. Nobody is called [events.System].
package identity

import (
	"errors"
	"time"

	"confman/events"
)

// Identity is who bears a credential, before anything was granted.
type Identity struct {
	Name    string    // passes [events.CheckName]
	Groups  []string  // that the issuer, or the certificate's authority, puts the bearer in; sorted
	Expires time.Time // when the credential does
	Via     Via
	Session string // ID of the session; empty for other credentials
	KeyID   string // of the API key that a session stands for; empty for all else
	// Stands reports whether the credential would be taken now; nil: until it
	// expires.
	Stands func() bool
}

// Via is the kind of credential that an [Identity] came with.
type Via string

// The kinds of credentials.
const (
	ViaOIDC        Via = "oidc"        // a token of the issuer
	ViaSession     Via = "session"     // a cookie of ours
	ViaCertificate Via = "certificate" // of a TLS client
)

// ErrUnauthenticated says that a credential is not good. Asking again with the
// same one is refused again.
var ErrUnauthenticated = errors.New("unauthenticated")

// checkPrincipal judges the name of whoever bears a credential.
func checkPrincipal(name string) error {
	if name == events.System {
		return events.Invalid("/name", "%s is the cluster itself", events.System)
	}
	return events.CheckName("/name", name)
}
