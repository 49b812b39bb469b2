package api

import (
	"mime"
	"net"
	"slices"
	"strconv"
	"strings"

	"confman/events"
)

// Headers that scripts of other origins may read and send.
const (
	exposedHeaders = "ETag, Link, Location, Allow, Retry-After, Idempotent-Replayed, X-Correlation-Id, " +
		"X-Confman-Index, X-Confman-Position, X-Confman-Stale-Ms, X-Confman-Leader-Known, X-Confman-Oldest, X-Confman-Node, X-Confman-Denied-Lost, X-Confman-Silent"
	sentHeaders = "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, " +
		"X-Api-Key, X-Correlation-Id, X-Confman-Min-Index, Traceparent"
)

// allowOrigin lets scripts of a configured origin read the answer (Fetch
// standard, CORS protocol). Credentials are keys in headers, never cookies.
func (x *exchange) allowOrigin() {
	if len(x.Web.CORSOrigins) == 0 {
		return
	}
	x.w.Header().Add("Vary", "Origin")
	origin := x.r.Header.Get("Origin")
	if origin == "" || !x.allowsOrigin(origin) {
		return
	}
	h := x.w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", exposedHeaders)
}

// allowsOrigin reports whether scripts of an origin may read.
func (s *Server) allowsOrigin(origin string) bool {
	return slices.Contains(s.Web.CORSOrigins, origin) || slices.Contains(s.Web.CORSOrigins, "*")
}

// options answers OPTIONS: what the resource takes and, to a preflight of an
// allowed origin, what it may send.
func (x *exchange) options(found *resource) error {
	h := x.w.Header()
	h.Set("Allow", found.allow)
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", found.allow)
		h.Set("Access-Control-Allow-Headers", sentHeaders)
		h.Set("Access-Control-Max-Age", "600")
	}
	return x.noContent()
}

// checkHost refuses a request for data that was addressed to a host name that
// is not ours: a page whose name was made to resolve to this node could
// otherwise ask as if it were of the same origin.
func (x *exchange) checkHost() error {
	if len(x.Web.AllowedHosts) == 0 {
		return nil
	}
	host := x.r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	for _, allowed := range x.Web.AllowedHosts {
		if strings.EqualFold(host, allowed) {
			return nil
		}
	}
	return &events.Refusal{Kind: events.ErrForbidden, Detail: "this node does not answer under the host name " + strconv.Quote(host)}
}

// prefers is the media type, among those offered, that the caller likes best
// (RFC 9110, 12.5.1); the first when it likes none of them.
func (x *exchange) prefers(offered ...string) string {
	accept := x.r.Header["Accept"]
	if len(accept) == 0 || len(accept) == 1 && (accept[0] == "*/*" || accept[0] == offered[0]) {
		return offered[0]
	}
	best, most := offered[0], 0.0
	for _, candidate := range offered {
		if q := quality(accept, candidate); q > most {
			best, most = candidate, q
		}
	}
	return best
}

// quality is how much the caller likes a media type, from 0 to 1; the most
// specific range that covers it counts.
func quality(accept []string, candidate string) (q float64) {
	specific := 0
	main, _, _ := strings.Cut(candidate, "/")
	for _, header := range accept {
		for part := range strings.SplitSeq(header, ",") {
			media, params, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			at := map[string]int{candidate: 3, main + "/*": 2, "*/*": 1}[media]
			if at <= specific {
				continue
			}
			specific, q = at, 1
			if given, ok := params["q"]; ok {
				if q, err = strconv.ParseFloat(given, 64); err != nil {
					q = 0
				}
			}
		}
	}
	return q
}
