package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"confman/api/wire"
	"confman/events"
)

// wireKey is an API key as it is shown: never with its secret.
func wireKey(k events.APIKey) wire.APIKey {
	return wire.APIKey{
		ID: k.ID, Name: k.Name, Principal: k.Principal, Grants: wireGrants(k.Grants), Roles: k.Roles,
		CreatedAt: k.CreatedAt.UTC(), CreatedBy: k.CreatedBy,
		ExpiresAt: unlessZero(k.ExpiresAt), RevokedAt: unlessZero(k.RevokedAt), RevokedBy: k.RevokedBy,
	}
}

func wireGrants(grants []events.Grant) []wire.Grant {
	shown := make([]wire.Grant, len(grants))
	for i, g := range grants {
		shown[i] = wire.Grant{Namespace: g.Namespace, Role: g.Role.String(), Keys: g.Keys}
	}
	return shown
}

func unlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// administers reports whether the caller is admin of all that the grants reach.
func administers(who events.Principal, grants []events.Grant) error {
	for _, g := range grants {
		if !who.Can(events.Admin, g.Namespace, "") {
			return lacks(who, events.Admin, g.Namespace, "")
		}
	}
	return nil
}

// overKey refuses a caller who is not admin of all that a key may do.
func (x *exchange) overKey(k events.APIKey) error {
	if k.Roles || len(k.Grants) == 0 {
		return x.need(events.Admin, events.Root, "")
	}
	return administers(x.principal, k.Grants)
}

// ownKey reports whether a key is the caller's to revoke: the one it came with, or
// one of the same principal that lends no more. Whoever logs in may end all theirs.
func (x *exchange) ownKey(k events.APIKey) bool {
	if k.Principal != x.principal.Name || x.identity != nil || k.ID == x.apiKey.ID {
		return k.Principal == x.principal.Name
	}
	return (!k.Roles || x.apiKey.Roles) && !slices.ContainsFunc(k.Grants, func(g events.Grant) bool {
		return !x.principal.Can(g.Role, g.Namespace, strings.TrimSuffix(g.Keys, "*"))
	})
}

// whoami answers GET /api/v1/whoami: the caller, with what its API key was granted
// and the roles that namespaces give it.
func (x *exchange) whoami() error {
	k := x.apiKey
	shown := wire.Principal{
		Principal: x.principal.Name, KeyID: k.ID, KeyName: k.Name, Groups: x.principal.Groups,
		Grants: wireGrants(k.Grants), ExpiresAt: unlessZero(k.ExpiresAt),
	}
	if x.identity != nil {
		shown.ExpiresAt = unlessZero(x.identity.Expires)
	}
	for path, g := range x.principal.Given(events.Root) {
		shown.Grants = append(shown.Grants, wire.Grant{Namespace: path, Role: g.Role.String(), Keys: g.Keys})
	}
	return x.sendJSON(http.StatusOK, shown)
}

// listKeys answers GET /api/v1/keys: the keys that the caller administers,
// revoked ones too, by ID. The mark of a page is its last ID.
func (x *exchange) listKeys() error {
	p, err := x.page(maxRows)
	if err != nil {
		return err
	}
	page := []wire.APIKey{}
	for k := range x.state.APIKeys(p.after) {
		if k.Principal != x.principal.Name && x.overKey(k) != nil {
			continue
		}
		if len(page) == p.limit {
			x.next(p, page[len(page)-1].ID)
			break
		}
		page = append(page, wireKey(k))
	}
	if err := x.addUses(page); err != nil {
		return err
	}
	return x.sendJSON(http.StatusOK, page)
}

// createKey answers POST /api/v1/keys. The secret is in this one answer only: a
// repeated request is told that it came too late for it.
func (x *exchange) createKey() error {
	c, err := x.newKey()
	if err != nil {
		return err
	}
	id, key := MintKey(x.Random)
	c.ID, c.Digest = id, events.DigestKey(key)
	done, err := x.submit(c)
	if err != nil {
		return err
	}
	if done.Replayed {
		return &events.Refusal{
			Kind:   events.ErrConflict,
			Detail: fmt.Sprintf("the key was created at event %d by the first request with this Idempotency-Key, and only its answer had the secret; if that is lost, revoke the key (GET /api/v1/keys has its ID) and create another", done.Index),
		}
	}
	shown := wireKey(x.Reader.State().APIKey(id))
	shown.Key = key
	x.set("Cache-Control", "no-store")
	x.set("Location", "/api/v1/keys/"+id)
	return x.sendJSON(http.StatusCreated, shown)
}

// newKey reads the request for a key and checks that the caller may make it.
func (x *exchange) newKey() (c events.CreateKey, err error) {
	var asked wire.NewKey
	if err := x.decode(&asked, smallBody); err != nil {
		return c, err
	}
	if err := x.refuseConditions(); err != nil {
		return c, err
	}
	c = events.CreateKey{Name: asked.Name, Principal: asked.Principal, By: x.principal}
	if asked.ExpiresAt != nil {
		c.ExpiresAt = asked.ExpiresAt.UTC()
		if !c.ExpiresAt.After(x.Now()) {
			return c, events.Invalid("/expiresAt", "is not in the future")
		}
	}
	for i, g := range asked.Grants {
		role, err := events.ParseRole(g.Role)
		if err != nil {
			return c, events.Invalid(fmt.Sprintf("/grants/%d/role", i), "%v", err)
		}
		if g.Namespace == "*" {
			g.Namespace = events.Root
		}
		c.Grants = append(c.Grants, events.Grant{Namespace: g.Namespace, Role: role, Keys: g.Keys})
	}
	if err := events.CheckGrants("/grants", c.Grants); err != nil {
		return c, err
	}
	return c, administers(x.principal, c.Grants)
}

// revokeKey answers DELETE /api/v1/keys/{id}.
func (x *exchange) revokeKey() error {
	if err := x.refuseConditions(); err != nil {
		return err
	}
	k := x.Reader.State().APIKey(x.names.id)
	if k.Revision == 0 {
		return &events.Refusal{Kind: events.ErrNotFound, Detail: "there is no API key with this ID"}
	}
	if err := x.overKey(k); err != nil && !x.ownKey(k) {
		return err
	}
	if _, err := x.submit(events.RevokeKey{ID: k.ID}); err != nil {
		return err
	}
	return x.noContent()
}
