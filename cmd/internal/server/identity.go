package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"confman/api"
	"confman/api/identity"
	"confman/events"
)

// IdentityOptions say who besides the bearers of API keys may ask, and how often
// each may.
type IdentityOptions struct {
	Issuer         string
	ClientID       string
	SecretFile     string
	DeviceClientID string
	RedirectURL    string
	Scopes         []string
	NameClaim      string
	NamePrefix     string
	GroupsClaim    string
	Audiences      []string
	Session        time.Duration
	RatePerSecond  float64
	RateBurst      int
}

// minSession is the shortest session that package identity makes.
const minSession = time.Minute

func (o *IdentityOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.Issuer, "oidc-issuer", "", "OpenID Connect issuer that people log in with, such as https://login.example")
	f.StringVar(&o.ClientID, "oidc-client-id", "", "what the issuer calls this cluster (required with --oidc-issuer)")
	f.StringVar(&o.SecretFile, "oidc-client-secret-file", "", "file with the secret of --oidc-client-id; without it, a public client")
	f.StringVar(&o.DeviceClientID, "oidc-device-client-id", "", "what the issuer calls confman login, a public client (default: --oidc-client-id)")
	f.StringVar(&o.RedirectURL, "oidc-redirect-url", "", "external URL of /auth/callback (default: at the host that the browser addressed)")
	f.StringSliceVar(&o.Scopes, "oidc-scope", nil, "scopes to ask the issuer for beside openid (default: profile,email)")
	f.StringVar(&o.NameClaim, "oidc-name-claim", "email", "claim that is a person's name")
	f.StringVar(&o.NamePrefix, "oidc-name-prefix", "", "what stands before every person's name (default: nothing for the claim email, else oidc:)")
	f.StringVar(&o.GroupsClaim, "oidc-groups-claim", "groups", "claim that lists a person's groups")
	f.StringSliceVar(&o.Audiences, "oidc-audience", nil, "audiences of the tokens that are taken (default: the client IDs)")
	f.DurationVar(&o.Session, "session-lifetime", 8*time.Hour, "how long a browser stays signed in, by OpenID Connect or an API key, at least 1m")
	f.Float64Var(&o.RatePerSecond, "rate-per-second", 0, "requests a second that this node takes of one principal, 0 for any; deletions and reviews are not counted")
	f.IntVar(&o.RateBurst, "rate-burst", 0, "requests that one principal may make at once (default: --rate-per-second)")
}

func (o IdentityOptions) validate() error {
	switch {
	case !(o.RatePerSecond >= 0), o.RateBurst < 0:
		return errors.New("--rate-per-second and --rate-burst are not negative")
	case o.RateBurst > 0 && o.RatePerSecond == 0:
		return errors.New("--rate-per-second is missing: --rate-burst says only how many of them come at once")
	case o.Session != 0 && o.Session < minSession:
		return fmt.Errorf("--session-lifetime %s: at least %s", o.Session, minSession)
	case o.Issuer == "":
		return o.withoutIssuer()
	case o.ClientID == "":
		return errors.New("--oidc-client-id is missing: what this cluster is called at --oidc-issuer")
	}
	return nil
}

// withoutIssuer refuses settings that have no effect without an issuer: whoever
// gave them meant to have one.
func (o IdentityOptions) withoutIssuer() error {
	var given string
	switch {
	case o.ClientID != "":
		given = "client-id"
	case o.SecretFile != "":
		given = "client-secret-file"
	case o.DeviceClientID != "":
		given = "device-client-id"
	case o.RedirectURL != "":
		given = "redirect-url"
	case len(o.Scopes) > 0:
		given = "scope"
	case o.NamePrefix != "":
		given = "name-prefix"
	case len(o.Audiences) > 0:
		given = "audience"
	default:
		return nil
	}
	return fmt.Errorf("--oidc-issuer is missing: --oidc-%s has no effect without it", given)
}

// secret is the client's at the issuer; empty for a public client.
func (o IdentityOptions) secret() (string, error) {
	if o.SecretFile == "" {
		return "", nil
	}
	data, err := os.ReadFile(o.SecretFile)
	secret := strings.TrimSpace(string(data))
	if err == nil && secret == "" {
		err = fmt.Errorf("%s is empty", o.SecretFile)
	}
	if err != nil {
		return "", fmt.Errorf("--oidc-client-secret-file: %w", err)
	}
	return secret, nil
}

// identity makes what the API finds out with who asks. secret is the cluster's.
func (s *Server) identity(env Env, certs *certificates, secret []byte) (id api.Identity, err error) {
	o, p := s.options, s.options.Identity
	if p.RatePerSecond > 0 {
		id.Rates = identity.NewRates(identity.RatesConfig{PerSecond: p.RatePerSecond, Burst: p.RateBurst, Now: env.Now})
	}
	if o.TLS.ClientCA != "" {
		id.Certificates, id.Member, id.Trusted = true, certs.ofPeer, certs.ofClient
	}
	id.Sessions, err = identity.NewSessions(identity.SessionsConfig{
		Secret: secret, Lifetime: p.Session, Now: env.Now, Random: rand.Reader, Log: env.Log,
		KnownGroup: func(name string) bool { return knownGroup(s.node.State(), name) },
	})
	if err != nil || p.Issuer == "" {
		return id, err
	}
	clientSecret, err := p.secret()
	if err != nil {
		return id, err
	}
	id.Issuer, err = identity.NewIssuer(identity.OIDCConfig{
		Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: clientSecret, DeviceClientID: p.DeviceClientID, RedirectURL: p.RedirectURL,
		Scopes: p.Scopes, NameClaim: p.NameClaim, NamePrefix: p.NamePrefix, GroupsClaim: p.GroupsClaim, Audiences: p.Audiences,
		Now: env.Now, Random: rand.Reader, Log: env.Log,
	})
	if err != nil {
		return id, fmt.Errorf("--oidc-issuer: %w", err)
	}
	id.Login, err = identity.NewLogin(identity.LoginConfig{Issuer: id.Issuer, Sessions: id.Sessions, Secret: secret})
	if err != nil {
		return id, fmt.Errorf("--oidc-redirect-url: %w", err)
	}
	return id, nil
}

// knownGroup reports whether any namespace gives a group a role.
func knownGroup(book events.RoleBook, name string) bool {
	for _, roles := range book.RolesWithin(events.Root) {
		for _, g := range roles.Grants {
			if g.Group == name {
				return true
			}
		}
	}
	return false
}
