package modes

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
)

// mistake is what an operator does wrong before a cluster exists: n2 is started
// with other settings. It is to end, or somebody to wait, with these words.
type mistake struct {
	name string
	args func(l *lab.Lab, n *lab.Node) []string // of n2
	ends string                                 // the last line of n2
	wait map[string]string                      // by node: what it waits for
}

func mistakesBeforeACluster() []mistake {
	peers := func(from, to string) func(*lab.Lab, *lab.Node) []string {
		return func(l *lab.Lab, n *lab.Node) []string {
			return l.Serve(n, "--peers", strings.Replace(l.Peers(), from, to, 1))
		}
	}
	return []mistake{
		{name: "lists differ", args: peers("n3=", "m3="), ends: "the member lists differ"},
		{name: "wrong name of another", args: peers("n1=", "m1="), ends: "there is n1, the member list of n2 says m1"},
		{name: "wrong name of its own", args: peers("n2=", "m2="), ends: "which the list"},
		{name: "an ID twice in the list", args: func(l *lab.Lab, n *lab.Node) []string {
			return l.Serve(n, "--peers", l.Peers()+",n2=127.0.0.1:1")
		}, ends: "n2 is listed twice"},
		{name: "its own address taken", args: func(l *lab.Lab, n *lab.Node) []string {
			return l.Serve(n, "--peers", l.Peers(), "--listen", taken)
		}, ends: "address already in use"},
		{name: "another token", args: func(l *lab.Lab, n *lab.Node) []string {
			return l.Serve(n, "--peers", l.Peers(), "--cluster-token-file", filepath.Join(l.Dir(), "wrong"))
		}, wait: map[string]string{"n1": "the cluster token is not that of n2", "n2": "the cluster token is not that of n1"}},
		{name: "one is not there", args: func(l *lab.Lab, n *lab.Node) []string {
			return l.Serve(n, "--peers", l.Peers())
		}, wait: map[string]string{"n1": "waiting for n3 at ", "n2": "waiting for n3 at "}},
	}
}

// taken is an address that is in use, by somebody else.
const taken = "TAKEN"

// mistakes makes each before there is a cluster, takes it back, and has the
// cluster form.
func mistakes(ctx context.Context, b *Bench) error {
	for _, m := range mistakesBeforeACluster() {
		if err := m.make(ctx, b); err != nil {
			return err
		}
		b.Logf("mistake made: %s", m.name)
	}
	return duplicate(ctx, b)
}

func (m mistake) make(ctx context.Context, b *Bench) error {
	l, err := b.Lab(ctx, lab.Config{Nodes: 3})
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // what matters has been seen
	if err := os.WriteFile(filepath.Join(l.Dir(), "wrong"), []byte("another-token-0123456789"), 0o600); err != nil {
		return err
	}
	first, second, third := l.Nodes()[0], l.Nodes()[1], l.Nodes()[2]
	right := second.Args()
	args := m.args(l, second)
	release := func() {}
	for i := range args {
		if args[i] == taken {
			if release, err = l.Occupy(second); err != nil {
				return err
			}
			args[i] = second.Address
		}
	}
	defer release()
	if err := first.Start(); err != nil {
		return err
	}
	if err := lab.Await(ctx, "n1 answers", func() error { _, err := l.Get(ctx, first, "/health"); return err }); err != nil {
		return err
	}
	second.SetArgs(args...)
	var found []check.Finding
	if m.ends != "" {
		found = ends(ctx, b, second, m.ends)
	} else if err := second.Start(); err != nil {
		return err
	}
	for _, n := range l.Nodes() {
		if why := m.wait[n.ID]; why != "" {
			found = append(found, waits(ctx, b, l, n, why)...)
		}
	}
	b.Report.Judge(fault.Bootstrap, "mistakes", 1, found)
	release()
	second.Kill9()
	second.SetArgs(right...)
	if err := errors.Join(second.Start(), third.Start()); err != nil {
		return err
	}
	if err := l.AwaitReady(ctx, l.Nodes()...); err != nil {
		b.Report.Violate(says(fault.Bootstrap, "after the mistake %q is taken back: %v", m.name, err))
	}
	return nil
}

// duplicate makes mistakes beside a cluster: an ID that is taken, the data of
// another member, and that of a node of another cluster.
func duplicate(ctx context.Context, b *Bench) error {
	l, err := b.formed(ctx)
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // what matters has been seen
	other, err := b.formed(ctx)
	if err != nil {
		return err
	}
	defer other.Close() //nolint:errcheck // as above
	identity, found := oneCluster(ctx, l, l.Nodes()...)
	second, third := l.Nodes()[1], l.Nodes()[2]
	twin, err := l.Add(second.ID)
	if err != nil {
		return err
	}
	twin.Data, twin.LogFile = twin.Data+"-twin", twin.LogFile+"-twin"
	twin.SetArgs(l.Serve(twin, "--join", l.Nodes()[0].URL())...)
	found = append(found, ends(ctx, b, twin, "n2 is a member already")...)
	for _, foreign := range []struct {
		data *lab.Node
		ends string // or else it waits
	}{{second, "belongs to node n2, this is n3"}, {other.Nodes()[2], ""}} {
		third.Kill9()
		foreign.data.Kill9()
		kept := third.Data + "-kept"
		if err := errors.Join(os.Rename(third.Data, kept), os.CopyFS(third.Data, os.DirFS(foreign.data.Data))); err != nil {
			return err
		}
		if foreign.ends != "" {
			found = append(found, ends(ctx, b, third, foreign.ends)...)
		} else {
			if err := errors.Join(third.Start()); err != nil {
				return err
			}
			found = append(found, waits(ctx, b, l, third, "belongs to another cluster")...)
			third.Kill9()
		}
		if err := errors.Join(os.RemoveAll(third.Data), os.Rename(kept, third.Data), third.Start()); err != nil {
			return err
		}
		if foreign.data == second {
			if err := second.Start(); err != nil {
				return err
			}
		}
		founders := []*lab.Node{l.Nodes()[0], second, third}
		if err := l.AwaitReady(ctx, founders...); err != nil {
			return err
		}
		again, more := oneCluster(ctx, l, founders...)
		if found = append(found, more...); again != identity {
			found = append(found, says(fault.Bootstrap, "cluster %s is cluster %s now", identity, again))
		}
	}
	b.Report.Judge(fault.Bootstrap, "mistakes beside a cluster", 3, found)
	b.Logf("mistakes made beside a cluster")
	return nil
}

// formed is a cluster of three that is ready.
func (b *Bench) formed(ctx context.Context) (*lab.Lab, error) {
	l, err := b.Lab(ctx, lab.Config{Nodes: 3})
	if err != nil {
		return nil, err
	}
	if err := l.Form(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
