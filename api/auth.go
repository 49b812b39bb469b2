package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"confman/api/identity"
	"confman/api/wire"
	"confman/events"
)

// bearer is who asks, as the request says and as it was found out.
type bearer struct {
	credential string // the API key as sent
	apiKey     events.APIKey
	ticket     *ticket            // that stands in for the API key, if one does; or
	token      string             // of the issuer, as sent
	session    *identity.Identity // that does, if its cookie was sent
	identity   *identity.Identity // who bears neither
	principal  events.Principal
}

// credentials reads what the request bears: an API key or a token, or a ticket
// that stands in for a key, or else the cookie of a session, or else the
// certificate of the connection.
func (x *exchange) credentials() error {
	if x.endpoint.access == watcher {
		if err := x.refuseKeysInURL(); err != nil {
			return err
		}
		if x.query.Has(wire.ParamTicket) {
			return x.takeTicket()
		}
	}
	h := x.r.Header
	key := h["X-Api-Key"]
	if bearer := h["Authorization"]; len(bearer) > 0 {
		scheme, token, _ := strings.Cut(bearer[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return fmt.Errorf("%w: Authorization is not Bearer", errUnauthenticated)
		}
		key = append([]string{strings.TrimSpace(token)}, key...)
	}
	if len(key) == 0 || key[0] == "" {
		return x.withoutKey()
	}
	for _, other := range key[1:] {
		if other != key[0] {
			return &events.Refusal{Kind: events.ErrInvalid, Detail: "the request bears two different API keys; give one"}
		}
	}
	if x.Identity.Issuer != nil && identity.LooksLikeToken(key[0]) {
		x.token = key[0]
		return nil
	}
	x.credential = key[0]
	return nil
}

// errNoCredentials says that the request bears nothing that names anybody.
var errNoCredentials = fmt.Errorf("%w: give an API key as X-Api-Key or as Authorization: Bearer", errUnauthenticated)

// withoutKey looks for who asks without a key or token.
func (x *exchange) withoutKey() error {
	who, found, err := x.Identity.Sessions.Session(x.r)
	if found && err == nil {
		err = x.Identity.Sessions.CheckOrigin(x.r)
	}
	if found || err != nil {
		x.takeSession(&who)
		return err
	}
	if x.Identity.Certificates {
		who, found, err := identity.FromTLS(x.r.TLS, x.Identity.Member)
		if found || err != nil {
			if trusted, state := x.Identity.Trusted, x.r.TLS; trusted != nil {
				who.Stands = func() bool { return trusted(state) }
			}
			x.identity = &who
			return err
		}
	}
	return errNoCredentials
}

// errUnknownKey says that this node's state does not have the key.
var errUnknownKey = fmt.Errorf("%w: the API key is not known here", errUnauthenticated)

// authenticate finds out who bears the key. That a key is not known is a read of
// the present, which a node that has just started, or just been elected, may not
// have reached: before the caller hears so, the state is that of the index that
// the request asks for, or else confirmed.
func (x *exchange) authenticate() error {
	if x.token != "" {
		who, err := x.Identity.Issuer.Verify(x.r.Context(), x.token)
		if err != nil {
			return err
		}
		x.identity = &who
	}
	err := x.identify()
	if errors.Is(err, errUnknownKey) {
		err = x.identifyLater()
	}
	if err != nil {
		return err
	}
	x.noteKey()
	return x.admit()
}

// identifyLater is identify once this node has reached what the caller may know
// of.
func (x *exchange) identifyLater() error {
	wait, bad := x.wait()
	if bad != nil {
		wait = defaultWait
	}
	done, err := x.idle()
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := x.within(wait)
	defer cancel()
	if least, bad := x.least(); bad == nil && least.Index > x.Reader.State().Index() {
		if behind := x.await(ctx, least.Index); behind != nil {
			return fmt.Errorf("whether the API key exists cannot be told: %w", behind)
		}
	} else if unsure := x.Reader.Linearizable(ctx); unsure != nil {
		return fmt.Errorf("whether the API key exists cannot be told: %w", unsure)
	}
	return x.identify()
}

// identify looks up in the present who asks.
func (x *exchange) identify() error {
	if who := cmp.Or(x.identity, x.session); who != nil {
		if reason, detail := over(who, x.Now()); reason != "" {
			return fmt.Errorf("%w: %s", errUnauthenticated, detail)
		}
	}
	if x.identity != nil {
		x.principal = events.Principal{Name: x.identity.Name, Groups: x.identity.Groups, Book: x.Reader.State()}
		return nil
	}
	k, ok := x.lookUpKey()
	switch {
	case ok && k.Usable(x.Now()):
		x.apiKey, x.principal = k, k.Bearer(x.Reader.State())
		return nil
	case ok && k.Revoked():
		return fmt.Errorf("%w: API key %s was revoked at %s", errUnauthenticated, k.ID, k.RevokedAt.UTC().Format(time.RFC3339))
	case ok:
		return fmt.Errorf("%w: API key %s expired at %s", errUnauthenticated, k.ID, k.ExpiresAt.UTC().Format(time.RFC3339))
	case mistyped(x.credential):
		return fmt.Errorf("%w: the API key is mistyped or cut off: its checksum does not match", errUnauthenticated)
	}
	return errUnknownKey
}

// lookUpKey is the API key that the request bears, or that its ticket or session
// stands for.
func (x *exchange) lookUpKey() (events.APIKey, bool) {
	var id string
	switch {
	case x.ticket != nil:
		id = x.ticket.keyID
	case x.session != nil:
		id = x.session.KeyID
	default:
		return x.Reader.State().APIKeyByDigest(events.DigestKey(x.credential))
	}
	k := x.Reader.State().APIKey(id)
	return k, k.Revision != 0
}

// admit takes the request out of the principal's rate.
func (x *exchange) admit() error {
	if x.Identity.Rates == nil || x.endpoint.unlimited() {
		return nil
	}
	if after, ok := x.Identity.Rates.Allow(x.principal.Name); !ok {
		return &rateError{after}
	}
	return nil
}

// rateError says that a principal asked too often.
type rateError struct{ after time.Duration }

func (e *rateError) Error() string {
	return fmt.Sprintf("%v: you asked more often than this node answers one principal (--rate-per-second); try again in %s", errBusy, e.after.Round(time.Millisecond))
}

func (e *rateError) Unwrap() error { return errBusy }

// still checks after a wait that the caller may still do what it asked for.
func (x *exchange) still() error {
	if err := x.identify(); err != nil {
		return err
	}
	return x.authorize()
}

// await is Reader.Await, whose end by deadline is always [events.ErrBehind].
func (s *Server) await(ctx context.Context, index uint64) error {
	err := s.Reader.Await(ctx, index)
	if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, events.ErrBehind) {
		return fmt.Errorf("event %d, this node stands at %d: %w", index, s.Reader.State().Index(), events.ErrBehind)
	}
	return err
}
