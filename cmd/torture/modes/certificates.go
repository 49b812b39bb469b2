package modes

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
)

// certificates start a cluster in which n3 shows a certificate that has expired,
// or one of another authority: nobody takes it in, and the others say why.
func certificates(ctx context.Context, b *Bench) error {
	for name, said := range map[string]string{"expired": "expired", "foreign": "unknown authority"} {
		if err := certificate(ctx, b, name, said); err != nil {
			return err
		}
		b.Logf("mistake made: %s certificate", name)
	}
	return nil
}

func certificate(ctx context.Context, b *Bench, name, said string) error {
	l, err := b.Lab(ctx, lab.Config{Nodes: 3})
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // what matters has been seen
	bad := l.Nodes()[2]
	ours, err := certify(l, bad, name)
	if err != nil {
		return err
	}
	began := time.Now()
	for _, n := range l.Nodes() {
		if err := n.Start(); err != nil {
			return err
		}
	}
	var found []check.Finding
	for _, n := range l.Others(bad) {
		err := within(ctx, 2*named, n.ID+" says what is wrong with "+bad.ID, func() error { return hasLine(n, 0, "waiting for "+bad.ID, said) })
		b.Report.Measure(names, time.Since(began))
		if err != nil {
			found = append(found, says("mistake", "%v", err))
		}
	}
	for _, n := range l.Others(bad) {
		if leadsBy(n) || !n.Running() {
			found = append(found, says("mistake", "%s has formed a cluster with %s, whose certificate is %s, or ended", n.ID, bad.ID, name))
		}
	}
	bad.Kill9()
	if _, _, err := ours.issue(l.Dir(), bad.ID, bad.Address, time.Now().Add(time.Hour)); err != nil {
		return err
	}
	if err := bad.Start(); err != nil {
		return err
	}
	formed := within(ctx, 2*named, "the cluster forms with a good certificate", func() error {
		if !slices.ContainsFunc(l.Nodes(), leadsBy) {
			return errors.New("nobody leads")
		}
		return nil
	})
	if formed != nil {
		found = append(found, says("mistake", "%v", formed))
	}
	b.Report.Judge(fault.Bootstrap, "bad certificates", 1, found)
	return nil
}

// leadsBy reports whether a node says that it leads or led: it speaks TLS only.
func leadsBy(n *lab.Node) bool { return hasLine(n, 0, `"message":"leading"`) == nil }

// certify gives the nodes certificates of an authority that all believe, but one,
// whose certificate is bad as its name says.
func certify(l *lab.Lab, bad *lab.Node, name string) (*authority, error) {
	ours, err := newAuthority("members")
	if err != nil {
		return nil, err
	}
	theirs, err := newAuthority("strangers")
	if err != nil {
		return nil, err
	}
	believed := filepath.Join(l.Dir(), "members.pem")
	if err := trust(believed, ours); err != nil {
		return nil, err
	}
	for _, n := range l.Nodes() {
		signer, until := ours, time.Now().Add(time.Hour)
		switch {
		case n == bad && name == "expired":
			until = time.Now().Add(-time.Hour)
		case n == bad:
			signer = theirs
		}
		cert, key, err := signer.issue(l.Dir(), n.ID, n.Address, until)
		if err != nil {
			return nil, err
		}
		n.SetArgs(l.Serve(n, "--peers", l.Peers(), "--tls-cert", cert, "--tls-key", key, "--peer-tls-ca", believed)...)
	}
	return ours, nil
}
