package peer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// authority signs certificates for 127.0.0.1.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.cert, a.key = a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) node() tls.Certificate {
	a.t.Helper()
	cert, key := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func TestPeersOverTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	tests := map[string]struct {
		client *tls.Config
		want   string // in the error; "" means let in
	}{
		"with certificate":                {&tls.Config{RootCAs: ours.pool, Certificates: []tls.Certificate{ours.node()}}, ""},
		"without certificate":             {&tls.Config{RootCAs: ours.pool}, "client certificate"},
		"with a certificate of others":    {&tls.Config{RootCAs: ours.pool, Certificates: []tls.Certificate{theirs.node()}}, "certificate"},
		"to a server of others":           {&tls.Config{RootCAs: theirs.pool}, "TLS"},
		"to a server with another name":   {&tls.Config{RootCAs: ours.pool, ServerName: "n1.example"}, "n1.example"},
		"insisting on HTTP/2 in its ALPN": {&tls.Config{RootCAs: ours.pool, Certificates: []tls.Certificate{ours.node()}, NextProtos: []string{"h2"}}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n1 := unstarted(t, "n1", func(c *Config) { c.RequirePeerCertificate = true })
			n1.srv.EnableHTTP2 = true
			n1.srv.TLS = &tls.Config{Certificates: []tls.Certificate{ours.node()}, ClientCAs: ours.pool, ClientAuth: tls.VerifyClientCertIfGiven}
			n1.srv.StartTLS()
			answer(t, n1, follow)
			n2 := newNode(t, "n2", func(c *Config) { c.ClientTLS = func() *tls.Config { return test.client } })
			err := vote(n2, n1)
			if test.want == "" && err != nil {
				t.Fatal(err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Fatalf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestTLSConfigurationIsAskedAtEachDial(t *testing.T) {
	var asked atomic.Int32
	n1 := newNode(t, "n1", nil)
	answer(t, n1, follow)
	n2 := newNode(t, "n2", func(c *Config) { c.ClientTLS = func() *tls.Config { asked.Add(1); return nil } })
	for i := range int32(3) {
		if err := vote(n2, n1); err != nil {
			t.Fatal(err)
		}
		if got := asked.Load(); got != i+1 {
			t.Fatalf("asked %d times in %d dials", got, i+1)
		}
		n2.disconnect()
		eventually(t, "the broken connection is noticed", func() bool { return n1.connections() == 0 })
		_ = vote(n2, n1) // takes the broken connection from the pool
	}
}
