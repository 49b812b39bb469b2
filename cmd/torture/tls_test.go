package torture

import (
	"crypto/tls"
	"errors"
	"math/big"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"confman/api/wire"
)

// secured is three nodes with mutual TLS among them.
func secured(t *testing.T, args ...string) *cluster {
	t.Helper()
	return form(t, plan{args: args, tls: func(base string) *authority { return newAuthority(t, base) }})
}

func TestMembersThatShowNoCertificateOfTheirAuthorityAreRefused(t *testing.T) {
	c := secured(t)
	c.namespace("app")
	n := c.nodes[0]
	upgrade := []string{
		"X-Cluster-Token", "torture-cluster-token-0123456789", "Connection", "Upgrade", "Upgrade", "confman-raft/1",
		"X-Confman-Node", "n2", "X-Confman-To", "n1", "X-Confman-Cluster", c.identity(n),
	}
	for _, path := range []string{"/internal/v1/identity", "/internal/v1/raft", "/internal/v1/read-index"} {
		c.must(http.StatusUnauthorized, n, http.MethodGet, path, nil, upgrade...)
	}
	// One of another authority does not even get through the handshake.
	foreign := newAuthority(t, t.TempDir())
	foreign.issue(t, "n2")
	shown, err := tls.LoadX509KeyPair(filepath.Join(foreign.dir, "n2.crt"), filepath.Join(foreign.dir, "n2.key"))
	if err != nil {
		t.Fatal(err)
	}
	c.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: c.tls.client().RootCAs, Certificates: []tls.Certificate{shown}, MinVersion: tls.VersionTLS13,
	}, DisableKeepAlives: true}
	if a, err := c.do(n, http.MethodGet, "/internal/v1/identity", nil, upgrade...); err == nil {
		t.Errorf("a certificate of another authority: %v", a)
	}
	// Plain HTTP on the same port says so, and gives nothing away.
	plain := &node{scheme: "http", address: n.address}
	if a, err := c.get(plain, "/api/v1/cluster"); err != nil || a.status != http.StatusBadRequest {
		t.Errorf("plain HTTP: %v, %v", a, err)
	}
	c.http = c.newHTTP()
	c.awaitReady(c.nodes...)
}

// identity is the cluster's.
func (c *cluster) identity(n *node) string {
	c.t.Helper()
	var status wire.Cluster
	if err := c.must(http.StatusOK, n, http.MethodGet, "/api/v1/cluster", nil).decode(&status); err != nil || status.ID == "" {
		c.t.Fatalf("the identity of the cluster: %+v, %v", status, err)
	}
	return status.ID
}

func TestACertificateAuthorityIsReplacedWithoutARestart(t *testing.T) {
	rng := random(t)
	c := secured(t, "--forward")
	c.namespace("app")
	before := c.tls.signers[0]
	c.tls.renew(t)
	after := c.tls.signers[1]
	c.http = c.newHTTP() // believes both
	l := c.startLoad("app", 2, rng.Uint64())
	c.trustOnly(before, after)
	for _, n := range c.nodes {
		c.awaitCertificate(n, c.tls.issue(t, n.id))
	}
	c.trustOnly(after)
	// Whoever leads next has made all its connections with the new ones.
	leader := c.leader()
	leader.kill9()
	next := c.leader(leader)
	leader.start()
	c.awaitReady(c.nodes...)
	for _, n := range c.followers(next) {
		c.must(http.StatusCreated, n, http.MethodPut, entryPath("app", "through-"+n.id), value(n.id))
	}
	l.verify(rng)
}

// trustOnly has all nodes believe these authorities, and waits until they do.
func (c *cluster) trustOnly(signers ...*signer) {
	c.t.Helper()
	reads := func(n *node) int { return strings.Count(n.logs(), "certificates read again") }
	before := map[*node]int{}
	for _, n := range c.nodes {
		before[n] = reads(n)
	}
	c.tls.trust(c.t, signers...)
	for _, n := range c.nodes {
		await(c.t, n.id+" reads its certificates again", func() error {
			if _, err := handshake(c, n); err != nil { // it looks when it is called
				return err
			}
			if reads(n) == before[n] {
				return errors.New("not yet")
			}
			return nil
		})
	}
}

func (c *cluster) awaitCertificate(n *node, want *big.Int) {
	c.t.Helper()
	await(c.t, n.id+" shows its new certificate", func() error {
		shown, err := handshake(c, n)
		if err == nil && shown.Cmp(want) != 0 {
			err = errors.New("the old one is still shown")
		}
		return err
	})
}

// handshake returns the serial number of the certificate that a node shows.
func handshake(c *cluster, n *node) (*big.Int, error) {
	conn, err := tls.Dial("tcp", n.address, c.tls.client())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber, nil
}
