package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"confman/api/wire"
	"confman/events"
)

// credentials reads the API key that the request bears, or the ticket that stands
// in for it.
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
		return fmt.Errorf("%w: give an API key as X-Api-Key or as Authorization: Bearer", errUnauthenticated)
	}
	for _, other := range key[1:] {
		if other != key[0] {
			return events.Invalid("", "request bears two different API keys; give one")
		}
	}
	x.credential = key[0]
	return nil
}

// errUnknownKey says that this node's state does not have the key.
var errUnknownKey = fmt.Errorf("%w: the API key is not known here", errUnauthenticated)

// authenticate finds out who bears the key. That a key is not known is a read of
// the present, which a node that has just started, or just been elected, may not
// have reached: before the caller hears so, the state is that of the index that
// the request asks for, or else confirmed.
func (x *exchange) authenticate() error {
	err := x.identify()
	if !errors.Is(err, errUnknownKey) {
		return err
	}
	wait, bad := x.wait()
	if bad != nil {
		wait = defaultWait
	}
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

// identify looks the key up in the present.
func (x *exchange) identify() error {
	k, ok := x.lookUpKey()
	switch {
	case ok && k.Usable(x.Now()):
		x.apiKey, x.principal = k, principalOf(k)
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

// lookUpKey is the API key that the request bears or that lends its ticket.
func (x *exchange) lookUpKey() (events.APIKey, bool) {
	if x.ticket != nil {
		k := x.Reader.State().APIKey(x.ticket.keyID)
		return k, k.Revision != 0
	}
	return x.Reader.State().APIKeyByDigest(events.DigestKey(x.credential))
}

// principalOf is who bears an API key.
func principalOf(k events.APIKey) events.Principal {
	return events.Principal{Name: k.Principal, KeyID: k.ID, Grants: k.Grants}
}

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
