package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"confman/api/client"
)

const (
	renewBefore   = 30 * time.Second // a token expires: clocks differ, and requests take time
	issuerTimeout = 10 * time.Second // of one request to an issuer
)

// bearer sends requests with the token of a login, and renews that when it
// expires. It may be used by many goroutines at once.
type bearer struct {
	env  Env
	name string // that the login is kept under
	base *http.Transport

	mu      sync.Mutex
	session session
}

func newBearer(env Env, name string, s session) *bearer {
	return &bearer{env: env, name: name, session: s, base: http.DefaultTransport.(*http.Transport).Clone()}
}

// RoundTrip sends a request with the token. Where the client follows redirects,
// it does so to members only.
func (b *bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	token, err := b.token(request.Context())
	if err != nil {
		if request.Body != nil {
			_ = request.Body.Close() // as RoundTripper asks
		}
		return nil, err
	}
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+token)
	return b.base.RoundTrip(request)
}

// token is one that is still good, for a moment at least. An ExitError says that
// only another login helps, client.ErrUnavailable that the issuer did not answer.
func (b *bearer) token(ctx context.Context) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if !b.session.expired(now.Add(renewBefore)) || b.session.RefreshToken == "" && !b.session.expired(now) {
		return b.session.Token, nil
	}
	err := b.env.changeSessions(func(all map[string]session) error {
		kept, ok := all[b.name]
		switch {
		case ok && !kept.expired(now.Add(renewBefore)): // another process was first
		case !ok || kept.RefreshToken == "":
			return expiredLogin(fmt.Errorf("the login expired at %s by the clock of this machine", when(b.session.ExpiresAt)))
		default:
			if err := kept.renew(ctx); err != nil {
				return err
			}
			all[b.name] = kept
		}
		b.session = kept
		return nil
	})
	return b.session.Token, err
}

// renew trades the refresh token in (RFC 6749, 6).
func (s *session) renew(ctx context.Context) error {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, issuerClient())
	config := oauth2.Config{ClientID: s.ClientID, Endpoint: oauth2.Endpoint{TokenURL: s.TokenEndpoint, AuthStyle: oauth2.AuthStyleInParams}}
	token, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: s.RefreshToken}).Token()
	if err != nil {
		return aboutIssuer("renew the login", err)
	}
	s.take(token)
	return nil
}

// take keeps what an issuer gave. The token of a person is the ID token, where
// there is one: an access token may be opaque to everybody but the issuer.
func (s *session) take(token *oauth2.Token) {
	s.Token, s.ExpiresAt = token.AccessToken, token.Expiry
	if id, ok := token.Extra("id_token").(string); ok && id != "" {
		s.Token = id
	}
	if at := expiryOf(s.Token); !at.IsZero() {
		s.ExpiresAt = at
	}
	if token.RefreshToken != "" {
		s.RefreshToken = token.RefreshToken
	}
}

// expiryOf is the time that a JSON Web Token names (RFC 7519, 4.1.4); zero when
// it is none. Whether any of it is true is for the server to judge.
func expiryOf(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	var claims struct {
		Expires float64 `json:"exp"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Expires <= 0 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Expires), 0).UTC()
}

// issuerClient asks issuers. Its connections are not kept: there is little to ask.
func issuerClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	return &http.Client{Transport: transport, Timeout: issuerTimeout}
}

// aboutIssuer says what an issuer refused, or that it did not answer.
func aboutIssuer(what string, err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return fmt.Errorf("%s: %w: issuer: %w", what, client.ErrUnavailable, err)
	}
	if refused.ErrorCode == "" {
		return fmt.Errorf("%s: %w: issuer answered %s", what, client.ErrUnavailable, refused.Response.Status)
	}
	reason := refused.ErrorCode
	if refused.ErrorDescription != "" {
		reason += ": " + refused.ErrorDescription
	}
	return expiredLogin(fmt.Errorf("%s: the issuer refused: %s", what, visible(reason)))
}

// expiredLogin is an error after which only another login helps.
func expiredLogin(err error) error {
	return &ExitError{Code: ExitForbidden, Err: fmt.Errorf("%w; confman login", err)}
}
