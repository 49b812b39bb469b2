package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"confman/replication"
)

// certificates judges the files of TLS: readable, a pair, of now, for this
// address, of the members' authority.
func (x *examination) certificates(context.Context) (found []finding) {
	t := x.options.TLS
	if t.Cert == "" {
		return nil // serve says where that is refused
	}
	const do = "mend the file, or have the certificate made anew"
	pool := x509.NewCertPool()
	if t.PeerCA != "" {
		if _, err := authorities(t.PeerCA, pool); err != nil {
			return bad(do, "--peer-tls-ca: %v", err)
		}
	}
	for _, pair := range []struct{ setting, cert, key string }{{"--tls-cert", t.Cert, t.Key}, {"--peer-tls-cert", t.PeerCert, t.PeerKey}} {
		if pair.cert == "" {
			continue
		}
		loaded, err := tls.LoadX509KeyPair(pair.cert, pair.key)
		if err != nil {
			found = append(found, bad(do, "%s: %v", pair.setting, err)...)
			continue
		}
		if others, err := openToOthers(pair.key); err == nil && others {
			found = append(found, doubtful("chmod 600 "+pair.key, "the key %s can be read by other users", pair.key)...)
		}
		shown := pair.setting == "--peer-tls-cert" || t.PeerCert == ""
		roots := pool
		if t.PeerCA == "" || !shown {
			roots = nil
		}
		found = append(found, judgeCertificate(pair.setting, loaded, x.options.Node.Advertise, roots, x.now)...)
	}
	return found
}

// judgeCertificate judges one certificate; roots are the members' authority, nil
// where it need not be of that.
func judgeCertificate(setting string, pair tls.Certificate, advertise string, roots *x509.CertPool, now time.Time) []finding {
	const renew = "have it made anew and put in the same place; it is read again without a restart"
	leaf := pair.Leaf
	left := leaf.NotAfter.Sub(now)
	host, _, err := net.SplitHostPort(advertise)
	switch {
	case left <= 0:
		return bad(renew, "%s has expired at %s", setting, leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return bad("set the clock, or wait", "%s is not good before %s", setting, leaf.NotBefore.UTC().Format(time.RFC3339))
	case setting == "--tls-cert" && err == nil && leaf.VerifyHostname(host) != nil:
		return bad("have it made for "+host+" too, or give --advertise a name that it has", "%s is not for %s: %v", setting, host, leaf.VerifyHostname(host))
	}
	if roots != nil {
		if err := ofAuthority(pair, roots, now); err != nil {
			return bad("have it made by the authority of --peer-tls-ca, for client and server", "%s: members would refuse it: %v", setting, err)
		}
	}
	if late(replication.Validity{From: leaf.NotBefore, Until: leaf.NotAfter}, now) {
		return doubtful(renew, "%s expires in %s", setting, roughly(left))
	}
	return fine("%s is good for %s", setting, roughly(left))
}

// ofAuthority checks a certificate as another member will.
func ofAuthority(pair tls.Certificate, roots *x509.CertPool, now time.Time) error {
	between := x509.NewCertPool()
	for _, raw := range pair.Certificate[1:] {
		cert, err := x509.ParseCertificate(raw)
		if err != nil {
			return fmt.Errorf("intermediate certificate: %w", err)
		}
		between.AddCert(cert)
	}
	_, err := pair.Leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}
