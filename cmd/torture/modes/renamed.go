package modes

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
)

// settles is how long a name may take to lead to its node again.
const settles = "member is ready again after its name leads elsewhere"

// inNames runs the binary with a file of host names of its own in place of the
// machine's.
const inNames = `#!/bin/sh
exec unshare --mount sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' %q %q "$@"
`

// renamed has members that know each other by names only. One comes back at
// another address: who asks for the name finds it there.
func renamed(ctx context.Context, b *Bench) error {
	l, err := b.Lab(ctx, lab.Config{Nodes: 3})
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // what matters has been seen
	if !l.Networked() {
		b.Logf("names that change need a network of their own: left out")
		return nil
	}
	hosts := filepath.Join(l.Dir(), "hosts")
	run, err := withNames(l, hosts)
	if err != nil {
		return err
	}
	moved := l.Nodes()[b.RNG.IntN(3)]
	others := l.Others(moved)
	elsewhere, err := l.Add(moved.ID)
	if err != nil {
		return err
	}
	founders := append([]*lab.Node{moved}, others...)
	if err := formByName(ctx, l, hosts, run, founders...); err != nil {
		return err
	}
	identity, found := oneCluster(ctx, l, founders...)
	moved.Kill9()
	if err := resolve(hosts, append([]*lab.Node{elsewhere}, others...)...); err != nil {
		return err
	}
	began := time.Now()
	if err := elsewhere.StartBinary(run); err != nil {
		return err
	}
	err = l.AwaitReady(ctx, elsewhere)
	b.Report.Promise(settles, 0, 2*named)
	b.Report.Measure(settles, time.Since(began))
	if err == nil { // a write then needs it
		others[0].Kill9()
		err = lab.Await(ctx, "a write with the node that moved", func() error {
			return writeAt(ctx, l, http.MethodPut, "/api/v1/namespaces/moved", "{}")
		})
	}
	if err != nil {
		found = append(found, says(fault.Bootstrap, "a name leads to another address: %v", err))
	}
	again, more := oneCluster(ctx, l, elsewhere, others[1])
	if found = append(found, more...); again != identity {
		found = append(found, says(fault.Bootstrap, "cluster %s is cluster %s now", identity, again))
	}
	b.Report.Judge(fault.Bootstrap, "addresses changed", 1, found)
	b.Logf("the name of %s leads elsewhere", moved.ID)
	return nil
}

// formByName forms a cluster of founders that know each other by their names.
func formByName(ctx context.Context, l *lab.Lab, hosts, run string, founders ...*lab.Node) error {
	var peers []string
	for _, n := range founders {
		peers = append(peers, fmt.Sprintf("%s=%s.torture:6100", n.ID, n.ID))
	}
	for _, n := range l.Nodes() {
		n.SetArgs(l.Serve(n, "--advertise", n.ID+".torture:6100", "--peers", strings.Join(peers, ","))...)
	}
	if err := resolve(hosts, founders...); err != nil {
		return err
	}
	for _, n := range founders {
		if err := n.StartBinary(run); err != nil {
			return err
		}
	}
	if err := l.AwaitReady(ctx, founders...); err != nil {
		return fmt.Errorf("form a cluster of names: %w", err)
	}
	return nil
}

// withNames makes the program that runs the lab's binary with host names of its own.
func withNames(l *lab.Lab, hosts string) (program string, err error) {
	program = filepath.Join(l.Dir(), "confman-with-names")
	binary, err := filepath.Abs(l.Binary())
	if err != nil {
		return "", err
	}
	return program, os.WriteFile(program, fmt.Appendf(nil, inNames, hosts, binary), 0o700) //nolint:gosec // it is a program
}

// resolve writes to which address each node's name leads. The file is mounted
// elsewhere: it must stay the same one.
func resolve(file string, nodes ...*lab.Node) error {
	lines := "127.0.0.1 localhost\n"
	for _, n := range nodes {
		address, _, _ := strings.Cut(n.Address, ":")
		lines += address + " " + n.ID + ".torture\n"
	}
	return os.WriteFile(file, []byte(lines), 0o600)
}
