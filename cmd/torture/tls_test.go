package torture

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
	c.refusesOtherNames(n, upgrade)
	c.refusesOldTLS(n, upgrade)
}

// showing is a caller that shows a certificate of the members' authority.
func (c *cluster) showing(file string, versions ...uint16) *http.Client {
	c.t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(c.tls.dir, file+".crt"), filepath.Join(c.tls.dir, file+".key"))
	if err != nil {
		c.t.Fatal(err)
	}
	config := c.tls.client()
	config.Certificates = []tls.Certificate{pair}
	if len(versions) > 0 {
		config.MaxVersion = versions[0]
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}, Timeout: requestTimeout}
}

// refusesOtherNames has somebody with a good certificate and the token act as members
// that the certificate does not name.
func (c *cluster) refusesOtherNames(n *node, upgrade []string) {
	c.t.Helper()
	c.tls.issueTo(c.t, "intruder", "n9", []net.IP{net.IPv4(10, 9, 9, 9)})
	c.http = c.showing("intruder")
	defer func() { c.http = c.newHTTP() }()
	if a := c.must(http.StatusUnauthorized, n, http.MethodGet, "/internal/v1/raft", nil, upgrade...); !strings.Contains(string(a.body), `names neither \"n2\"`) {
		c.t.Errorf("n9's certificate as n2: %v", a)
	}
	before := c.must(http.StatusOK, n, http.MethodGet, "/api/v1/cluster", nil)
	for id, address := range map[string]string{"n2": c.nodes[1].address, "n4": "127.0.0.1:9"} {
		join := map[string]any{"id": id, "address": address, "cluster": c.identity(n)}
		c.must(http.StatusUnauthorized, n, http.MethodPost, "/internal/v1/join", join, upgrade[:2]...)
	}
	after := c.must(http.StatusOK, n, http.MethodGet, "/api/v1/cluster", nil)
	var was, is wire.Cluster
	if err := errors.Join(before.decode(&was), after.decode(&is)); err != nil || len(was.Members) != len(is.Members) {
		c.t.Errorf("members before: %v, after: %v, %v", before, after, err)
	}
}

// refusesOldTLS has members' calls made with less than TLS 1.3.
func (c *cluster) refusesOldTLS(n *node, upgrade []string) {
	c.t.Helper()
	defer func() { c.http = c.newHTTP() }()
	c.http = c.showing("n2-peer", tls.VersionTLS12)
	for _, path := range []string{"/internal/v1/identity", "/internal/v1/raft"} {
		if a := c.must(http.StatusUnauthorized, n, http.MethodGet, path, nil, upgrade...); !strings.Contains(string(a.body), "TLS 1.3") {
			c.t.Errorf("%s over TLS 1.2: %v", path, a)
		}
	}
	c.must(http.StatusOK, n, http.MethodGet, "/api/v1/namespaces/app", nil) // a client may
	c.http = c.showing("n2-peer")
	c.must(http.StatusOK, n, http.MethodGet, "/internal/v1/identity", nil, upgrade[:2]...)
}

func TestANodeSpeaksOnlyTheTLSThatItPromises(t *testing.T) {
	c := form(t, plan{size: 1, tls: func(base string) *authority { return newAuthority(t, base) }})
	want := []string{
		"TLS 1.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS 1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
		"TLS 1.2 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
		"TLS 1.3 TLS_AES_128_GCM_SHA256", "TLS 1.3 TLS_AES_256_GCM_SHA384", "TLS 1.3 TLS_CHACHA20_POLY1305_SHA256", // not to be chosen by a client
	}
	var taken []string
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if !slices.Contains(suite.SupportedVersions, version) {
				continue
			}
			config := c.tls.client()
			config.MinVersion, config.MaxVersion, config.CipherSuites = version, version, []uint16{suite.ID}
			conn, err := tls.Dial("tcp", c.nodes[0].address, config)
			if err != nil {
				continue
			}
			if conn.ConnectionState().Version != version {
				t.Errorf("asked for %s, got %s", tls.VersionName(version), tls.VersionName(conn.ConnectionState().Version))
			}
			taken = append(taken, tls.VersionName(version)+" "+suite.Name)
			conn.Close()
		}
	}
	slices.Sort(taken)
	if !slices.Equal(taken, want) {
		t.Errorf("taken:\n%s\nwant:\n%s", strings.Join(taken, "\n"), strings.Join(want, "\n"))
	}
	// Renegotiation and compression do not exist in Go's TLS; SSL 3 and before do not either.
	var expiry int
	for line := range strings.Lines(string(c.must(http.StatusOK, c.nodes[0], http.MethodGet, "/metrics", nil).body)) {
		if strings.HasPrefix(line, "confman_certificate_expiry_timestamp_seconds{use=") {
			expiry++
		}
	}
	if expiry != 4 {
		t.Errorf("%d series say when certificates expire, want 4", expiry)
	}
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
	silent := make(chan error, 1)
	go func() { silent <- silentHandshake(c.nodes[1]) }()
	c.namespace("app")
	before := c.tls.signers[0]
	old := c.showing("n2-peer") // of what will not be believed any more
	old.Transport.(*http.Transport).DisableKeepAlives = false
	stream := c.oldStream(c.nodes[0], old)
	c.tls.renew(t)
	after := c.tls.signers[1]
	c.http = c.newHTTP() // believes both
	l := c.startLoad("app", 2, rng.Uint64())
	c.trustOnly(before, after)
	for _, n := range c.nodes {
		c.awaitCertificate(n, c.tls.issue(t, n.id))
	}
	c.trustOnly(after)
	t.Logf("longest gap while everything was replaced: %v", l.longestGap())
	c.http, old = old, c.http
	await(t, "the old certificate is not believed any more", func() error { // what was read may have been half of the change
		a, err := c.do(c.nodes[0], http.MethodGet, "/internal/v1/identity", nil, "X-Cluster-Token", clusterToken)
		if err == nil && a.status != http.StatusUnauthorized {
			err = errors.New(a.String())
		}
		return err
	})
	c.http = old
	if err := stream.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(stream); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a member's stream outlives the authority that it was let in by: %d bytes, %v", len(rest), err)
	}
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
	if err := <-silent; err != nil {
		t.Error(err)
	}
}

// silentHandshake opens a connection to a node that speaks TLS, and says nothing:
// it must be cut off.
func silentHandshake(n *node) error {
	conn, err := net.Dial("tcp", n.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(headerPatience)); err != nil {
		return err
	}
	if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("a handshake that does not begin is still waited for after %v", headerPatience)
	}
	return nil
}

// oldStream opens a stream of Raft at a node, and a connection that is kept, with a
// certificate.
func (c *cluster) oldStream(n *node, caller *http.Client) net.Conn {
	c.t.Helper()
	identity := c.identity(n)
	c.http, caller = caller, c.http
	c.must(http.StatusOK, n, http.MethodGet, "/internal/v1/identity", nil, "X-Cluster-Token", clusterToken)
	c.http, caller = caller, c.http
	conn, err := tls.Dial("tcp", n.address, caller.Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	if answer := upgraded(c.t, conn, "n2", n.id, identity, clusterToken); !strings.Contains(answer, "101") {
		c.t.Fatalf("a member is refused: %s", answer)
	}
	return conn
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
