package lab

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// wired is a lab whose nodes are mere listeners.
func wired(t *testing.T, nodes int) *Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("networks of their own need root")
	}
	l, err := New(t.Context(), Config{Dir: t.TempDir(), Binary: "echo", Nodes: nodes, Namespaces: true, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if !l.Networked() {
		if os.Getenv("CI") == "true" {
			t.Fatal("no network namespaces, and CI must have them")
		}
		t.Skip("no network namespaces here")
	}
	for _, n := range l.Nodes() {
		var listener net.Listener
		err := n.network.do(func() (err error) {
			listener, err = net.Listen("tcp", n.Address)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				conn.Close()
			}
		}()
	}
	return l
}

// reaches reports whether a connection comes about.
func reaches(t *testing.T, from dialer, to *Node) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	conn, err := from(ctx, "tcp", to.Address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

func TestFaultsOfTheNetworkCutWhatTheyShouldAndHeal(t *testing.T) {
	l := wired(t, 3)
	a, b, c := l.Nodes()[0], l.Nodes()[1], l.Nodes()[2]
	outside := l.bridge.dial
	type link struct {
		name string
		from dialer
		to   *Node
	}
	links := []link{
		{"a to b", a.network.dial, b},
		{"b to a", b.network.dial, a},
		{"b to c", b.network.dial, c},
		{"outside to a", outside, a},
		{"outside to b", outside, b},
		{"observer to a", l.Dial, a},
	}
	for _, tt := range []struct {
		name  string
		fault func() error
		cut   string // of the links, 1: cut
	}{
		{"none", func() error { return nil }, "000000"},
		{"cut", func() error { return l.Cut(a) }, "110100"},
		{"partition", func() error { return l.Partition([]*Node{a}) }, "110000"},
		{"one way", func() error { return l.OneWay(a, b) }, "110000"}, // a handshake needs both
		{"loss", func() error { return l.Loss(100, c) }, "001000"},
	} {
		if err := tt.fault(); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		for i, link := range links {
			if got, want := reaches(t, link.from, link.to), tt.cut[i] == '0'; got != want {
				t.Errorf("%s: %s connects: %v, want %v", tt.name, link.name, got, want)
			}
		}
		if err := l.Heal(); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		for _, link := range links {
			if !reaches(t, link.from, link.to) {
				t.Errorf("%s, healed: %s does not connect", tt.name, link.name)
			}
		}
	}
}

func TestALinkIsLimitedTwiceAndHealed(t *testing.T) {
	l := wired(t, 2)
	if err := l.RateLimit(l.Nodes()[0], 64); err != nil {
		t.Fatal(err)
	}
	if err := l.RateLimit(l.Nodes()[0], 128); err != nil {
		t.Errorf("limited again: %v", err)
	}
	if err := l.Heal(); err != nil {
		t.Error(err)
	}
}

func TestWithoutNamespacesThereAreNoFaultsOfTheNetwork(t *testing.T) {
	l, err := New(t.Context(), Config{Dir: t.TempDir(), Binary: "echo"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Cut(l.Nodes()[0]); !errors.Is(err, ErrNoNetwork) || l.Networked() {
		t.Errorf("cut: %v, want %v", err, ErrNoNetwork)
	}
	if err := l.Heal(); err != nil {
		t.Errorf("heal: %v", err)
	}
	seen := map[string]bool{}
	for _, n := range l.Nodes() {
		seen[n.Address] = true
	}
	if len(seen) != 3 {
		t.Errorf("addresses: %v", seen)
	}
}

func TestAProcessIsKilledPausedAndWaitedFor(t *testing.T) {
	l, err := New(t.Context(), Config{Dir: t.TempDir(), Binary: "true", Nodes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := l.Nodes()[0]
	n.SetArgs("60")
	if err := n.StartBinary("sleep"); err != nil {
		t.Fatal(err)
	}
	if err := n.StartBinary("sleep"); err == nil {
		t.Error("a process that runs was started")
	}
	if err := n.Pause(t.Context()); err != nil || !n.stands() {
		t.Errorf("pause: %v, stands: %v", err, n.stands())
	}
	n.Resume()
	if code, err := n.Term(t.Context()); code != -1 || err != nil || n.Running() {
		t.Errorf("terminated: code %d, %v, runs: %v", code, err, n.Running())
	}
	n.SetArgs("0")
	if err := n.StartBinary("sleep"); err != nil {
		t.Fatal(err)
	}
	if code, err := n.Exit(t.Context()); code != 0 || err != nil || n.Lives() != 2 {
		t.Errorf("ended: code %d, %v, lives %d", code, err, n.Lives())
	}
}

func TestWithoutTheToolsOfItsFaultsThereIsNoNetwork(t *testing.T) {
	some := t.TempDir()
	for _, tool := range []string{"ip", "tc"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skipf("the lab has no network without it: %v", err)
		}
		if err := os.Symlink(path, filepath.Join(some, tool)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", some)
	l := &Lab{}
	defer func() { _ = l.Close() }()
	if err := l.makeBridge(); !errors.Is(err, exec.ErrNotFound) || l.Networked() {
		t.Errorf("%v, networked: %v", err, l.Networked())
	}
}
