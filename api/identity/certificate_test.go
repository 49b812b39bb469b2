package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"confman/api/identity"
)

// authority signs client certificates.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	a := authority{t: t}
	signed := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	})
	cert, err := x509.ParseCertificate(signed.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return authority{t, signed.PrivateKey.(*ecdsa.PrivateKey), cert}
}

// sign makes a certificate; the first one signs itself.
func (a authority) sign(c *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.cert == nil {
		a.cert, a.key = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a authority) client(subject pkix.Name, uris ...string) tls.Certificate {
	a.t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: subject, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, u := range uris {
		uri, err := url.Parse(u)
		if err != nil {
			a.t.Fatal(err)
		}
		c.URIs = append(c.URIs, uri)
	}
	return a.sign(c)
}

func TestClientCertificatesNameMachines(t *testing.T) {
	ours := newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ours.cert)
	states := make(chan *tls.ConnectionState, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { states <- r.TLS }))
	server.TLS = &tls.Config{ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}
	server.StartTLS()
	t.Cleanup(server.Close)

	named := func(name string) pkix.Name { return pkix.Name{CommonName: name} }
	isMember := func(state *tls.ConnectionState) bool {
		return strings.HasPrefix(state.PeerCertificates[0].Subject.CommonName, "member-")
	}
	tests := []struct {
		name   string
		cert   *tls.Certificate
		who    string // empty: nobody
		groups []string
		says   string
	}{
		{name: "none"},
		{name: "a common name", cert: one(ours.client(named("billing"))), who: "billing"},
		{name: "a SPIFFE ID", cert: one(ours.client(named("billing"), "spiffe://corp/ns/pay", "https://other")), who: "spiffe://corp/ns/pay"},
		{
			name: "units", cert: one(ours.client(pkix.Name{CommonName: "billing", OrganizationalUnit: []string{"pay", "eu", "pay"}})),
			who: "billing", groups: []string{"eu", "pay"},
		},
		{name: "a member of the cluster", cert: one(ours.client(named("member-1")))},
		{name: "no name", cert: one(ours.client(named(""))), says: "empty"},
		{name: "the name of the cluster", cert: one(ours.client(named("system"))), says: "the cluster itself"},
		{name: "a name too long", cert: one(ours.client(named("x"), "spiffe://corp/"+strings.Repeat("x", 128))), says: "at most 128"},
		{name: "a control character", cert: one(ours.client(named("a\x1bb"))), says: "control character"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := transport(t)
			if tt.cert != nil {
				tr.TLSClientConfig.Certificates = []tls.Certificate{*tt.cert}
			}
			answer, err := (&http.Client{Transport: tr}).Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			who, ok, err := identity.FromTLS(<-states, isMember)
			switch {
			case tt.says != "":
				if !ok || !errors.Is(err, identity.ErrUnauthenticated) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%+v %t %v, want … %s …", who, ok, err, tt.says)
				}
			case err != nil || ok != (tt.who != "") || who.Name != tt.who || !cmp.Equal(who.Groups, tt.groups):
				t.Errorf("%+v %t %v", who, ok, err)
			case ok && (who.Via != identity.ViaCertificate || time.Until(who.Expires) > time.Minute):
				t.Errorf("%+v", who)
			}
		})
	}
}

func one(c tls.Certificate) *tls.Certificate { return &c }

func TestACertificateThatNobodyVerifiedNamesNobody(t *testing.T) {
	forged, err := x509.ParseCertificate(newAuthority(t).client(pkix.Name{CommonName: "billing"}).Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, state := range map[string]*tls.ConnectionState{
		"plain http": nil, "TLS": {}, "not verified": {PeerCertificates: []*x509.Certificate{forged}},
	} {
		if who, ok, err := identity.FromTLS(state, nil); ok || err != nil {
			t.Errorf("%s: %+v %t %v", name, who, ok, err)
		}
	}
}
