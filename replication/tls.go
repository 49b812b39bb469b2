package replication

import (
	"context"
	"crypto/tls"
	"net"
)

// tlsDialer dials with the certificates of the moment, so that reloaded ones
// are used.
func tlsDialer(config func() *tls.Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c := config().Clone()
		c.NextProtos = []string{"http/1.1"}
		return (&tls.Dialer{NetDialer: &net.Dialer{Timeout: askTimeout, KeepAlive: keepAliveGap}, Config: c}).DialContext(ctx, network, address)
	}
}
