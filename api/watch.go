package api

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"confman/api/wire"
	"confman/events"
	"confman/streaming"
)

const watchPath = "/api/v1/watch"

// watch answers GET /api/v1/watch: one route, three encodings.
func (x *exchange) watch() error {
	encoding, err := x.encoding()
	if err != nil {
		return err
	}
	subscription, err := x.subscription(encoding)
	if err != nil {
		return err
	}
	conn, err := x.connect(encoding)
	if err != nil {
		return err
	}
	if encoding != streaming.WebSocket || x.opensWatch() {
		err := conn.Watch(x.r.Context(), subscription)
		if err == nil {
			err = x.still() // it may have waited
		}
		if err != nil {
			conn.Close()
			return err
		}
	}
	return x.stream(conn, encoding)
}

// stream begins the answer and serves it to its end; a WebSocket goes on without
// the request.
func (x *exchange) stream(conn *streaming.Connection, encoding string) error {
	if x.r.Method == http.MethodHead {
		conn.Close()
		return x.send(http.StatusOK, mediaOf(encoding), nil)
	}
	x.provenance()
	x.opened = x.Now()
	log := x.Log.With().Str("correlationId", x.correlation).Str("principal", x.principal.Name).Str("encoding", encoding).Logger()
	denied := x.deniedStream()
	ended := func(why *streaming.End) {
		denied.ended(why)
		log.Debug().Str("reason", why.Reason).Str("detail", why.Detail).Msg("watch connection ended")
	}
	switch w := (&recorder{x.w, x}); encoding {
	case streaming.WebSocket:
		x.code = http.StatusSwitchingProtocols // unless the recorder hears otherwise
		asking := &exchange{Server: x.Server, bearer: bearer{ticket: x.ticket, principal: x.principal}, query: url.Values{wire.ParamWait: x.query[wire.ParamWait]}}
		decode := func(message []byte) (streaming.Op, error) {
			op, err := asking.decodeOp(message)
			denied.refused(err)
			return op, err
		}
		conn.ServeWebSocket(w, x.r, streaming.WebSocketOptions{Origins: x.Web.CORSOrigins, Decode: decode, Ended: ended})
	case streaming.NDJSON:
		ended(conn.ServeNDJSON(w, x.r))
	default:
		ended(conn.ServeSSE(w, x.r))
	}
	return nil
}

func mediaOf(encoding string) string {
	if encoding == streaming.NDJSON {
		return wire.MediaNDJSON
	}
	return wire.MediaSSE
}

// encoding is the one that the caller asks for.
func (x *exchange) encoding() (string, error) {
	if x.r.Method == http.MethodGet && strings.EqualFold(x.r.Header.Get("Upgrade"), "websocket") {
		return streaming.WebSocket, x.checkOrigin()
	}
	if x.prefers(wire.MediaSSE, wire.MediaNDJSON) == wire.MediaNDJSON {
		return streaming.NDJSON, nil
	}
	return streaming.SSE, nil
}

// checkOrigin refuses a WebSocket to scripts of origins that may not read: the
// browser asks nobody before it connects (RFC 6455, 10.2).
func (x *exchange) checkOrigin() error {
	origin := x.r.Header.Get("Origin")
	if origin == "" || x.allowsOrigin(origin) {
		return nil
	}
	if u, err := url.Parse(origin); err == nil && strings.EqualFold(u.Host, x.r.Host) {
		return nil
	}
	return &events.Refusal{Kind: events.ErrForbidden, Detail: fmt.Sprintf("scripts of %.80q may not open WebSockets here; --cors-origin allows it", origin)}
}

// opensWatch reports whether a WebSocket's request opens its first watch.
func (x *exchange) opensWatch() bool {
	return x.ticket != nil || x.lastEventID() != "" || x.query.Has(wire.ParamAfter) || x.query.Has(wire.ParamWatch) ||
		slices.ContainsFunc(filterParams(), x.query.Has)
}

// subscription is the watch that the request is for.
func (x *exchange) subscription(encoding string) (s streaming.Subscription, err error) {
	if encoding == streaming.WebSocket {
		if s.ID = x.query.Get(wire.ParamWatch); s.ID != "" {
			if err := checkWatchID(s.ID); err != nil {
				return s, err
			}
		}
	}
	if s.Filter, err = x.filter(x.query); err != nil {
		return s, err
	}
	if s.Start, err = x.start(); err != nil {
		return s, err
	}
	s.Wait, err = x.wait()
	return s, err
}

// lastEventID is where a client of server-sent events was when it lost its
// connection.
func (x *exchange) lastEventID() string { return x.r.Header.Get("Last-Event-Id") }

// start is where the watch begins. Last-Event-ID wins over after: an EventSource
// connects again with the URL that it has.
func (x *exchange) start() (streaming.Start, error) {
	if last := x.lastEventID(); last != "" {
		start, err := streaming.ParseStart(last)
		if err != nil {
			return start, badHeader("Last-Event-ID", "is %.40q, which no watch has given out", last)
		}
		return start, nil
	}
	return streaming.ParseStart(x.query.Get(wire.ParamAfter))
}

// filter reads a filter and checks that the caller may have it: that of its
// ticket, or one in which it can see anything.
func (x *exchange) filter(query url.Values) (streaming.Filter, error) {
	f, err := parseFilter(query)
	if err != nil {
		return f, err
	}
	if x.ticket != nil {
		given, lent := formatFilter(f), formatFilter(x.ticket.filter)
		for _, name := range filterParams() {
			if query.Has(name) && !slices.Equal(given[name], lent[name]) {
				return f, &events.Refusal{Kind: events.ErrForbidden, Detail: fmt.Sprintf("the ticket is for another filter, with %s=%q; leave the filter out", name, strings.Join(lent[name], " "))}
			}
		}
		f = x.ticket.filter
	}
	for _, n := range f.Namespaces {
		if !x.principal.CanSeeWithin(n) {
			return f, lacks(x.principal, events.Viewer, n, "")
		}
	}
	return f, nil
}

// caller is whose watches these are.
func (x *exchange) caller() streaming.Caller {
	r := &rights{server: x.Server, keyID: x.apiKey.ID, identity: x.identity, session: x.session}
	if x.ticket != nil {
		r.ticket = x.ticket.expires
	}
	caller := streaming.Caller{Principal: x.principal.Name, KeyID: x.apiKey.ID, Remote: x.r.RemoteAddr, Rights: r}
	if x.bySession() {
		caller.Session = cmp.Or(x.session, x.identity).Session
	}
	return caller
}

// decodeOp reads a message of a WebSocket's client.
func (x *exchange) decodeOp(message []byte) (op streaming.Op, err error) {
	var m wire.WatchOp
	if err := unmarshal(message, &m); err != nil {
		return op, err
	}
	if err := checkWatchID(m.ID); err != nil {
		return op, err
	}
	s := &op.Subscription
	s.ID = m.ID
	switch m.Op {
	case wire.OpUnwatch:
		op.Unwatch = true
		return op, nil
	case wire.OpWatch:
	default:
		return op, events.Invalid("/op", "is %.40q, want %s or %s", m.Op, wire.OpWatch, wire.OpUnwatch)
	}
	if s.Filter, err = x.filter(queryOf(m.Namespace, m.Key, m.Prefix, m.Events, m.Values)); err != nil {
		return op, err
	}
	if s.Start, err = streaming.ParseStart(m.After); err != nil {
		return op, err
	}
	s.Wait, err = x.wait()
	return op, err
}

// checkWatchID judges the name of a watch on its connection.
func checkWatchID(id string) error {
	if len(id) < 1 || len(id) > 64 || !isPlain(id) {
		return events.Invalid("/id", "is %.80q, want 1 to 64 of A-Z a-z 0-9 . _ -", id)
	}
	return nil
}

// unauthenticated is the error of a caller whose rights ended a moment ago.
func unauthenticated(err error) error {
	var end *streaming.End
	if errors.As(err, &end) {
		return fmt.Errorf("%w: %s", errUnauthenticated, end.Detail)
	}
	return err
}
