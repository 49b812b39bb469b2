package identity

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"confman/events"
)

// LoginConfig is what a [Login] needs: all of it.
type LoginConfig struct {
	Issuer   *Issuer
	Sessions *Sessions // that it begins
	// Secret is that of the sessions.
	Secret []byte
}

// loginTime is for a person at the issuer's login page.
const loginTime = 10 * time.Minute

// Login signs browsers in. The server mounts
//
//	GET  /auth/login     [Login.Begin]
//	GET  /auth/callback  [Login.Finish]
//	GET  /auth/config    [Login.Describe]
//
// Each writes the whole answer, or else returns an error having set headers at
// most.
type Login struct {
	issuer   *Issuer
	sessions *Sessions
	logins   sealer
}

// NewLogin checks the configuration, and tells the sessions how browsers that log in
// reach the cluster; they are not used before. It does not talk to the issuer.
func NewLogin(c LoginConfig) (*Login, error) {
	if c.Issuer == nil || c.Sessions == nil {
		return nil, errors.New("configure logins: no issuer, or no sessions")
	}
	l := &Login{issuer: c.Issuer, sessions: c.Sessions}
	var bad [2]error
	l.sessions.configured, bad[0] = configuredOrigin(c.Issuer.config.RedirectURL)
	l.logins, bad[1] = newSealer(c.Secret, "confman login 1", c.Issuer.config.Random)
	if err := errors.Join(bad[:]...); err != nil {
		return nil, fmt.Errorf("configure logins: %w", err)
	}
	if u, err := url.Parse(l.sessions.configured.redirect); err == nil && u.Host != "" {
		if err := l.sessions.protection.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, fmt.Errorf("configure logins: %w", err)
		}
	}
	return l, nil
}

func (l *Login) now() time.Time { return l.issuer.config.Now() }

// begun is a login that the browser was sent away with; it comes back in a cookie.
type begun struct {
	State    string `json:"state"`    // names the login to the callback
	Nonce    string `json:"nonce"`    // ties the token to the login
	Verifier string `json:"verifier"` // proves who began it (PKCE, RFC 7636)
	Redirect string `json:"redirect"`
	Return   string `json:"return"`
	Expires  int64  `json:"expires"` // Unix seconds
}

// Begin sends the browser to the issuer. The query's return is the path to come
// back to; only one of ours is taken ([events.ErrInvalid]).
func (l *Login) Begin(w http.ResponseWriter, r *http.Request) error {
	back, err := localPath(r.URL.Query().Get("return"))
	if err != nil {
		return err
	}
	at, err := l.reached(r)
	if err != nil {
		return err
	}
	from, err := l.issuer.discover(r.Context())
	if err != nil {
		return err
	}
	secrets := make([]byte, 3*32)
	if _, err := io.ReadFull(l.issuer.config.Random, secrets); err != nil {
		return fmt.Errorf("begin a login: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString
	b := begun{
		State: text(secrets[:32]), Nonce: text(secrets[32:64]), Verifier: text(secrets[64:]),
		Redirect: at.redirect, Return: back, Expires: l.now().Add(loginTime).Unix(),
	}
	sealed, err := l.logins.seal(b)
	if err != nil {
		return fmt.Errorf("begin a login: %w", err)
	}
	http.SetCookie(w, newCookie(loginCookie, sealed, loginTime, at.secure))
	to := l.oauth(from, at.redirect).AuthCodeURL(b.State, oidc.Nonce(b.Nonce), oauth2.S256ChallengeOption(b.Verifier))
	send(w, http.StatusFound, to)
	return nil
}

// Finish takes the browser back from the issuer, sets the session cookie and sends
// it on to the path that it came from.
func (l *Login) Finish(w http.ResponseWriter, r *http.Request) error {
	at, err := l.reached(r)
	if err != nil {
		return err
	}
	b, err := l.resume(r, at)
	if err != nil {
		return err
	}
	http.SetCookie(w, newCookie(loginCookie, "", -time.Second, at.secure)) // one attempt each
	q := r.URL.Query()
	if iss := q.Get("iss"); iss != "" && iss != l.issuer.config.Issuer { // RFC 9207
		return fmt.Errorf("%w: the answer is of another issuer", ErrUnauthenticated)
	}
	if refusal := q.Get("error"); refusal != "" {
		return fmt.Errorf("%w: the issuer did not let you in: %.60q", ErrUnauthenticated, refusal)
	}
	who, err := l.redeem(r, b, q.Get("code"))
	if err != nil {
		return err
	}
	cookie, s, err := l.sessions.begin(who, at.secure)
	if err != nil {
		return err
	}
	l.issuer.config.Log.Info().Str("principal", s.Name).Str("session", s.ID).Int("groups", len(s.Groups)).Msg("logged in")
	http.SetCookie(w, cookie)
	send(w, http.StatusSeeOther, b.Return)
	return nil
}

// resume finds the login that a browser comes back from.
func (l *Login) resume(r *http.Request, at origin) (b begun, err error) {
	again := &events.Refusal{Kind: events.ErrInvalid, Detail: "this login was not begun in this browser, or is over, or took longer than " + loginTime.String() + ": begin again"}
	cookies := r.CookiesNamed(cookieName(loginCookie, at.secure))
	if len(cookies) == 0 {
		return b, again
	}
	if err := l.logins.open(cookies[0].Value, &b); errors.Is(err, errSeal) {
		return b, again
	} else if err != nil {
		return b, err
	}
	if !same(r.URL.Query().Get("state"), b.State) || l.now().Unix() >= b.Expires {
		return b, again
	}
	return b, nil
}

// redeem gets the token for a code, and checks it (OpenID Connect Core, 3.1.3.7).
func (l *Login) redeem(r *http.Request, b begun, code string) (who Identity, err error) {
	from, err := l.issuer.discover(r.Context())
	if err != nil {
		return who, err
	}
	ctx := oidc.ClientContext(r.Context(), l.issuer.config.HTTPClient)
	token, err := l.oauth(from, b.Redirect).Exchange(ctx, code, oauth2.VerifierOption(b.Verifier))
	if err != nil {
		return who, l.notRedeemed(err)
	}
	raw, _ := token.Extra("id_token").(string)
	c, err := l.issuer.verify(ctx, raw)
	if err != nil {
		return who, err
	}
	var party string
	if said, ok := c.all["azp"]; ok && json.Unmarshal(said, &party) != nil {
		party = "?"
	}
	client := l.issuer.config.ClientID
	switch {
	case !c.meantFor(client), party != "" && party != client:
		return who, fmt.Errorf("%w: the token is not meant for %s", ErrUnauthenticated, client)
	case !same(c.Nonce, b.Nonce):
		return who, fmt.Errorf("%w: the token is of another login", ErrUnauthenticated)
	}
	return l.issuer.identify(c)
}

func (l *Login) notRedeemed(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response.StatusCode < http.StatusInternalServerError {
		l.issuer.config.Log.Warn().Str("error", refused.ErrorCode).Msgf("login refused by the issuer: %.200s", refused.ErrorDescription)
		return fmt.Errorf("%w: the issuer refused the login: %.60q", ErrUnauthenticated, refused.ErrorCode)
	}
	l.issuer.config.Log.Warn().Msgf("login not finished by the issuer: %.300s", err.Error())
	return fmt.Errorf("finish the login at %s: %w", l.issuer.config.Issuer, events.ErrUnavailable)
}

// oauth is this client as the issuer knows it.
func (l *Login) oauth(from *provider, redirect string) *oauth2.Config {
	c := l.issuer.config
	endpoint := from.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams
	if c.ClientSecret != "" && from.takesBasic() {
		endpoint.AuthStyle = oauth2.AuthStyleInHeader
	}
	return &oauth2.Config{ClientID: c.ClientID, ClientSecret: c.ClientSecret, Endpoint: endpoint, RedirectURL: redirect, Scopes: c.Scopes}
}

// takesBasic reports whether clients name themselves in the Authorization header:
// the default (OpenID Connect Discovery, 3).
func (p *provider) takesBasic() bool {
	var said struct {
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	return p.Claims(&said) != nil || len(said.Methods) == 0 || slices.Contains(said.Methods, "client_secret_basic")
}

// send redirects the browser; the URL that it was at, which may hold a code, stays
// between us.
func send(w http.ResponseWriter, status int, to string) {
	h := w.Header()
	h.Set("Location", to)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
