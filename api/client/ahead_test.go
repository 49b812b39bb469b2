package client_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"confman/api/client"
	"confman/api/wire"
)

// late is a network of members that all stand at event 9, except for the host
// ahead, and except for the hosts that are down.
type late struct {
	ahead, down string
	asked       []string // hosts, and what they were told to wait
}

func (l *late) RoundTrip(r *http.Request) (*http.Response, error) {
	l.asked = append(l.asked, strings.TrimSpace(r.URL.Host+" "+r.URL.Query().Get("wait")))
	if strings.Contains(l.down, r.URL.Host) {
		return nil, errors.New("connection refused")
	}
	header, status, body := http.Header{"Content-Type": {wire.MediaProblem}}, 504, `{"type":"`+wire.ProblemNotCaughtUp+`","title":"Not caught up","detail":"event 99, this node stands at 9","index":9}`
	if r.URL.Host == l.ahead {
		media, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
		header, status, body = http.Header{"Content-Type": {media}}, 200, "{}"
		if media == wire.MediaNDJSON {
			body = ""
		}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (l *late) client(t *testing.T) *client.Client {
	return newClient(t, client.Config{Endpoints: []string{"http://n1", "http://n2", "http://n3"}, HTTP: &http.Client{Transport: l}})
}

// namings are calls that name event 99.
var namings = map[string]func(*testing.T, *client.Client) error{
	"get": func(t *testing.T, c *client.Client) error {
		_, err := c.Get(ctx(t), "pay", "a", client.Read{At: "99"})
		return err
	},
	"explain": func(t *testing.T, c *client.Client) error {
		_, err := c.Explain(ctx(t), "pay", "a", client.Read{At: "99-00000000"})
		return err
	},
	"diff": func(t *testing.T, c *client.Client) error {
		_, err := c.Diff(ctx(t), "pay", "pay@99", client.Read{})
		return err
	},
	"audit": func(t *testing.T, c *client.Client) error {
		for _, err := range c.Audit(ctx(t), client.AuditQuery{After: "99"}, client.Read{}) {
			return err
		}
		return nil
	},
	"page of the audit": func(t *testing.T, c *client.Client) error {
		for _, err := range c.Audit(ctx(t), client.AuditQuery{After: "99", Page: 5}, client.Read{}) {
			if err != nil && !errors.Is(err, client.ErrBadAnswer) { // {} is no list
				return err
			}
		}
		return nil
	},
	"proof": func(t *testing.T, c *client.Client) error { return c.Proof(ctx(t), "1", "99", io.Discard) },
	"replay": func(t *testing.T, c *client.Client) error {
		for _, err := range c.Replay(ctx(t), client.ReplayOptions{From: "99"}) {
			return err
		}
		return nil
	},
}

func TestAnEventThatNobodyHasIsAskedForOnceOfEachNode(t *testing.T) {
	for name, call := range namings {
		for _, down := range []string{"", "n1 n2"} {
			synctest.Test(t, func(t *testing.T) {
				l := &late{down: down}
				err := call(t, l.client(t))
				if !errors.Is(err, client.ErrNotCaughtUp) || !strings.Contains(err.Error(), "event 99, this node stands at 9") {
					t.Errorf("%s with %q down: %v", name, down, err)
				}
				up := 0
				for i, host := range l.asked {
					if strings.HasPrefix(host, "n3") {
						up++
					}
					if down == "" && strings.HasSuffix(host, " 1s") != (i > 0) {
						t.Errorf("%s: node %d was asked %q: only the first may take its time", name, i, host)
					}
				}
				if up != 1 || down == "" && len(l.asked) != 3 {
					t.Errorf("%s with %q down: asked %v", name, down, l.asked)
				}
			})
		}
	}
}

func TestANodeThatHasTheEventIsFound(t *testing.T) {
	for name, call := range namings {
		if name == "replay" { // its stream is for the tests of replay
			continue
		}
		for _, ahead := range []string{"n1", "n2", "n3"} {
			synctest.Test(t, func(t *testing.T) {
				if err := call(t, (&late{ahead: ahead}).client(t)); err != nil {
					t.Errorf("%s, %s has it: %v", name, ahead, err)
				}
			})
		}
	}
}

// What was seen in an answer there is, and is worth waiting for.
func TestAnEventThatWasSeenIsWaitedForAsEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &late{}
		_, err := l.client(t).Get(ctx(t), "pay", "a", client.Read{MinIndex: 50, At: "99"})
		if !errors.Is(err, client.ErrNotCaughtUp) || len(l.asked) != 8 {
			t.Errorf("asked %v: %v", l.asked, err)
		}
	})
}

// Two members that are down do not hide the third.
func TestEveryNodeIsAskedBeforeOneIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &late{ahead: "n3", down: "n1 n2"}
		if _, err := l.client(t).Get(ctx(t), "pay", "a", client.Read{}); err != nil || len(l.asked) > 3 {
			t.Errorf("asked %v: %v", l.asked, err)
		}
	})
}

// faltering is a network where the first node asked does not have the event, and
// every connection after that breaks off, the first after the replay has begun.
type faltering struct{ asked int }

func (f *faltering) RoundTrip(r *http.Request) (*http.Response, error) {
	f.asked++
	header, status, body := http.Header{"Content-Type": {wire.MediaNDJSON}}, 200, ""
	switch f.asked {
	case 1:
		return (&late{}).RoundTrip(r)
	case 2:
		body = `{"frame":"replay-start","replay":{"from":"98-00000000","to":"99-00000000"}}` + "\n"
	case 8:
		status = http.StatusNoContent
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// Once a replay has begun, what it names is there.
func TestAReplayThatHasBegunGoesOnWhoeverWasBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &faltering{}
		c := newClient(t, client.Config{Endpoints: []string{"http://n1", "http://n2"}, HTTP: &http.Client{Transport: f}})
		for _, err := range c.Replay(ctx(t), client.ReplayOptions{From: "99"}) {
			if err != nil {
				t.Errorf("after %d connections: %v", f.asked, err)
			}
		}
		if f.asked != 8 {
			t.Errorf("%d connections, want 8", f.asked)
		}
	})
}
