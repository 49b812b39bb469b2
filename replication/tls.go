package replication

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"

	"github.com/hashicorp/raft"

	"confman/replication/peer"
)

// Redial has this node's connections to other members made anew, Raft's included:
// to be called when certificates or authorities have changed.
func (n *Node) Redial() {
	if e := n.engine.Load(); e != nil {
		e.transport.Redial()
	}
	n.ask.http.CloseIdleConnections()
}

// addressOf is the address of a member by the newest configuration that this node
// knows, or else in the list of its founders; "" when neither has it.
func (n *Node) addressOf(id string) string {
	if e := n.engine.Load(); e != nil {
		for _, s := range e.servers() {
			if s.ID == raft.ServerID(id) {
				return string(s.Address)
			}
		}
	}
	for _, m := range n.config.Peers {
		if m.ID == id {
			return m.Address
		}
	}
	return ""
}

// mayBringIn reports whether the certificate of a caller, where one is required, is
// that of the node that wants to join or of a member that passes its request on.
func (n *Node) mayBringIn(e *engine, r *http.Request, joining Member) bool {
	if !n.config.RequirePeerCertificate {
		return true
	}
	shown := r.TLS.VerifiedChains[0][0] // authenticate has seen it
	if peer.Names(shown, joining.ID, joining.Address) {
		return true
	}
	for _, s := range e.servers() {
		if peer.Names(shown, string(s.ID), string(s.Address)) {
			return true
		}
	}
	return false
}

// tlsDialer dials with the certificates of the moment, so that reloaded ones
// are used.
func tlsDialer(config func() *tls.Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c := config().Clone()
		c.NextProtos = []string{"http/1.1"}
		conn, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: askTimeout, KeepAlive: keepAliveGap}, Config: c}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return peer.Expiring(conn), nil
	}
}
