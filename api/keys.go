package api

import (
	"fmt"
	"net/http"
	"time"

	"confman/api/wire"
	"confman/events"
)

// wireKey is an API key as it is shown: never with its secret.
func wireKey(k events.APIKey) wire.APIKey {
	return wire.APIKey{
		ID: k.ID, Name: k.Name, Principal: k.Principal, Grants: wireGrants(k.Grants),
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

// whoami answers GET /api/v1/whoami.
func (x *exchange) whoami() error {
	k := x.apiKey
	return x.sendJSON(http.StatusOK, wire.Principal{
		Principal: k.Principal, KeyID: k.ID, KeyName: k.Name, Grants: wireGrants(k.Grants), ExpiresAt: unlessZero(k.ExpiresAt),
	})
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
		if administers(x.principal, k.Grants) != nil {
			continue
		}
		if len(page) == p.limit {
			x.next(p, page[len(page)-1].ID)
			break
		}
		page = append(page, wireKey(k))
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
	c = events.CreateKey{Name: asked.Name, Principal: asked.Principal}
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
	if err := administers(x.principal, k.Grants); err != nil {
		return err
	}
	if _, err := x.submit(events.RevokeKey{ID: k.ID}); err != nil {
		return err
	}
	return x.noContent()
}
