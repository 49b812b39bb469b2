package webhooks

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// guard judges the addresses that are dialled, after names were resolved: what a
// name meant a moment earlier, or what a redirect asks for, does not matter.
type guard struct {
	allowed []netip.Prefix // always good
	public  bool           // so are public addresses
	special []netip.Prefix // look public and are not
}

func newGuard(allowed []netip.Prefix, public bool) guard {
	g := guard{allowed: allowed, public: public}
	// The IANA special-purpose registries, as far as the methods of netip.Addr do
	// not know them. Of IPv6 only 2000::/3 is public at all.
	for _, p := range []string{
		"0.0.0.0/8",       // this network
		"100.64.0.0/10",   // carrier-grade NAT
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // 6to4 relays
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"240.0.0.0/4",     // reserved, broadcast
		"2001::/23",       // Teredo and other protocol assignments
		"2001:db8::/32",   // documentation
		"2002::/16",       // 6to4: has an IPv4 address in it
		"3fff::/20",       // documentation
	} {
		g.special = append(g.special, netip.MustParsePrefix(p))
	}
	return g
}

// control is [net.Dialer.Control].
func (g guard) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	return g.check(to.Addr())
}

// check refuses an address that is neither allowed nor, where that will do,
// public. An IPv4 address that IPv6 has mapped is judged as what it is.
func (g guard) check(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	within := func(p netip.Prefix) bool { return p.Contains(a) }
	switch {
	case slices.ContainsFunc(g.allowed, within):
		return nil
	case !g.public:
		return fmt.Errorf("%s is refused: plain http goes to allowed addresses only; use https", a)
	case !a.IsGlobalUnicast(), a.IsPrivate(), !a.Is4() && !ipv6Public().Contains(a), slices.ContainsFunc(g.special, within):
		return fmt.Errorf("%s is refused: it is not a public address, and not among those that are allowed", a)
	}
	return nil
}

// ipv6Public is what IANA gives out as global unicast. NAT64 (64:ff9b::/96),
// which has IPv4 addresses in it, is outside.
func ipv6Public() netip.Prefix { return netip.MustParsePrefix("2000::/3") }
