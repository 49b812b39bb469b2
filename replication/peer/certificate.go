package peer

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

// Names reports whether a certificate is that of a member: whether it names the
// member's ID, as common name or among its DNS names, or the host of its address. An
// empty address is that of nobody.
func Names(cert *x509.Certificate, id, address string) bool {
	if id == "" {
		return false
	}
	if cert.Subject.CommonName == id || cert.VerifyHostname(id) == nil {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	return err == nil && cert.VerifyHostname(host) == nil
}

// certified reports whether the certificate of a request, which the HTTP server
// has verified, is that of the sender. Where this node knows the address of that
// member, the one that the sender states counts for nothing.
func (t *Transport) certified(r *http.Request) bool {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return false
	}
	from, address := r.Header.Get(headerNode), ""
	if t.cfg.Address != nil {
		address = t.cfg.Address(from)
	}
	if address == "" {
		address = r.Header.Get(headerAddress)
	}
	return Names(r.TLS.VerifiedChains[0][0], from, address)
}

// Expiring returns a connection that is closed when a certificate that the other
// side showed expires. Without TLS, and where none was shown, it is conn itself.
func Expiring(conn net.Conn) net.Conn {
	secured, ok := conn.(*tls.Conn)
	if !ok || len(secured.ConnectionState().PeerCertificates) == 0 {
		return conn
	}
	shown := secured.ConnectionState().PeerCertificates
	end := shown[0].NotAfter
	for _, c := range shown[1:] {
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	// The socket, for closing TLS may wait for a reader.
	timer := time.AfterFunc(time.Until(end), func() { _ = secured.NetConn().Close() })
	return &expiring{secured, timer}
}

// expiring is a connection whose timer its end stops.
type expiring struct {
	net.Conn
	timer *time.Timer
}

// Close stops the timer and closes the connection.
func (e *expiring) Close() error {
	e.timer.Stop()
	return e.Conn.Close()
}

// Redial ends all connections of this node, in both directions, so that those
// that Raft opens next are made with the certificates and authorities of the
// moment.
func (t *Transport) Redial() {
	t.net.CloseStreams() // idle ones must not be taken for good ones
	t.streams.mu.Lock()
	defer t.streams.mu.Unlock()
	for c := range t.streams.open {
		_ = c.Close()
	}
}
