package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
)

// authority issues certificates.
type authority struct {
	t    *testing.T
	file string // its own certificate
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, file: filepath.Join(t.TempDir(), "ca.pem")}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var raw []byte
	raw, a.key = a.sign(template)
	var err error
	if a.cert, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	a.write(a.file, "CERTIFICATE", raw)
	return a
}

// sign makes a certificate and its key. It is good for an hour unless it says
// until when.
func (a *authority) sign(template *x509.Certificate) (raw []byte, key *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		a.t.Fatal(err)
	}
	template.NotBefore = time.Now().Add(-2 * time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	if raw, err = x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer); err != nil {
		a.t.Fatal(err)
	}
	return raw, key
}

func (a *authority) write(file, kind string, raw []byte) {
	a.t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// client is a certificate for whoever calls.
func (a *authority) client(template x509.Certificate) tls.Certificate {
	a.t.Helper()
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	raw, key := a.sign(&template)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// member has a node show a certificate to clients and members.
func (a *authority) member(o *Options) tls.Certificate {
	a.t.Helper()
	host, _, err := net.SplitHostPort(o.Node.Listen)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, key := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: o.Node.ID}, IPAddresses: []net.IP{net.ParseIP(host)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	dir := a.t.TempDir()
	o.TLS.Cert, o.TLS.Key, o.TLS.PeerCA = filepath.Join(dir, "node.pem"), filepath.Join(dir, "node-key.pem"), a.file
	a.write(o.TLS.Cert, "CERTIFICATE", raw)
	a.write(o.TLS.Key, "PRIVATE KEY", private)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// machine calls with a certificate.
func machine(t *testing.T, members *authority, shown ...tls.Certificate) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: trusting(t, members.file, shown...)}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func named(name string, units ...string) x509.Certificate {
	return x509.Certificate{Subject: pkix.Name{CommonName: name, OrganizationalUnit: units}}
}

func TestMachinesAreWhoTheirCertificatesSay(t *testing.T) {
	members, clients := newAuthority(t), newAuthority(t)
	var shownByMember tls.Certificate
	c := start(t, 1, func(o *Options) {
		shownByMember = members.member(o)
		o.TLS.ClientCA = clients.file
	})
	spiffe, err := url.Parse("spiffe://example.org/pay")
	if err != nil {
		t.Fatal(err)
	}
	c.give("app", wire.RoleGrant{Role: "editor", Principal: "deploy"}, wire.RoleGrant{Role: "editor", Principal: spiffe.String()}, wire.RoleGrant{Role: "viewer", Group: "ci"},
		wire.RoleGrant{Role: "admin", Principal: "n1"}) // which is not the node n1
	c.do("PUT", c.nodes[0].url+"/api/v1/namespaces/app/config/k", `{"value":1}`, "X-Api-Key: "+adminKey).is(t, 201)
	withURI := named("deploy")
	withURI.URIs = []*url.URL{spiffe}
	api := c.nodes[0].url + "/api/v1"
	for _, test := range []struct {
		why        string
		shown      []tls.Certificate
		headers    []string
		who        string // empty: nobody
		read, edit int
	}{
		{"by its common name", []tls.Certificate{clients.client(named("deploy"))}, nil, "deploy", 200, 200},
		{"by its URI rather than its common name", []tls.Certificate{clients.client(withURI)}, nil, spiffe.String(), 200, 200},
		{"by its unit", []tls.Certificate{clients.client(named("runner", "ci", "build"))}, nil, "runner", 200, 403},
		{"without any role", []tls.Certificate{clients.client(named("stranger"))}, nil, "stranger", 403, 403},
		{"a member", []tls.Certificate{shownByMember}, nil, "", 401, 401},
		{"of the members' authority", []tls.Certificate{members.client(named("deploy"))}, nil, "", 401, 401},
		{"no certificate", nil, nil, "", 401, 401},
		{"of nobody", []tls.Certificate{clients.client(named(""))}, nil, "", 401, 401},
		{"whose name is the system's", []tls.Certificate{clients.client(named("system"))}, nil, "", 401, 401},
		{"beside an API key, which wins", []tls.Certificate{clients.client(named("stranger"))}, []string{"X-Api-Key: " + adminKey}, "admin", 200, 200},
		{"beside a bad API key, which loses for both", []tls.Certificate{clients.client(named("deploy"))}, []string{"X-Api-Key: wrong"}, "", 401, 401},
	} {
		m := machine(t, members, test.shown...)
		r := ask(t, m, "GET", api+"/whoami", "", test.headers...)
		if test.who == "" && r.want(401) != nil || test.who != "" && r.want(200, `"principal":"`+test.who+`"`) != nil {
			t.Errorf("%s: %d %s %v, want %q", test.why, r.status, r.body, r.err, test.who)
		}
		if err := ask(t, m, "GET", api+"/namespaces/app/config/k", "", test.headers...).want(test.read); err != nil {
			t.Errorf("%s reads: %v", test.why, err)
		}
		if err := ask(t, m, "PUT", api+"/namespaces/app/config/k", `{"value":2}`, test.headers...).want(test.edit); err != nil {
			t.Errorf("%s edits: %v", test.why, err)
		}
	}
}

func TestCertificatesThatAreNotGoodDoNotGetThroughTheHandshake(t *testing.T) {
	members, clients := newAuthority(t), newAuthority(t)
	c := start(t, 1, func(o *Options) {
		members.member(o)
		o.TLS.ClientCA = clients.file
	})
	expired, server := named("deploy"), named("deploy")
	expired.NotAfter = time.Now().Add(-time.Hour)
	raw, key := clients.sign(&server)
	for why, shown := range map[string]tls.Certificate{
		"expired":              clients.client(expired),
		"of another authority": newAuthority(t).client(named("deploy")),
	} {
		m := machine(t, members)
		m.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
		// Even an API key does not help: there is no connection.
		r := ask(t, m, "GET", c.nodes[0].url+"/api/v1/whoami", "", "X-Api-Key: "+adminKey)
		if r.err == nil || !strings.Contains(r.err.Error(), "tls: ") {
			t.Errorf("%s: %d %s %v", why, r.status, r.body, r.err)
		}
	}
	// A certificate that says nothing of what it is for is good for anything.
	m := machine(t, members, tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key})
	ask(t, m, "GET", c.nodes[0].url+"/api/v1/whoami", "").is(t, 200, `"principal":"deploy"`, `"expiresAt"`)
	c.skew.Store(int64(time.Hour)) // the connection stays and the certificate expires
	ask(t, m, "GET", c.nodes[0].url+"/api/v1/whoami", "").is(t, 401, "the certificate of deploy expired")
}
