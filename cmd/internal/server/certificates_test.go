package server

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"confman/api/wire"
)

// selfSigned writes a certificate that is its own authority, and its key.
func selfSigned(t *testing.T, cert, key, name string, signer crypto.Signer, end time.Time) {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: end, IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t}
	a.write(cert, "CERTIFICATE", raw)
	if key != "" {
		a.write(key, "PRIVATE KEY", private)
	}
}

func ecdsaKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sixFiles are all that TLS may be told, each of its own, with the ends of their
// certificates in days from now.
func sixFiles(t *testing.T, days map[string]int) TLSOptions {
	t.Helper()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	o := TLSOptions{
		Cert: file("server.crt"), Key: file("server.key"), PeerCert: file("peer.crt"), PeerKey: file("peer.key"),
		ClientCA: file("client-ca.crt"), PeerCA: file("peer-ca.crt"),
	}
	for use, files := range map[string][2]string{"server": {o.Cert, o.Key}, "peer": {o.PeerCert, o.PeerKey}, "client-ca": {o.ClientCA}, "peer-ca": {o.PeerCA}} {
		end := time.Now().Add(time.Duration(max(days[use], 1)) * 24 * time.Hour)
		selfSigned(t, files[0], files[1], use, ecdsaKey(t), end)
	}
	return o
}

func loadedFrom(t *testing.T, o TLSOptions, log io.Writer) *certificates {
	t.Helper()
	c, err := loadCertificates(o, Env{Log: zerolog.New(log), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// speaks reports whether a server takes a client that can do no more than one
// version and, below TLS 1.3, one suite.
func speaks(t *testing.T, c *certificates, version, suite uint16) bool {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	served := make(chan error, 1)
	go func() {
		defer far.Close()
		served <- tls.Server(far, c.serverConfig()).Handshake()
	}()
	client := tls.Client(near, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, CipherSuites: []uint16{suite}})
	err := client.Handshake()
	near.Close()
	return errorsNil(err, <-served)
}

func errorsNil(errs ...error) bool {
	return !slices.ContainsFunc(errs, func(err error) bool { return err != nil })
}

func TestTheListenerSpeaksModernTLSOnly(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for kind, key := range map[string]crypto.Signer{"ECDSA": ecdsaKey(t), "RSA": rsaKey} {
		o := TLSOptions{Cert: filepath.Join(t.TempDir(), "crt"), Key: filepath.Join(t.TempDir(), "key")}
		selfSigned(t, o.Cert, o.Key, "n1", key, time.Now().Add(time.Hour))
		c := loadedFrom(t, o, io.Discard)
		if !speaks(t, c, tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256) {
			t.Errorf("%s: no TLS 1.3", kind)
		}
		var taken []string
		for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12} {
			for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
				if slices.Contains(s.SupportedVersions, version) && speaks(t, c, version, s.ID) {
					taken = append(taken, strings.TrimPrefix(fmt.Sprint(tls.VersionName(version), " ", s.Name), "TLS "))
				}
			}
		}
		slices.Sort(taken)
		var want []string
		for _, suite := range []string{"AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256"} {
			want = append(want, "1.2 TLS_ECDHE_"+kind+"_WITH_"+suite)
		}
		if !slices.Equal(taken, want) {
			t.Errorf("%s: below TLS 1.3 it takes %q, want %q", kind, taken, want)
		}
	}
}

func TestEachFileOfTLSIsReadAgainWhenItChanges(t *testing.T) {
	o := sixFiles(t, nil)
	log := &bytes.Buffer{}
	c := loadedFrom(t, o, log)
	if c.refresh() {
		t.Error("files that did not change were read again")
	}
	for _, test := range []struct {
		use       string
		cert, key string
		pools     []func(*loaded) *x509.CertPool
	}{
		{"server", o.Cert, o.Key, nil},
		{"peer", o.PeerCert, o.PeerKey, nil},
		{"client-ca", o.ClientCA, "", []func(*loaded) *x509.CertPool{func(l *loaded) *x509.CertPool { return l.server.ClientCAs }}},
		{"peer-ca", o.PeerCA, "", []func(*loaded) *x509.CertPool{
			func(l *loaded) *x509.CertPool { return l.server.ClientCAs }, func(l *loaded) *x509.CertPool { return l.peers },
			func(l *loaded) *x509.CertPool { return l.dialler.RootCAs },
		}},
	} {
		before := c.current.Load()
		log.Reset()
		next := filepath.Join(t.TempDir(), "next")
		selfSigned(t, next+".crt", next+".key", test.use, ecdsaKey(t), time.Now().Add(48*time.Hour))
		if test.key != "" { // one of the two first: they do not fit, and the ones before stay
			replaceFile(t, next+".crt", test.cert)
			if c.refresh() || c.current.Load().server != before.server || !strings.Contains(log.String(), "stay in use") {
				t.Errorf("%s: half of a pair was taken: %s", test.use, log)
			}
			log.Reset()
			if c.refresh() || log.Len() > 0 {
				t.Errorf("%s: what cannot be read is complained of twice: %s", test.use, log)
			}
			replaceFile(t, next+".key", test.key)
		} else {
			replaceFile(t, next+".crt", test.cert)
		}
		if !c.refresh() || !strings.Contains(log.String(), "certificates read again") {
			t.Fatalf("%s: not read again: %s", test.use, log)
		}
		now := c.current.Load()
		if now.expiry[test.use].Equal(before.expiry[test.use]) {
			t.Errorf("%s: the end is still that of the one before", test.use)
		}
		switch test.use {
		case "server":
			if bytes.Equal(now.server.Certificates[0].Certificate[0], before.server.Certificates[0].Certificate[0]) {
				t.Error("the listener shows the certificate before")
			}
		case "peer":
			if bytes.Equal(now.dialler.Certificates[0].Certificate[0], before.dialler.Certificates[0].Certificate[0]) {
				t.Error("members are shown the certificate before")
			}
		}
		for i, pool := range test.pools {
			if pool(now).Equal(pool(before)) {
				t.Errorf("%s: pool %d is the one before", test.use, i)
			}
		}
	}
	if err := os.Remove(o.PeerCA); err != nil {
		t.Fatal(err)
	}
	if c.refresh() {
		t.Error("a file that went away counts as changed")
	}
}

// replaceFile puts one file in place of another, as tools that renew certificates
// do.
func replaceFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestCertificatesSayWhenTheyExpire(t *testing.T) {
	c := loadedFrom(t, sixFiles(t, map[string]int{"server": 10, "peer": 100, "client-ca": 200, "peer-ca": 300}), io.Discard)
	want := "# HELP confman_certificate_expiry_timestamp_seconds When the first certificate of a file expires, in Unix time; use is server, peer, client-ca or peer-ca.\n" +
		"# TYPE confman_certificate_expiry_timestamp_seconds gauge\n"
	expiry := c.current.Load().expiry
	for _, use := range slices.Sorted(maps.Keys(expiry)) {
		want += fmt.Sprintf("confman_certificate_expiry_timestamp_seconds{use=%q} %d\n", use, expiry[use].Unix())
	}
	if len(expiry) != 4 {
		t.Errorf("%d uses", len(expiry))
	}
	if err := testutil.CollectAndCompare(certificateCollector{c}, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(certificateCollector{}); n != 0 {
		t.Errorf("%d series without TLS", n)
	}
}

func TestACertificateThatExpiresSoonIsWarnedOfOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(chan string, 10)
		c := &certificates{log: zerolog.New(lineWriter(lines)), now: time.Now}
		c.current.Store(&loaded{expiry: map[string]time.Time{
			"server": time.Now().Add(expiresSoon + 12*time.Hour), "peer-ca": time.Now().Add(365 * 24 * time.Hour),
		}})
		c.keep(func() { t.Error("nothing has changed") })
		for day, want := range []int{0, 1, 1} { // it begins in the middle of the first day
			if got := len(lines); got != want {
				t.Errorf("on day %d: %d warnings, want %d", day, got, want)
			}
			for range len(lines) {
				if line := <-lines; !strings.Contains(line, "expires soon") || strings.Contains(line, "peer-ca") {
					t.Errorf("it says %s", line)
				}
			}
			<-time.After(24 * time.Hour)
			synctest.Wait()
		}
		c.Close()
	})
}

// lineWriter sends on each line of a log.
type lineWriter chan string

func (w lineWriter) Write(line []byte) (int, error) {
	w <- string(line)
	return len(line), nil
}

func TestClientsOfAnAuthorityThatWentAwayAreNobody(t *testing.T) {
	members, clients := newAuthority(t), newAuthority(t)
	c := start(t, 1, func(o *Options) {
		members.member(o)
		o.TLS.ClientCA = clients.file
	})
	c.give("app", wire.RoleGrant{Role: "viewer", Principal: "reader"})
	url := c.nodes[0].url + "/api/v1"
	m := machine(t, members, clients.client(named("reader")))
	ask(t, m, "GET", url+"/namespaces/app", "").is(t, 200)
	watch, err := m.Get(url + "/watch?namespace=app")
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Body.Close()
	newAuthority(t).replace(t, clients.file)
	// The same connection, and the stream that is open.
	rest, err := io.ReadAll(watch.Body)
	if err != nil || !bytes.Contains(rest, []byte(`"reason":"revoked"`)) {
		t.Errorf("the watch ended with %.500s, %v", rest, err)
	}
	ask(t, m, "GET", url+"/namespaces/app", "").is(t, http.StatusUnauthorized, "certificate of reader is not taken any more")
	m.CloseIdleConnections()
	if r := ask(t, m, "GET", url+"/namespaces/app", ""); r.err == nil {
		t.Errorf("a new connection: %d %s", r.status, r.body)
	}
}

// replace puts the authority's certificate in place of another's.
func (a *authority) replace(t *testing.T, file string) { replaceFile(t, a.file, file) }
