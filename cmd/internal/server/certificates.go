package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

const (
	reloadInterval = time.Second // how soon a changed file is noticed
	expiresSoon    = 14 * 24 * time.Hour
	reminders      = 24 * time.Hour // between two warnings about one certificate
)

// suites are what TLS 1.2 may use: forward secret and authenticated (RFC 9325,
// 4.2). Those of TLS 1.3 are all so, and not chosen.
func suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// certificates keeps TLS configurations in step with their files. A file that
// cannot be read leaves the one before in use, and is logged. Nil is a node
// without TLS.
type certificates struct {
	options TLSOptions
	log     zerolog.Logger
	now     func() time.Time
	current atomic.Pointer[loaded]

	stop  context.CancelFunc
	ended chan struct{} // closed when nobody looks at the files any more
}

// loaded is what the files said at one moment.
type loaded struct {
	seen    map[string]stamp
	server  *tls.Config
	dialler *tls.Config
	peers   *x509.CertPool // nil: members need no certificate
	expiry  map[string]time.Time
}

// stamp tells two contents of a file apart without reading them. Files that were
// written at one tick of the kernel's clock have equal times; a replaced one is
// another file.
type stamp struct {
	modified time.Time
	size     int64
	inode    uint64
}

// loadCertificates returns nil when TLS is not configured.
func loadCertificates(o TLSOptions, env Env) (*certificates, error) {
	if o.Cert == "" {
		return nil, nil
	}
	now, err := load(o)
	if err != nil {
		return nil, err
	}
	c := &certificates{options: o, log: env.Log, now: env.Now}
	c.current.Store(now)
	return c, nil
}

// load reads all files.
func load(o TLSOptions) (*loaded, error) {
	l := &loaded{seen: stamps(o), expiry: map[string]time.Time{}}
	own, err := tls.LoadX509KeyPair(o.Cert, o.Key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert: %w", err)
	}
	l.notes("server", chain(own)...)
	shown := own
	if o.PeerCert != "" {
		if shown, err = tls.LoadX509KeyPair(o.PeerCert, o.PeerKey); err != nil {
			return nil, fmt.Errorf("--peer-tls-cert: %w", err)
		}
		l.notes("peer", chain(shown)...)
	}
	clients := x509.NewCertPool()
	if o.ClientCA != "" {
		found, err := authorities(o.ClientCA, clients)
		if err != nil {
			return nil, fmt.Errorf("--tls-client-ca: %w", err)
		}
		l.notes("client-ca", found...)
	}
	if o.PeerCA != "" {
		l.peers = x509.NewCertPool()
		found, err := authorities(o.PeerCA, clients, l.peers)
		if err != nil {
			return nil, fmt.Errorf("--peer-tls-ca: %w", err)
		}
		l.notes("peer-ca", found...)
	}
	l.server = &tls.Config{
		MinVersion: tls.VersionTLS12, CipherSuites: suites(), Certificates: []tls.Certificate{own},
		NextProtos: []string{"h2", "http/1.1"}, ClientCAs: clients, ClientAuth: tls.VerifyClientCertIfGiven,
	}
	l.dialler = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{shown}, RootCAs: l.peers}
	return l, nil
}

// notes remembers when the first of some certificates expires.
func (l *loaded) notes(use string, certs ...*x509.Certificate) {
	for _, cert := range certs {
		if end, known := l.expiry[use]; !known || cert.NotAfter.Before(end) {
			l.expiry[use] = cert.NotAfter
		}
	}
}

// chain is a certificate with those that are shown along.
func chain(pair tls.Certificate) (certs []*x509.Certificate) {
	for _, raw := range pair.Certificate {
		if cert, err := x509.ParseCertificate(raw); err == nil { // LoadX509KeyPair has parsed the first
			certs = append(certs, cert)
		}
	}
	return certs
}

func stamps(o TLSOptions) map[string]stamp {
	found := map[string]stamp{}
	for _, f := range []string{o.Cert, o.Key, o.ClientCA, o.PeerCert, o.PeerKey, o.PeerCA} {
		if info, err := os.Stat(f); f != "" && err == nil {
			s := stamp{modified: info.ModTime(), size: info.Size()}
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				s.inode = stat.Ino
			}
			found[f] = s
		}
	}
	return found
}

// keep looks at the files until Close, and calls changed after each time that
// they were read again.
func (c *certificates) keep(changed func()) {
	if c == nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop, c.ended = stop, make(chan struct{})
	go func() {
		defer close(c.ended)
		tick := time.NewTicker(reloadInterval)
		defer tick.Stop()
		warned := map[string]time.Time{}
		for {
			c.warn(warned)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if c.refresh() {
				changed()
			}
		}
	}()
}

// Close returns when nobody looks at the files any more.
func (c *certificates) Close() {
	if c != nil && c.stop != nil {
		c.stop()
		<-c.ended
	}
}

// refresh reads the files again if one of them has changed, and reports whether
// it did. Of those that cannot be read it complains once.
func (c *certificates) refresh() bool {
	now, seen := c.current.Load(), stamps(c.options)
	same := true
	for file, s := range seen {
		same = same && s == now.seen[file]
	}
	if same {
		return false
	}
	next, err := load(c.options)
	if err != nil {
		c.log.Error().Err(err).Msg("certificates changed and cannot be read, the ones before stay in use")
		kept := *now
		kept.seen = seen
		c.current.Store(&kept)
		return false
	}
	c.current.Store(next)
	c.log.Info().Msg("certificates read again")
	return true
}

// warn says once a day of each certificate that it expires soon.
func (c *certificates) warn(warned map[string]time.Time) {
	now := c.now()
	for use, end := range c.current.Load().expiry {
		if end.Sub(now) >= expiresSoon {
			delete(warned, use)
			continue
		}
		if last, did := warned[use]; did && now.Sub(last) < reminders {
			continue
		}
		warned[use] = now
		c.log.Warn().Str("use", use).Time("expires", end.UTC()).Float64("days", end.Sub(now).Truncate(time.Hour).Hours()/24).
			Msg("a certificate expires soon: replace its file, the node reads it again by itself")
	}
}

// serverConfig is for the listener; it follows the files.
func (c *certificates) serverConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load().server, nil },
	}
}

// dial is the configuration of the moment for calling members.
func (c *certificates) dial() *tls.Config { return c.current.Load().dialler }

// refusesMember says why a connection cannot be that of a member; "" when it can.
func (c *certificates) refusesMember(state *tls.ConnectionState) string {
	switch {
	case c == nil:
		return ""
	case state == nil || state.Version < tls.VersionTLS13:
		return "members speak TLS 1.3 here"
	case c.current.Load().peers != nil && !c.ofPeer(state):
		return "members show a certificate of their authority here"
	}
	return ""
}

// ofPeer reports whether the connection showed a certificate that is now of the
// members' authority, which client certificates are not.
func (c *certificates) ofPeer(state *tls.ConnectionState) bool {
	return believes(c.current.Load().peers, state)
}

// ofClient reports whether the certificate that the connection showed would be
// taken now. The connection may be older than the authorities of the moment.
func (c *certificates) ofClient(state *tls.ConnectionState) bool {
	return believes(c.current.Load().server.ClientCAs, state)
}

// believes verifies the certificate that the other side of a connection showed.
func believes(roots *x509.CertPool, state *tls.ConnectionState) bool {
	if roots == nil || state == nil || len(state.PeerCertificates) == 0 {
		return false
	}
	intermediates := x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		intermediates.AddCert(cert)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil
}

// authorities adds the certificates of a file to pools, and returns them.
func authorities(path string, pools ...*x509.CertPool) (certs []*x509.Certificate, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if certs, err = certificatesIn(text); err == nil && len(certs) == 0 {
		err = errors.New("no certificate in it")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, cert := range certs {
		for _, pool := range pools {
			pool.AddCert(cert)
		}
	}
	return certs, nil
}

// certificatesIn are the certificates of a PEM file, whatever else lies in it.
func certificatesIn(text []byte) (certs []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return certs, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
}
