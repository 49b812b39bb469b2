package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"confman/events"
)

// newKeys is the issuer's key set. go-oidc fetches it anew when a token names a
// key that is not in it, which anybody can make it do, so fetches are paced.
func newKeys(c OIDCConfig, url string) oidc.KeySet {
	client := *c.HTTPClient
	client.Transport = &paced{next: client.Transport, now: c.Now}
	return oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), &client), url)
}

const maxKeysBytes = 1 << 20

// paced repeats the last answer, or failure, to whoever asks again too soon. It
// has no lock because go-oidc fetches keys one request at a time.
type paced struct {
	next http.RoundTripper // nil: the default one
	now  func() time.Time

	asked  time.Time
	body   []byte
	failed error
}

// RoundTrip implements [http.RoundTripper]. Only 200 is not an error.
func (p *paced) RoundTrip(r *http.Request) (*http.Response, error) {
	if now := p.now(); p.asked.IsZero() || now.Sub(p.asked) >= keysInterval {
		p.asked = now
		p.body, p.failed = p.fetch(r)
	}
	if p.failed != nil {
		return nil, p.failed
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(bytes.NewReader(p.body)),
	}, nil
}

func (p *paced) fetch(r *http.Request) ([]byte, error) {
	next := p.next
	if next == nil {
		next = http.DefaultTransport
	}
	answer, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	return io.ReadAll(io.LimitReader(answer.Body, maxKeysBytes))
}

// signature checks the signature of one token and remembers what was wrong with
// it, which go-oidc flattens into text.
type signature struct {
	keys    oidc.KeySet
	checked bool
	err     error
}

// VerifySignature implements [oidc.KeySet].
func (s *signature) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := s.keys.VerifySignature(ctx, token)
	s.checked, s.err = true, err
	return payload, err
}

// blame makes the error of go-oidc's verifier one of ours.
func (s *signature) blame(issuer string, err error) error {
	switch {
	case !s.checked:
		return fmt.Errorf("%w: the token is malformed or not signed with RSA, ECDSA or Ed25519", ErrUnauthenticated)
	case s.err == nil: // what the issuer signed is not right
		return fmt.Errorf("%w: the token is not by %s or has malformed claims", ErrUnauthenticated, issuer)
	case errors.Is(s.err, context.Canceled), errors.Is(s.err, context.DeadlineExceeded):
		return fmt.Errorf("wait for the keys of %s: %w: %w", issuer, events.ErrUnavailable, s.err)
	case errors.Unwrap(s.err) != nil: // go-oidc wraps what kept it from the keys, and nothing else
		return fmt.Errorf("the keys of %s cannot be fetched: %w", issuer, events.ErrUnavailable)
	}
	return fmt.Errorf("%w: the token is not signed with a key that %s publishes", ErrUnauthenticated, issuer)
}
