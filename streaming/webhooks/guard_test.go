package webhooks

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

func TestOnlyPublicAndAllowedAddressesAreDialled(t *testing.T) {
	refused := []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.9.9.9", "169.254.169.254",
		"172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255",
		"198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::127.0.0.1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "64:ff9b::808:808", "64:ff9b:1::1",
		"100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1", "4000::1", "5f00::1",
	}
	good := []string{"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.167.1.1", "::ffff:8.8.8.8", "2606:4700::1111", "2001:4860:4860::8888", "2a00::1"}
	for _, a := range refused {
		for _, g := range []guard{newGuard(nil, true), newGuard(nil, false)} {
			if g.check(netip.MustParseAddr(a)) == nil {
				t.Errorf("%s is dialled", a)
			}
		}
		everywhere := newGuard([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}, false)
		if err := everywhere.check(netip.MustParseAddr(a)); err != nil {
			t.Errorf("everything is allowed, and %v", err)
		}
	}
	for _, a := range good {
		if err := newGuard(nil, true).check(netip.MustParseAddr(a)); err != nil {
			t.Error(err)
		}
		if newGuard(nil, false).check(netip.MustParseAddr(a)) == nil {
			t.Errorf("%s is dialled by plain http", a)
		}
	}
	ten := newGuard([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}, true)
	for a, want := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "10.2.0.1": false, "fd12::1": true, "127.0.0.1": false} {
		if got := ten.check(netip.MustParseAddr(a)) == nil; got != want {
			t.Errorf("with 10.1.0.0/16 and fd00::/8 allowed %s is dialled: %v, want %v", a, got, want)
		}
	}
}

// names is a DNS server over pipes that answers every A question with the next
// of its addresses, the last one again and again.
type names struct {
	addresses []string
	asked     atomic.Int32
}

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go n.answer(theirs)
		return ours, nil
	}}
}

// answer speaks DNS over a stream (RFC 1035 § 4.2.2) for one question.
func (n *names) answer(c net.Conn) {
	defer c.Close()
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	q := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, q); err != nil {
		return
	}
	end := 12
	for q[end] != 0 {
		end += int(q[end]) + 1
	}
	end += 5 // the name's end, type and class
	isA := binary.BigEndian.Uint16(q[end-4:]) == 1
	a := append([]byte(nil), q[:2]...)
	a = append(a, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	a = append(a, q[12:end]...)
	if isA {
		i := min(int(n.asked.Add(1)), len(n.addresses)) - 1
		a[7] = 1
		a = append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		a = append(a, netip.MustParseAddr(n.addresses[i]).AsSlice()...)
	}
	c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...))
}

// What counts is the address that is dialled, whatever the name meant before.
func TestNamesThatMeanPrivateAddressesAreRefused(t *testing.T) {
	e := newReceiver(t, nil)
	port := e.server.URL[strings.LastIndexByte(e.server.URL, ':'):]
	tests := []struct {
		name, url string
		means     []string
		allowed   string
		says      string // empty: it is delivered
	}{
		{"loopback", "https://hooks.example" + port, []string{"127.0.0.1"}, "", "127.0.0.1 is refused: it is not a public address"},
		{"metadata service", "https://hooks.example", []string{"169.254.169.254"}, "", "169.254.169.254 is refused"},
		{"address in the URL", "https://127.0.0.1" + port, nil, "", "127.0.0.1 is refused"},
		{"localhost", "https://localhost" + port, []string{"127.0.0.1"}, "", "is refused"},
		{"number", "https://2130706433" + port, []string{"127.0.0.1"}, "", "lookup 2130706433"}, // not a name to Go's resolver
		{"plain http to a public address", "http://hooks.example" + port, []string{"8.8.8.8"}, "127.0.0.0/8", "8.8.8.8 is refused: plain http"},
		{"plain http to an allowed one", "http://hooks.example" + port, []string{"127.0.0.1"}, "127.0.0.0/8", ""},
		{"another scheme", "ftp://hooks.example" + port, []string{"127.0.0.1"}, "127.0.0.0/8", "neither https nor http"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster()
			d, _ := c.deliver(t, "a", func(config *Config) {
				config.Resolver = (&names{addresses: tt.means}).resolver()
				if tt.allowed != "" {
					config.Allowed = []netip.Prefix{netip.MustParsePrefix(tt.allowed)}
				}
			})
			c.changes(t, "pay", 1)
			c.hook(hookTo(tt.url))
			got := d.try(t.Context(), c.now("w"), c.letter(t, 1))
			if tt.says == "" && got.err != nil || tt.says != "" && (got.err == nil || !strings.Contains(got.err.Error(), tt.says)) {
				t.Errorf("%v, want %q", got.err, tt.says)
			}
		})
	}
}

// The name is good when the first event is sent, and means the inside when the
// next one is.
func TestANameThatChangesItsMeaningIsRefused(t *testing.T) {
	e := newReceiver(t, nil)
	port := e.server.URL[strings.LastIndexByte(e.server.URL, ':'):]
	c := newCluster()
	d, _ := c.deliver(t, "a", func(config *Config) {
		config.Resolver = (&names{addresses: []string{"127.0.0.1", "127.0.0.2"}}).resolver()
		config.Allowed = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	c.changes(t, "pay", 1)
	c.hook(hookTo("http://hooks.example" + port))
	if got := d.try(t.Context(), c.now("w"), c.letter(t, 1)); got.err != nil {
		t.Fatal(got.err)
	}
	d.plain.(*http.Transport).CloseIdleConnections()
	if got := d.try(t.Context(), c.now("w"), c.letter(t, 1)); got.err == nil || !strings.Contains(got.err.Error(), "127.0.0.2 is refused") {
		t.Errorf("%v, want 127.0.0.2 to be refused", got.err)
	}
}

// A proxy would dial in our place, and look at nothing.
func TestNoProxyIsTakenFromTheEnvironment(t *testing.T) {
	d, _ := newCluster().deliver(t, "a", nil)
	for _, r := range []http.RoundTripper{d.secure, d.plain} {
		if r.(*http.Transport).Proxy != nil { // it reads the environment once, so no test can set it
			t.Error("a proxy may be used")
		}
	}
}
