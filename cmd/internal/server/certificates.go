package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// reloadInterval is how soon a changed file is noticed.
const reloadInterval = time.Second

// certificates keeps TLS configurations in step with their files. A file that
// cannot be read leaves the one before in use, and is logged.
type certificates struct {
	options TLSOptions
	log     zerolog.Logger

	mu      sync.Mutex // guards the fields below
	looked  time.Time
	seen    map[string]time.Time
	server  *tls.Config
	dialler *tls.Config
}

// loadCertificates returns nil when TLS is not configured.
func loadCertificates(o TLSOptions, log zerolog.Logger) (*certificates, error) {
	if o.Cert == "" {
		return nil, nil
	}
	c := &certificates{options: o, log: log}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *certificates) files() []string {
	o := c.options
	return []string{o.Cert, o.Key, o.ClientCA, o.PeerCert, o.PeerKey, o.PeerCA}
}

// load reads all files. c.mu is held, or nobody else knows c yet.
func (c *certificates) load() error {
	o := c.options
	own, err := tls.LoadX509KeyPair(o.Cert, o.Key)
	if err != nil {
		return fmt.Errorf("--tls-cert: %w", err)
	}
	shown := own
	if o.PeerCert != "" {
		if shown, err = tls.LoadX509KeyPair(o.PeerCert, o.PeerKey); err != nil {
			return fmt.Errorf("--peer-tls-cert: %w", err)
		}
	}
	clients := x509.NewCertPool()
	var peers *x509.CertPool // nil: the system's
	if o.ClientCA != "" {
		if err := addAuthorities(clients, o.ClientCA); err != nil {
			return fmt.Errorf("--tls-client-ca: %w", err)
		}
	}
	if o.PeerCA != "" {
		peers = x509.NewCertPool()
		if err := errors.Join(addAuthorities(peers, o.PeerCA), addAuthorities(clients, o.PeerCA)); err != nil {
			return fmt.Errorf("--peer-tls-ca: %w", err)
		}
	}
	c.server = &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}, NextProtos: []string{"h2", "http/1.1"},
		ClientCAs: clients, ClientAuth: tls.VerifyClientCertIfGiven,
	}
	c.dialler = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{shown}, RootCAs: peers}
	c.seen = c.stamps()
	return nil
}

func addAuthorities(pool *x509.CertPool, path string) error {
	pem, err := os.ReadFile(path)
	if err == nil && !pool.AppendCertsFromPEM(pem) {
		err = fmt.Errorf("%s holds no certificate", path)
	}
	return err
}

func (c *certificates) stamps() map[string]time.Time {
	stamps := map[string]time.Time{}
	for _, f := range c.files() {
		if info, err := os.Stat(f); f != "" && err == nil {
			stamps[f] = info.ModTime()
		}
	}
	return stamps
}

// refresh looks whether files have changed, once in an interval.
func (c *certificates) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.looked) < reloadInterval {
		return
	}
	c.looked = now
	for file, stamp := range c.stamps() {
		if stamp.Equal(c.seen[file]) {
			continue
		}
		if err := c.load(); err != nil {
			c.log.Error().Err(err).Msg("certificates changed and cannot be read, the ones before stay in use")
			c.seen = c.stamps()
			return
		}
		c.log.Info().Msg("certificates read again")
		return
	}
}

// serverConfig is for the listener; it follows the files.
func (c *certificates) serverConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			c.refresh()
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.server, nil
		},
	}
}

// dial is the configuration of the moment for calling members.
func (c *certificates) dial() *tls.Config {
	c.refresh()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dialler
}

// ofPeer reports whether the connection showed a certificate of the members'
// authority, which client certificates are not.
func (c *certificates) ofPeer(state *tls.ConnectionState) bool {
	if state == nil || len(state.PeerCertificates) == 0 {
		return false
	}
	roots := c.dial().RootCAs
	if roots == nil {
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
