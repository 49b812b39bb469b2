package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
)

// ErrNoNetwork is every fault of the network where the lab has none of its own.
var ErrNoNetwork = errors.New("the lab has no network of its own")

// port is what every node listens on in its own namespace.
const port = 6100

// network is what is wrong with it now.
type network struct {
	cut   map[*Node]bool
	drops map[*Node][]string // rules of packets that arrive at a node
	slow  map[*Node]bool
}

func quiet() network {
	return network{cut: map[*Node]bool{}, drops: map[*Node][]string{}, slow: map[*Node]bool{}}
}

// makeBridge makes what the nodes are wired to, where there is all that faults of
// the network are made with.
func (l *Lab) makeBridge() error {
	for _, tool := range []string{"ip", "tc", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	ns, err := newNamespace()
	if err != nil {
		return err
	}
	for _, command := range []string{
		"ip link add bridge type bridge", "ip addr add 10.77.0.254/24 dev bridge", "ip link set bridge up",
	} {
		words := strings.Fields(command)
		if err := ns.run(words[0], words[1:]...); err != nil {
			ns.close()
			return err
		}
	}
	l.bridge = ns
	l.atClose(func() error { ns.close(); return nil })
	return nil
}

// wire gives a node its network and address.
func (l *Lab) wire(n *Node) (err error) {
	if l.bridge == nil {
		n.Address, err = l.freeAddress()
		return err
	}
	if n.network, err = newNamespace(); err != nil {
		return err
	}
	l.atClose(func() error { n.network.close(); return nil })
	n.Address = fmt.Sprintf("%s:%d", n.host(), port)
	if err := l.bridge.run("ip", "link", "add", n.device(), "type", "veth", "peer", "name", "eth0", "netns", n.network.path()); err != nil {
		return err
	}
	return errors.Join(
		l.bridge.run("ip", "link", "set", n.device(), "master", "bridge", "up"),
		n.network.run("ip", "addr", "add", n.host()+"/24", "dev", "eth0"),
		n.network.run("ip", "link", "set", "eth0", "up"),
	)
}

// Number is 1 for the first node of the lab, and so on.
func (n *Node) Number() int { return n.number }

func (n *Node) host() string { return fmt.Sprintf("10.77.0.%d", n.number) }

// device is the node's end of the bridge.
func (n *Node) device() string { return fmt.Sprintf("node%d", n.number) }

// freeAddress is one of loopback, below the range that the kernel takes for
// outgoing connections, so that it stays free while its node is down.
func (l *Lab) freeAddress() (string, error) {
	for range 200 {
		address := fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(18000))
		taken := false
		for _, n := range l.Nodes() {
			taken = taken || n.Address == address
		}
		if taken {
			continue
		}
		if listener, err := net.Listen("tcp", address); err == nil {
			return address, listener.Close()
		}
	}
	return "", errors.New("no port of loopback is free")
}

// Cut pulls the cables of nodes: what they send is lost.
func (l *Lab) Cut(nodes ...*Node) error {
	return l.change(func(w *network) error {
		for _, n := range nodes {
			if err := l.bridge.run("ip", "link", "set", n.device(), "down"); err != nil {
				return err
			}
			w.cut[n] = true
		}
		return nil
	})
}

// Partition lets packets through only between nodes of the same group. Nodes in
// no group form one, with the clients outside.
func (l *Lab) Partition(groups ...[]*Node) error {
	group := map[*Node]int{}
	for i, nodes := range groups {
		for _, n := range nodes {
			group[n] = i + 1
		}
	}
	for _, to := range l.Nodes() {
		for _, from := range l.Nodes() {
			if group[to] == group[from] {
				continue
			}
			if err := l.OneWay(from, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// OneWay loses everything that one node sends to another.
func (l *Lab) OneWay(from, to *Node) error {
	return l.drop(to, "ip saddr "+from.host()+" drop")
}

// Loss loses so many percent of the packets that arrive at nodes, all if none are
// named.
func (l *Lab) Loss(percent int, nodes ...*Node) error {
	if len(nodes) == 0 {
		nodes = l.Nodes()
	}
	for _, n := range nodes {
		rule := "iifname eth0 drop"
		if percent < 100 {
			rule = fmt.Sprintf("iifname eth0 numgen random mod 100 < %d drop", percent)
		}
		if err := l.drop(n, rule); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) drop(at *Node, rule string) error {
	return l.change(func(w *network) error {
		rules := append(w.drops[at], rule)
		table := "table inet torture\ndelete table inet torture\ntable inet torture {\nchain in {\ntype filter hook input priority 0;\n" +
			strings.Join(rules, "\n") + "\n}\n}\n"
		if err := at.network.pipe(table, "nft", "-f", "-"); err != nil {
			return err
		}
		w.drops[at] = rules
		return nil
	})
}

// RateLimit lets so many kbit/s through to and from a node.
func (l *Lab) RateLimit(n *Node, kbit int) error {
	return l.change(func(w *network) error {
		w.slow[n] = true
		args := func(device string) []string {
			return []string{"qdisc", "replace", "dev", device, "root", "tbf", "rate", fmt.Sprintf("%dkbit", kbit), "burst", "16kb", "latency", "400ms"}
		}
		return errors.Join(l.bridge.run("tc", args(n.device())...), n.network.run("tc", args("eth0")...))
	})
}

// Heal ends all faults of the network.
func (l *Lab) Heal() error {
	if l.bridge == nil {
		return nil
	}
	return l.change(func(w *network) error {
		var failed error
		for n := range w.slow {
			failed = errors.Join(failed, l.bridge.run("tc", "qdisc", "del", "dev", n.device(), "root"), n.network.run("tc", "qdisc", "del", "dev", "eth0", "root"))
		}
		for n := range w.drops {
			failed = errors.Join(failed, n.network.run("nft", "delete", "table", "inet", "torture"))
		}
		for n := range w.cut {
			failed = errors.Join(failed, l.bridge.run("ip", "link", "set", n.device(), "up"))
		}
		*w = quiet()
		return failed
	})
}

func (l *Lab) change(how func(*network) error) error {
	if l.bridge == nil {
		return ErrNoNetwork
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return how(&l.nature)
}
