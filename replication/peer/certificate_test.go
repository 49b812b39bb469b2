package peer

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// issue signs a certificate that is good for both sides.
func (a *authority) issue(template x509.Certificate) tls.Certificate {
	a.t.Helper()
	template.SerialNumber = big.NewInt(3)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	cert, key := a.sign(&template)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

func TestACertificateNamesAMemberByIDOrHost(t *testing.T) {
	a := newAuthority(t)
	for _, test := range []struct {
		why         string
		shown       x509.Certificate
		id, address string
		want        bool
	}{
		{"common name", x509.Certificate{Subject: pkix.Name{CommonName: "n1"}}, "n1", "", true},
		{"DNS name", x509.Certificate{DNSNames: []string{"other", "n1"}}, "n1", "", true},
		{"host", x509.Certificate{DNSNames: []string{"a.example"}}, "n1", "a.example:6100", true},
		{"any host of a domain", x509.Certificate{DNSNames: []string{"*.example"}}, "n1", "a.example:6100", true},
		{"IP address", x509.Certificate{IPAddresses: []net.IP{net.ParseIP("10.0.0.1")}}, "n1", "10.0.0.1:6100", true},
		{"IPv6 address", x509.Certificate{IPAddresses: []net.IP{net.ParseIP("fd00::1")}}, "n1", "[fd00::1]:6100", true},
		{"another common name", x509.Certificate{Subject: pkix.Name{CommonName: "n2"}}, "n1", "", false},
		{"another host", x509.Certificate{DNSNames: []string{"b.example"}}, "n1", "a.example:6100", false},
		{"another IP address", x509.Certificate{IPAddresses: []net.IP{net.ParseIP("10.0.0.2")}}, "n1", "10.0.0.1:6100", false},
		{"a host as the common name", x509.Certificate{Subject: pkix.Name{CommonName: "a.example"}}, "n1", "a.example:6100", false},
		{"part of a name", x509.Certificate{Subject: pkix.Name{CommonName: "n11"}, DNSNames: []string{"n1.example"}}, "n1", "", false},
		{"no name", x509.Certificate{}, "n1", "a.example:6100", false},
		{"nobody", x509.Certificate{}, "", "", false},
		{"an address without a port", x509.Certificate{DNSNames: []string{"a.example"}}, "n1", "a.example", false},
	} {
		if got := Names(a.issue(test.shown).Leaf, test.id, test.address); got != test.want {
			t.Errorf("%s: %v", test.why, got)
		}
	}
}

// secured starts a node that requires certificates of its peers, and knows n2 at
// an address.
func (a *authority) secured(t *testing.T, id raft.ServerID, address string) *node {
	n := unstarted(t, id, func(c *Config) {
		c.RequirePeerCertificate = true
		c.Address = func(id string) string { return map[string]string{"n2": address}[id] }
	})
	n.srv.TLS = &tls.Config{Certificates: []tls.Certificate{a.node()}, ClientCAs: a.pool, ClientAuth: tls.VerifyClientCertIfGiven}
	n.srv.StartTLS()
	answer(t, n, follow)
	return n
}

func (a *authority) dialler(t *testing.T, id raft.ServerID, shown tls.Certificate) *node {
	return newNode(t, id, func(c *Config) {
		c.ClientTLS = func() *tls.Config {
			return &tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{shown}}
		}
	})
}

func TestACertificateOfAnotherMemberIsOfNoUse(t *testing.T) {
	a := newAuthority(t)
	n1 := a.secured(t, "n1", "10.0.0.2:6100")
	own := a.issue(x509.Certificate{Subject: pkix.Name{CommonName: "n3"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err := vote(a.dialler(t, "n3", own), n1); err != nil {
		t.Fatalf("its own name: %v", err)
	}
	// What the caller states about n2's address counts for nothing: n1 knows it.
	if err := vote(a.dialler(t, "n2", own), n1); err == nil || !strings.Contains(err.Error(), `names neither "n2"`) {
		t.Fatalf("n3's certificate as n2: %v", err)
	}
	if n := n1.connections(); n > 1 {
		t.Errorf("%d places taken", n)
	}
}

func TestConnectionsAreMadeAnewOnDemand(t *testing.T) {
	n1, n2 := newNode(t, "n1", nil), newNode(t, "n2", nil)
	answer(t, n1, follow)
	for range 3 {
		if err := vote(n2, n1); err != nil {
			t.Fatal(err)
		}
		n2.Redial()
		eventually(t, "the old connection is gone", func() bool { return n1.connections() == 0 })
	}
	if err := vote(n2, n1); err != nil {
		t.Fatalf("right after Redial: %v", err)
	}
	n1.Redial()
	eventually(t, "the side that accepts ends connections, too", func() bool { return n1.connections() == 0 })
}

func TestAConnectionEndsWithTheCertificateThatOpenedIt(t *testing.T) {
	a := newAuthority(t)
	// A clock that is behind lets the certificate through the handshake; it has
	// expired by the time that the connection is served.
	behind := func() time.Time { return time.Now().Add(-time.Minute) }
	short := x509.Certificate{Subject: pkix.Name{CommonName: "n2"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(-30 * time.Second)}
	for _, side := range []string{"dialler", "server"} {
		t.Run(side, func(t *testing.T) {
			own, shown := a.node(), a.node()
			if side == "dialler" {
				shown = a.issue(short)
			} else {
				own = a.issue(short)
			}
			n1 := unstarted(t, "n1", nil)
			n1.srv.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: a.pool, ClientAuth: tls.VerifyClientCertIfGiven, Time: behind}
			n1.srv.StartTLS()
			n2 := newNode(t, "n2", func(c *Config) {
				c.ClientTLS = func() *tls.Config {
					return &tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{shown}, Time: behind}
				}
			})
			conn, err := n2.streams.Dial(target("n1", n1.addr), patience)
			if err != nil {
				return // it ended even sooner
			}
			defer conn.Close()
			if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil && !strings.Contains(err.Error(), "closed") {
				t.Fatal(err)
			}
			if _, err := conn.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
				t.Fatalf("the connection outlives the certificate: %v", err)
			}
			eventually(t, "its place is free", func() bool { return n1.connections() == 0 })
		})
	}
}
