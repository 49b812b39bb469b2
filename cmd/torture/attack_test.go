package torture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
)

// headerPatience is longer than a node waits for a request's header.
const headerPatience = 10 * time.Second

func TestANodeStandsWhatStrangersSendIt(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	victim := c.leader()
	members := c.members(victim)
	l := c.startLoad("app", 2, rng.Uint64())
	slow := make(chan error, 1)
	go func() { slow <- trickle(t.Context(), victim) }()

	t.Run("garbage", func(t *testing.T) { garbage(t, victim, rng) })
	t.Run("100 MB body", func(t *testing.T) { c.hugeBody(victim) })
	t.Run("members' routes", func(*testing.T) { c.membersRefuse(victim) })
	t.Run("noise on a stream of Raft", func(*testing.T) { c.noiseAfterUpgrade(victim, rng) })
	t.Run("slow header", func(t *testing.T) {
		if err := <-slow; err != nil {
			t.Error(err)
		}
	})
	c.awaitReady(c.nodes...)
	if victim != c.leader() {
		t.Log("leadership has moved")
	}
	if now := c.members(victim); !slices.Equal(now, members) {
		t.Errorf("the members were %q, now they are %q", members, now)
	}
	l.more(10)
	l.verify(rng)
}

// garbage opens connections and sends noise, in part of what looks like HTTP.
func garbage(t *testing.T, n *node, rng *rand.Rand) {
	prefixes := []string{"", "GET / HTTP/1.1\r\n", "\x16\x03\x01", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /internal/v1/raft HTTP/1.1\r\nUpgrade: confman-raft/1\r\n"}
	for range rounds(50, 1000) {
		conn, err := net.Dial("tcp", n.address)
		if err != nil {
			t.Fatal(err)
		}
		noise := make([]byte, 1+rng.IntN(64<<10))
		for i := range noise {
			noise[i] = byte(rng.Uint32())
		}
		_, _ = io.WriteString(conn, prefixes[rng.IntN(len(prefixes))])
		_, _ = conn.Write(noise) // it may be cut off meanwhile
		_ = conn.Close()
	}
}

// trickle sends a header byte by byte; the node must cut it off.
func trickle(ctx context.Context, n *node) error {
	conn, err := net.Dial("tcp", n.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	began, pace := time.Now(), time.NewTicker(100*time.Millisecond)
	defer pace.Stop()
	if _, err := io.WriteString(conn, "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
		return err
	}
	cut := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, conn)
		cut <- err
	}()
	for {
		select {
		case <-pace.C:
			_, _ = io.WriteString(conn, "x")
		case <-cut:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		if time.Since(began) > headerPatience {
			return fmt.Errorf("a header that never ends is still listened to after %v", headerPatience)
		}
	}
}

// hugeBody sends far more than a value may be, with and without saying so.
func (c *cluster) hugeBody(n *node) {
	const size = 100 << 20
	for _, length := range []int64{size, -1} {
		body := io.LimitReader(io.MultiReader(strings.NewReader(`{"value":"`), endless{}), size)
		r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPut, n.url()+entryPath("app", "huge"), body)
		if err != nil {
			c.t.Fatal(err)
		}
		r.ContentLength = length
		r.Header.Set(wire.HeaderAPIKey, c.key)
		r.Header.Set("Content-Type", wire.MediaJSON)
		status, err := exchange(n, r)
		if err != nil || status != http.StatusRequestEntityTooLarge && status != http.StatusTemporaryRedirect {
			c.t.Errorf("a body of 100 MB, length given as %d: %d, %v; want 413", length, status, err)
		}
	}
}

// exchange sends a request while it reads the answer: a server may refuse before
// it has all of the body.
func exchange(n *node, r *http.Request) (status int, err error) {
	conn, err := net.Dial("tcp", n.address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	go func() { _ = r.Write(conn) }() // ends with the connection
	resp, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		return 0, errors.Join(errors.New("no answer"), err)
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}

// endless is x for ever.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}
