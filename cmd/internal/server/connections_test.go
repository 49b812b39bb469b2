package server

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"confman/api/wire"
)

// hold opens connections to a node that say nothing, from an address of their own.
func hold(t *testing.T, n *node, from string, count int) (leave func()) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	var all []net.Conn
	for range count {
		c, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(n.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	leave = func() {
		for _, c := range all {
			c.Close()
		}
	}
	t.Cleanup(leave)
	return leave
}

// from is a client whose connections come from an address, and are not kept.
func from(t *testing.T, address string) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, to)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// More come than there are spare connections: those that say nothing give way.
func TestConnectionsOfOneAddressLeaveRoomForOthersAndForMembers(t *testing.T) {
	c := start(t, 3, func(o *Options) { o.Overload = OverloadOptions{Connections: 60, PerAddress: 20} })
	leader, _ := c.leader()
	greedy, other, key := from(t, "127.9.9.9"), from(t, "127.8.8.8"), "X-Api-Key: "+adminKey
	leave := hold(t, leader, "127.9.9.9", 20+spareConnections+50)
	ask(t, greedy, "GET", leader.url+"/health/ready", "").is(t, 200)
	refused := ask(t, greedy, "GET", leader.url+"/api/v1/whoami", "", key).is(t, 503, wire.ProblemOverloaded, "--max-connections-per-address", "127.9.9.9")
	if refused.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	ask(t, greedy, "GET", leader.url+"/internal/v1/identity", "", "X-Cluster-Token: a token of sixteen bytes").is(t, 200, `"n`)
	ask(t, other, "GET", leader.url+"/api/v1/whoami", "", key).is(t, 200)
	hold(t, leader, "127.7.7.7", 20)
	hold(t, leader, "127.6.6.6", 20)
	ask(t, other, "GET", leader.url+"/api/v1/whoami", "", key).is(t, 503, wire.ProblemOverloaded, "--max-connections)")

	// Members come anew, and the cluster goes on.
	_, others := c.leader()
	c.stop(others[0])
	c.run(others[0])
	c.ready()
	ask(t, other, "GET", leader.url+"/metrics", "").is(t, 200, `confman_connections{kind="spare"} 25`, `confman_connections_evicted_total`)

	leave()
	c.eventually("the address has room again", func() error {
		return ask(t, greedy, "GET", leader.url+"/api/v1/whoami", "", key).want(200)
	})
}

func TestLimitsThatCannotWorkAreRefused(t *testing.T) {
	for flag, o := range map[string]OverloadOptions{
		"--max-reads": {Reads: -1}, "--max-transit-bytes": {Transit: 1 << 20}, "--max-connections": {Connections: -1}, "--max-queue-time": {Wait: -1},
	} {
		if err := o.validate(); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
	all, perAddress := (&OverloadOptions{}).connections()
	if all < 64 || perAddress > all || perAddress < all/2 {
		t.Errorf("%d connections, %d of one address", all, perAddress)
	}
}

func TestAHostIsCountedOnceWhateverAddressOfItsNetworkItTakes(t *testing.T) {
	for remote, want := range map[string]string{
		"10.0.0.1:1": "10.0.0.1", "[::ffff:10.0.0.1]:1": "10.0.0.1", "[::1]:1": "::1",
		"[2001:db8:0:1::1]:1": "2001:db8:0:1::", "[2001:db8:0:1:ffff::9]:2": "2001:db8:0:1::", "[2001:db8:0:2::1]:1": "2001:db8:0:2::", "[fe80::1%eth0]:1": "fe80::1%eth0",
	} {
		if got := addressOf(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(remote))).String(); got != want {
			t.Errorf("%s is counted for %s, want %s", remote, got, want)
		}
	}
}
