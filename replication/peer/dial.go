package peer

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
)

const (
	maxRefusal = 4 << 10  // bytes of a refusal that are read
	maxHead    = 16 << 10 // bytes of an answer before its stream or its body ends: net/http has no limit of its own
	maxQuoted  = 300      // bytes of an error that may quote what came
)

// target adds to an address whom we mean to find there: Dial is told the address
// only, and connections are pooled under it. No host:port has a slash.
func target(id raft.ServerID, addr raft.ServerAddress) raft.ServerAddress {
	return addr + "/" + raft.ServerAddress(id)
}

// A peer that is away is tried again within one Dial: Raft doubles its pause with
// each error, up to ten seconds, and a follower that has come back would wait for
// as long as it was gone. Raft's shutdown waits for such a Dial, so not longer.
const (
	redialPause = 50 * time.Millisecond
	redialFor   = time.Second
)

// awayError is the refusal of a node that cannot take a stream yet.
type awayError struct{ error }

// Dial opens a stream to the node and address that target has joined. All of it,
// the handshakes too, is over after timeout: Raft gets a stream or an error.
func (s *streams) Dial(to raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	addr, id, _ := strings.Cut(string(to), "/")
	now := time.Now()
	deadline, last := now.Add(timeout), now.Add(min(timeout, redialFor))
	for {
		c, err := s.dial(addr, id, deadline)
		if err == nil {
			return c, nil
		}
		away := errors.As(err, new(awayError)) || errors.Is(err, syscall.ECONNREFUSED)
		if away && time.Now().Add(redialPause).Before(last) && s.rest(redialPause) {
			continue
		}
		return nil, fmt.Errorf("dial %s at %s: %w", id, addr, err)
	}
}

// rest pauses, and reports whether the streams are still open.
func (s *streams) rest(pause time.Duration) bool {
	select {
	case <-time.After(pause):
		return true
	case <-s.closed:
		return false
	}
}

func (s *streams) dial(addr, id string, deadline time.Time) (net.Conn, error) {
	dialer := net.Dialer{Deadline: deadline}
	tcp, err := dialer.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	out, err := s.handshake(tcp, addr, id, deadline)
	if err != nil {
		s.forget(tcp)
		_ = tcp.Close()
		return nil, err
	}
	return out, nil
}

func (s *streams) handshake(tcp net.Conn, addr, id string, deadline time.Time) (net.Conn, error) {
	if err := s.track(tcp); err != nil {
		return nil, err
	}
	if err := keepAlive(tcp); err != nil {
		return nil, err
	}
	if err := tcp.SetDeadline(deadline); err != nil {
		return nil, err
	}
	conn, err := s.secure(tcp, addr)
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	r, err := s.upgrade(conn, addr, id)
	if err != nil {
		return nil, err
	}
	return &stream{Conn: Expiring(conn), r: r, release: func() { s.forget(tcp) }}, tcp.SetDeadline(time.Time{})
}

// secure does the TLS handshake when TLS is configured.
func (s *streams) secure(tcp net.Conn, addr string) (net.Conn, error) {
	if s.cfg.ClientTLS == nil {
		return tcp, nil
	}
	cfg := s.cfg.ClientTLS()
	if cfg == nil {
		return tcp, nil
	}
	cfg = cfg.Clone()
	cfg.NextProtos = []string{"http/1.1"} // HTTP/2 has no upgrade
	if cfg.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		cfg.ServerName = host
	}
	conn := tls.Client(tcp, cfg)
	return conn, conn.Handshake()
}

// upgrade says who we are and whom we mean. The reader may hold the peer's first bytes.
func (s *streams) upgrade(conn net.Conn, addr, id string) (*bufio.Reader, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+addr+Path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", protocol)
	req.Header.Set(headerToken, s.cfg.Token)
	req.Header.Set(headerNode, string(s.cfg.ID))
	req.Header.Set(headerTo, id)
	req.Header.Set(headerCluster, s.cfg.Cluster())
	req.Header.Set(headerAddress, s.cfg.Advertise)
	if err := req.Write(conn); err != nil {
		return nil, fmt.Errorf("ask for the upgrade: %w", err)
	}
	head := &io.LimitedReader{R: conn, N: maxHead}
	r := bufio.NewReader(head)
	resp, err := http.ReadResponse(r, req) //nolint:bodyclose // an upgrade has none; a refusal ends with the connection
	if err != nil {
		return nil, fmt.Errorf("wait for the upgrade: %w", brief(err))
	}
	switch resp.StatusCode {
	case http.StatusSwitchingProtocols:
		head.N = math.MaxInt64
		return r, nil
	case http.StatusServiceUnavailable:
		err = awayError{fmt.Errorf("refused with %.100s: %s", resp.Status, detail(resp))}
	default:
		err = fmt.Errorf("refused with %.100s: %s", resp.Status, detail(resp))
	}
	return nil, err
}

// brief is an error of net/http about an answer that is none, which may quote all
// of it.
func brief(err error) error {
	if text := err.Error(); len(text) > maxQuoted {
		return fmt.Errorf("not the answer of a Confman node: %.*s…", maxQuoted, text)
	}
	return err
}

// detail returns what the peer said about its refusal, or what spoke there instead.
func detail(resp *http.Response) string {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal)) // what arrived will do
	var no refusal
	if json.Unmarshal(body, &no) == nil && no.Detail != "" {
		return no.Detail
	}
	return fmt.Sprintf("not the answer of a Confman node: %.100q", body)
}
