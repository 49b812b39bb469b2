package peer

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Path is where the Transport is mounted, on the listener that serves the API.
const Path = "/internal/v1/raft"

const (
	protocol      = "confman-raft/1"
	headerToken   = "X-Cluster-Token"
	headerNode    = "X-Confman-Node" // who dials
	headerTo      = "X-Confman-To"   // who is meant
	headerCluster = "X-Confman-Cluster"
	headerAddress = "X-Confman-Address" // of who dials

	problemType = "application/problem+json"
	accepted    = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n"
)

// refusal is why a peer may not come in: a problem document (RFC 9457).
type refusal struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// ServeHTTP upgrades a request of a peer to a stream and gives it to Raft. It
// refuses with 401 a wrong token or a missing certificate, with 409 a peer of
// another cluster or one that means another node, with 426 what is no upgrade, and
// with 503 what is too much.
func (t *Transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	no := t.admit(r)
	if no == nil {
		if err := t.streams.reserve(); err != nil {
			no = refuse(http.StatusServiceUnavailable, "%s has %d inbound Raft connections at most: %v", t.cfg.ID, t.cfg.MaxConns, err)
		}
	}
	if no != nil {
		line := t.cfg.Log.Debug()
		if no.Status == http.StatusConflict && t.strangers.first(no.Detail) { // it has the cluster token
			line = t.cfg.Log.Warn()
		}
		line.Str("remote", r.RemoteAddr).Str("detail", no.Detail).Msg("raft connection refused")
		no.write(w)
		return
	}
	if err := t.streams.serve(w); err != nil {
		t.cfg.Log.Warn().Err(err).Str("remote", r.RemoteAddr).Msg("raft connection failed to start")
	}
}

// admit returns why the request is not that of a peer, nil when it is.
func (t *Transport) admit(r *http.Request) *refusal {
	from, to, cluster, mine := r.Header.Get(headerNode), r.Header.Get(headerTo), r.Header.Get(headerCluster), t.cfg.Cluster()
	switch {
	case !equal(r.Header.Get(headerToken), t.cfg.Token):
		return refuse(http.StatusUnauthorized, "the cluster token is not that of %s", t.cfg.ID)
	case t.cfg.RequirePeerCertificate && (r.TLS == nil || len(r.TLS.VerifiedChains) == 0):
		return refuse(http.StatusUnauthorized, "%s requires a client certificate of the cluster", t.cfg.ID)
	case t.cfg.RequirePeerCertificate && !t.certified(r):
		return refuse(http.StatusUnauthorized, "the certificate shown names neither %.80q nor the host of its address", from)
	case r.Method != http.MethodGet || r.ProtoMajor != 1 || !strings.EqualFold(r.Header.Get("Upgrade"), protocol):
		return refuse(http.StatusUpgradeRequired, "this path takes an HTTP/1.1 GET with Upgrade: %s", protocol)
	case cluster != mine:
		return refuse(http.StatusConflict, "%s belongs to cluster %q, the caller %q to %q", t.cfg.ID, mine, from, cluster)
	case to != string(t.cfg.ID):
		return refuse(http.StatusConflict, "this is %q, the caller %q means %q", t.cfg.ID, from, to)
	}
	return nil
}

// equal compares in a time that does not depend on the contents. Nothing equals "".
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1 && b != ""
}

func (no *refusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", problemType)
	if no.Status == http.StatusUpgradeRequired {
		w.Header().Set("Upgrade", protocol)
	}
	w.WriteHeader(no.Status)
	_ = json.NewEncoder(w).Encode(no) // nobody left to tell
}

// serve takes the connection from the HTTP server, in a place that is reserved.
func (s *streams) serve(w http.ResponseWriter) error {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.release()
		refuse(http.StatusInternalServerError, "this server cannot upgrade: %v", err).write(w)
		return fmt.Errorf("take over the connection: %w", err)
	}
	tcp := socket(conn)
	in := &stream{Conn: Expiring(conn), r: buffered.Reader, release: func() { s.forget(tcp); s.release() }}
	if err := s.start(in, tcp); err != nil {
		_ = in.Close()
		return err
	}
	select {
	case s.accepted <- in:
		return nil
	case <-s.closed:
		return in.Close()
	}
}

// start tells the peer that the stream begins, and clears what the HTTP server set on its socket.
func (s *streams) start(in *stream, tcp net.Conn) error {
	if err := s.track(tcp); err != nil {
		return err
	}
	if err := keepAlive(tcp); err != nil {
		return fmt.Errorf("set keepalive: %w", err)
	}
	if err := in.SetDeadline(time.Now().Add(s.cfg.Timeout)); err != nil {
		return fmt.Errorf("set the deadline of the upgrade: %w", err)
	}
	if _, err := io.WriteString(in.Conn, accepted); err != nil {
		return fmt.Errorf("accept the upgrade: %w", err)
	}
	return in.SetDeadline(time.Time{})
}
