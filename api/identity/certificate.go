package identity

import (
	"crypto/tls"
	"fmt"
	"slices"
)

// FromTLS finds out which machine, or person, the client certificate of a
// connection is of: the first URI among its subject's alternative names (such as a
// SPIFFE ID), or else the subject's common name; the groups are the subject's
// organizational units.
//
// It reports false where nobody is named: without a certificate, with one that was
// not verified, and with a cluster member's, of which only member can tell. A
// verified certificate that cannot name anybody is [ErrUnauthenticated].
//
// A connection can outlive its certificate: the caller compares Identity.Expires.
func FromTLS(state *tls.ConnectionState, member func(*tls.ConnectionState) bool) (Identity, bool, error) {
	if state == nil || len(state.VerifiedChains) == 0 || member != nil && member(state) {
		return Identity{}, false, nil
	}
	leaf := state.VerifiedChains[0][0]
	name := leaf.Subject.CommonName
	if len(leaf.URIs) > 0 {
		name = leaf.URIs[0].String()
	}
	if err := checkPrincipal(name); err != nil {
		return Identity{}, true, fmt.Errorf("%w: the client certificate does not name anybody: %s", ErrUnauthenticated, err.Error())
	}
	return Identity{
		Name: name, Groups: nameable(slices.Clone(leaf.Subject.OrganizationalUnit)),
		Expires: leaf.NotAfter.UTC(), Via: ViaCertificate,
	}, true, nil
}
