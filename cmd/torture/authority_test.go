package torture

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority issues the certificates of a cluster, into files beside each other.
type authority struct {
	dir     string
	signers []*signer // the last one signs
}

type signer struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB, dir string) *authority {
	a := &authority{dir: dir}
	a.renew(t)
	a.trust(t, a.signers...)
	return a
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// renew makes a new signer, which nobody trusts yet.
func (a *authority) renew(t testing.TB) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	a.signers = append(a.signers, &signer{key, cert})
}

// trust makes these the authorities that nodes believe.
func (a *authority) trust(t testing.TB, signers ...*signer) {
	t.Helper()
	var all bytes.Buffer
	for _, s := range signers {
		_ = pem.Encode(&all, &pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw})
	}
	a.replace(t, "clients.pem", all.Bytes())
	a.replace(t, "members.pem", all.Bytes())
}

// replace puts a file in place of another at once, as tools that renew
// certificates do.
func (a *authority) replace(t testing.TB, name string, content []byte) {
	t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// issue writes the certificates and keys of a node, one pair for everybody and one
// for members, and returns the serial number of the first.
func (a *authority) issue(t testing.TB, id string) *big.Int {
	t.Helper()
	here := []net.IP{net.IPv4(127, 0, 0, 1)}
	a.issueTo(t, id+"-peer", id, here)
	return a.issueTo(t, id, id, here)
}

// issueTo writes a certificate of a name for some addresses, and its key.
func (a *authority) issueTo(t testing.TB, file, name string, addresses []net.IP) *big.Int {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := a.signers[len(a.signers)-1]
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: name}, IPAddresses: addresses,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, s.cert, &key.PublicKey, s.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.replace(t, file+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	a.replace(t, file+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	return template.SerialNumber
}

// flags are the settings of a node that shows its certificate to everybody and
// wants one of its peers.
func (a *authority) flags(id string) []string {
	file := func(name string) string { return filepath.Join(a.dir, name) }
	return []string{
		"--tls-cert", file(id + ".crt"), "--tls-key", file(id + ".key"), "--tls-client-ca", file("clients.pem"),
		"--peer-tls-cert", file(id + "-peer.crt"), "--peer-tls-key", file(id + "-peer.key"), "--peer-tls-ca", file("members.pem"),
	}
}

// client is for callers that believe every authority there was and show no
// certificate.
func (a *authority) client() *tls.Config {
	pool := x509.NewCertPool()
	for _, s := range a.signers {
		pool.AddCert(s.cert)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}
