package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"confman/events"
)

// leeway is how far the issuer's clock may be ahead of ours. A token is never
// taken after it expired.
const leeway = time.Minute

// algorithms are the signatures that are taken: those with a public key, never
// "none" nor a shared secret (RFC 8725, 3.1).
func algorithms() []string {
	return []string{
		oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512,
		oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
	}
}

// LooksLikeToken reports whether a credential has the form of a signed JSON Web
// Token (RFC 7515, 3.1): three parts in base64url, of which the first holds an
// object and the last, the signature, may be missing. No API key does.
func LooksLikeToken(credential string) bool {
	parts := strings.Split(credential, ".")
	if len(parts) != 3 || parts[1] == "" {
		return false
	}
	for _, part := range parts {
		if _, err := base64.RawURLEncoding.DecodeString(part); err != nil {
			return false
		}
	}
	header, _ := base64.RawURLEncoding.DecodeString(parts[0])
	return len(header) > 0 && header[0] == '{'
}

// Verify finds out whom a token is of. It fails with [ErrUnauthenticated], or with
// [events.ErrUnavailable] when the issuer, which alone can tell, cannot be asked.
// The error does not repeat the token.
func (i *Issuer) Verify(ctx context.Context, raw string) (Identity, error) {
	c, err := i.verify(ctx, raw)
	if err != nil {
		return Identity{}, err
	}
	if !slices.ContainsFunc(i.config.Audiences, c.meantFor) {
		return Identity{}, fmt.Errorf("%w: the token is not meant for %s", ErrUnauthenticated, strings.Join(i.config.Audiences, " or "))
	}
	return i.identify(c)
}

// claims are what the issuer signed.
type claims struct {
	*oidc.IDToken
	all map[string]json.RawMessage
}

func (c claims) meantFor(audience string) bool { return slices.Contains(c.Audience, audience) }

// verify checks all of a token but its audience.
func (i *Issuer) verify(ctx context.Context, raw string) (c claims, err error) {
	from, err := i.discover(ctx)
	if err != nil {
		return c, err
	}
	by := &signature{keys: from.keys}
	c.IDToken, err = oidc.NewVerifier(i.config.Issuer, by, &oidc.Config{
		SupportedSigningAlgs: algorithms(),
		SkipClientIDCheck:    true, // there may be several: see Verify
		SkipExpiryCheck:      true, // it allows five minutes: see inTime
	}).Verify(ctx, raw)
	if err != nil {
		return c, by.blame(i.config.Issuer, err)
	}
	if err := c.Claims(&c.all); err != nil {
		return c, fmt.Errorf("%w: the token's claims are malformed", ErrUnauthenticated)
	}
	return c, c.inTime(i.config.Now())
}

// inTime judges a token's exp and nbf (RFC 7519, 4.1.4 and 4.1.5).
func (c claims) inTime(now time.Time) error {
	if _, said := c.all["exp"]; !said {
		return fmt.Errorf("%w: the token never expires", ErrUnauthenticated)
	}
	if !now.Before(c.Expiry) {
		return fmt.Errorf("%w: the token expired at %s", ErrUnauthenticated, c.Expiry.UTC().Format(time.RFC3339))
	}
	var seconds float64
	if said, ok := c.all["nbf"]; ok {
		if err := json.Unmarshal(said, &seconds); err != nil {
			return fmt.Errorf("%w: the token's nbf is not a number", ErrUnauthenticated)
		}
		if from := time.Unix(int64(seconds), 0).UTC(); now.Add(leeway).Before(from) {
			return fmt.Errorf("%w: the token is not valid before %s", ErrUnauthenticated, from.Format(time.RFC3339))
		}
	}
	return nil
}

// identify reads name and groups.
func (i *Issuer) identify(c claims) (who Identity, err error) {
	if who.Name, err = i.name(c.all); err != nil {
		return Identity{}, fmt.Errorf("%w: the token %w", ErrUnauthenticated, err)
	}
	if who.Groups, err = i.groups(c.all); err != nil {
		return Identity{}, fmt.Errorf("%w: the token %w", ErrUnauthenticated, err)
	}
	who.Expires, who.Via = c.Expiry.UTC(), ViaOIDC
	return who, nil
}

func (i *Issuer) name(all map[string]json.RawMessage) (name string, err error) {
	claim := i.config.NameClaim
	said, ok := all[claim]
	if !ok {
		return "", fmt.Errorf("has no claim %s, which is to be the name", claim)
	}
	if json.Unmarshal(said, &name) != nil || name == "" {
		return "", fmt.Errorf("has a claim %s that is not a string or empty", claim)
	}
	if claim == emailClaim {
		if verified, said := all["email_verified"]; said && strings.Trim(string(verified), `"`) != "true" { // some say "true"
			return "", fmt.Errorf("has an email that the issuer has not verified")
		}
		if !strings.Contains(name, "@") {
			return "", fmt.Errorf("has an email without an @")
		}
	}
	name = i.config.NamePrefix + name
	if err := checkPrincipal(name); err != nil {
		return "", fmt.Errorf("has a claim %s that cannot be a name: %s", claim, err.Error())
	}
	return name, nil
}

// groups leaves out those to which nobody could grant anything.
func (i *Issuer) groups(all map[string]json.RawMessage) (groups []string, err error) {
	said, ok := all[i.config.GroupsClaim]
	if !ok || string(said) == "null" {
		return nil, nil
	}
	var one string
	if json.Unmarshal(said, &one) == nil {
		groups = []string{one}
	} else if json.Unmarshal(said, &groups) != nil {
		return nil, fmt.Errorf("has a claim %s that is neither a string nor an array of strings", i.config.GroupsClaim)
	}
	return nameable(groups), nil
}

// nameable is the groups that a role can be granted to, in order, each once.
func nameable(groups []string) []string {
	groups = slices.DeleteFunc(groups, func(g string) bool { return events.CheckName("/group", g) != nil })
	slices.Sort(groups)
	return slices.Compact(groups)
}
