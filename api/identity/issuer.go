package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/rs/zerolog"

	"confman/events"
)

// OIDCConfig says which issuer people come from. Zero values mean the documented
// defaults; Issuer and ClientID are required.
type OIDCConfig struct {
	Issuer   string // URL, to the byte what the issuer says of itself; https unless on loopback
	ClientID string
	// ClientSecret is empty for a public client; PKCE is used either way.
	ClientSecret string
	// DeviceClientID is the client that `confman login` is; default ClientID. A
	// client with a secret needs a public one beside it here.
	DeviceClientID string

	// RedirectURL is where the issuer sends browsers back to, the external URL of
	// /auth/callback. Default: that path at the host which the browser addressed,
	// which is right unless a proxy changes the host or ends TLS.
	RedirectURL string
	// Scopes are asked for beside "openid"; default profile and email. Issuers that
	// hand out groups often want "groups" as well; others refuse scopes they do not
	// know, so it is no default.
	Scopes []string

	// NameClaim is the claim that is a person's name; default "email". A token
	// without it is refused; no other claim stands in. An email that the issuer says
	// is not verified is refused; one that it says nothing about is taken, as
	// Kubernetes does: some issuers never say.
	NameClaim string
	// NamePrefix stands before every name. Default: none for the claim "email", and
	// "oidc:" for others, which people can often choose freely.
	NamePrefix string
	// GroupsClaim is a string or an array of strings; default "groups". A token
	// without it is of somebody in no group.
	GroupsClaim string
	// Audiences are those of the tokens that are taken, one of which must be the
	// token's; default ClientID and DeviceClientID.
	Audiences []string

	HTTPClient *http.Client // to the issuer; default one with a timeout of 5 s, which is also given to one without
	Now        func() time.Time
	Random     io.Reader // cryptographic; default crypto/rand
	Log        zerolog.Logger
}

// Times of the conversation with the issuer.
const (
	issuerTimeout = 5 * time.Second // of one request to it
	rediscovery   = time.Hour       // how long its endpoints and keys are taken for current
	firstRetry    = time.Second     // after a discovery that failed; doubles
	lastRetry     = time.Minute
	keysInterval  = 5 * time.Second // between two requests for its keys
)

const (
	emailClaim    = "email"
	defaultPrefix = "oidc:"
)

// complete checks a configuration and fills in the defaults.
func (c *OIDCConfig) complete() error {
	u, err := url.Parse(c.Issuer)
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("issuer %q is not a URL", c.Issuer)
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Host)):
		return fmt.Errorf("issuer %q is not https", c.Issuer)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fmt.Errorf("issuer %q has more than a host and a path", c.Issuer)
	case c.ClientID == "":
		return errors.New("client ID is missing")
	}
	if c.DeviceClientID == "" {
		c.DeviceClientID = c.ClientID
	}
	if len(c.Audiences) == 0 {
		c.Audiences = slices.Compact([]string{c.ClientID, c.DeviceClientID})
	}
	if len(c.Scopes) == 0 {
		c.Scopes = []string{"profile", "email"}
	}
	if !slices.Contains(c.Scopes, oidc.ScopeOpenID) {
		c.Scopes = append([]string{oidc.ScopeOpenID}, c.Scopes...)
	}
	c.completeClaims()
	c.completeMeans()
	return nil
}

func (c *OIDCConfig) completeClaims() {
	if c.NameClaim == "" {
		c.NameClaim = emailClaim
	}
	if c.NamePrefix == "" && c.NameClaim != emailClaim {
		c.NamePrefix = defaultPrefix
	}
	if c.GroupsClaim == "" {
		c.GroupsClaim = "groups"
	}
}

func (c *OIDCConfig) completeMeans() {
	client := http.Client{}
	if c.HTTPClient != nil {
		client = *c.HTTPClient
	}
	if client.Timeout == 0 {
		client.Timeout = issuerTimeout
	}
	c.HTTPClient = &client
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
}

// isLoopback reports whether a host, with or without a port, is this machine.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Issuer checks tokens. It asks the issuer for nothing before the first token or
// login, and again every hour, so a node starts while the issuer is down. It has
// no goroutines but those of go-oidc, which end with their request.
type Issuer struct {
	config OIDCConfig

	mu     sync.Mutex
	known  *provider     // nil before the first discovery that succeeded
	asking chan struct{} // closed when the discovery under way ends; nil: none is
	again  time.Time     // no discovery before
	retry  time.Duration // the wait after the last failure
}

// provider is what the issuer said of itself.
type provider struct {
	*oidc.Provider
	keys  oidc.KeySet
	asked time.Time
}

// NewIssuer checks the configuration. It does not talk to the issuer.
func NewIssuer(c OIDCConfig) (*Issuer, error) {
	if err := c.complete(); err != nil {
		return nil, fmt.Errorf("configure OIDC: %w", err)
	}
	return &Issuer{config: c}, nil
}

// discover is what is known of the issuer, asked anew if that is too long ago. One
// caller asks, the others wait for it. An answer that is too old is better than
// none; without any the error is [events.ErrUnavailable].
func (i *Issuer) discover(ctx context.Context) (*provider, error) {
	for {
		i.mu.Lock()
		now := i.config.Now()
		fresh := i.known != nil && now.Sub(i.known.asked) < rediscovery
		switch {
		case fresh, i.known != nil && (i.asking != nil || now.Before(i.again)):
			defer i.mu.Unlock()
			return i.known, nil
		case i.asking == nil && now.Before(i.again):
			defer i.mu.Unlock()
			return nil, fmt.Errorf("issuer %s did not answer: %w", i.config.Issuer, events.ErrUnavailable)
		case i.asking == nil:
			i.asking = make(chan struct{})
			i.mu.Unlock()
			i.settle(i.ask(ctx))
		default:
			asking := i.asking
			i.mu.Unlock()
			select {
			case <-asking:
			case <-ctx.Done():
				return nil, fmt.Errorf("wait for issuer %s: %w: %w", i.config.Issuer, events.ErrUnavailable, ctx.Err())
			}
		}
	}
}

// ask asks the issuer. It goes on when its caller leaves, for the others that
// wait, and ends with the client's timeout.
func (i *Issuer) ask(ctx context.Context) (*provider, error) {
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), i.config.HTTPClient)
	asked := i.config.Now()
	said, err := oidc.NewProvider(ctx, i.config.Issuer)
	if err != nil {
		return nil, err
	}
	var endpoints struct {
		Keys string `json:"jwks_uri"`
	}
	if err := said.Claims(&endpoints); err != nil {
		return nil, err
	}
	return &provider{said, newKeys(i.config, endpoints.Keys), asked}, nil
}

// settle records how a discovery ended.
func (i *Issuer) settle(said *provider, err error) {
	i.mu.Lock()
	close(i.asking)
	i.asking = nil
	if err == nil {
		i.known, i.retry = said, 0
	} else {
		i.retry = min(max(2*i.retry, firstRetry), lastRetry)
		i.again = i.config.Now().Add(i.retry)
	}
	i.mu.Unlock()
	if err != nil {
		i.config.Log.Warn().Str("issuer", i.config.Issuer).Msgf("issuer not discovered: %.300s", err.Error())
	}
}
