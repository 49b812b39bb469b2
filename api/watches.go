package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"confman/api/wire"
	"confman/events"
	"confman/streaming"
)

// refuseKeysInURL refuses an API key in the query: URLs end up in logs, in
// histories and with whoever a page links to.
func (x *exchange) refuseKeysInURL() error {
	for name := range x.query {
		switch strings.ToLower(strings.Trim(name, "_-")) {
		case "api_key", "apikey", "api-key", "x-api-key", "token", "access_token", "authorization":
			return badParam(name, "looks like an API key, and those never go into a URL: send X-Api-Key or, where that cannot be, a ticket of POST /api/v1/watch/tickets; revoke the key if it was one")
		}
	}
	return nil
}

// takeTicket opens the ticket that the request bears instead of an API key.
func (x *exchange) takeTicket() error {
	if h := x.r.Header; len(h["X-Api-Key"])+len(h["Authorization"]) > 0 {
		return badParam(wire.ParamTicket, "stands beside an API key; give one of them")
	}
	t, err := x.tickets.open(x.query.Get(wire.ParamTicket), x.Now())
	if err != nil {
		return err
	}
	x.ticket = &t
	return nil
}

// createTicket answers POST /api/v1/watch/tickets. Any node makes one; none
// keeps it.
func (x *exchange) createTicket() error {
	if x.apiKey.ID == "" {
		return &events.Refusal{Kind: events.ErrForbidden, Detail: "a ticket lends an API key, and you have none; a session opens watches by its cookie"}
	}
	var asked wire.NewTicket
	if err := x.decodeOptional(&asked); err != nil {
		return err
	}
	f, err := x.filter(queryOf(asked.Namespace, asked.Key, asked.Prefix, asked.Events, asked.Values))
	if err != nil {
		return err
	}
	expires := earlier(x.Now().Add(x.Limits.Ticket), x.apiKey.ExpiresAt).UTC().Truncate(time.Second)
	if x.session != nil {
		expires = earlier(expires, x.session.Expires)
	}
	sealed, err := x.tickets.seal(ticket{keyID: x.apiKey.ID, expires: expires, filter: f})
	if err != nil {
		return err
	}
	x.set("Cache-Control", "no-store")
	return x.sendJSON(http.StatusCreated, wire.Ticket{
		Ticket: sealed, ExpiresAt: expires, URL: watchPath + "?" + wire.ParamTicket + "=" + sealed,
	})
}

// listWatches answers GET /api/v1/watches: those of this node whose namespaces
// the caller administers, by the age of their connections. The mark of a page is
// its last row's place in that order.
func (x *exchange) listWatches() error {
	p, err := x.page(maxRows)
	if err != nil {
		return err
	}
	page, last := []wire.Watching{}, ""
	for _, w := range x.streams.List() {
		number, _, _ := strings.Cut(w.ID, "/")
		mark := strings.Repeat("0", 20-len(number)) + w.ID
		if mark <= p.after || !x.administersAll(w.Filter.Namespaces) {
			continue
		}
		if len(page) == p.limit {
			x.next(p, last)
			break
		}
		last = mark
		page = append(page, x.wireWatching(w))
	}
	return x.sendJSON(http.StatusOK, page)
}

// administersAll reports whether the caller is admin of all namespaces that a
// watch is about; none are all there are.
func (x *exchange) administersAll(namespaces []string) bool {
	if len(namespaces) == 0 {
		namespaces = []string{events.Root}
	}
	return !slices.ContainsFunc(namespaces, func(n string) bool { return !x.principal.Can(events.Admin, n, "") })
}

// WatchStats counts what this node's watches do and did.
func (s *Server) WatchStats() streaming.Stats { return s.streams.Stats() }

func (x *exchange) wireWatching(w streaming.Watching) wire.Watching {
	kinds := w.Filter.Events
	if kinds == "" {
		kinds = wire.EventsConfig
	}
	return wire.Watching{
		ID: w.ID, Node: x.NodeID, Principal: w.Caller.Principal, KeyID: w.Caller.KeyID, Remote: w.Caller.Remote,
		Encoding: w.Encoding, Namespaces: append([]string{}, w.Filter.Namespaces...), Key: w.Filter.Key, Prefix: w.Filter.Prefix,
		Events: kinds, Since: w.Since.UTC(), Index: w.Index, Lag: w.Lag, Delivered: w.Delivered,
	}
}
