package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"confman/api/wire"
)

// Patience is how long a condition may take to come true on a busy machine, where
// the context says nothing shorter.
const Patience = 60 * time.Second

// Await returns when the condition holds. The last error of one that never does
// says why.
func Await(ctx context.Context, what string, condition func() error) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: not in time: %w", what, err)
		}
	}
}

// Answer is what a node said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Took   time.Duration
}

// String is the answer in a line.
func (a Answer) String() string { return fmt.Sprintf("%d in %v: %.300s", a.Status, a.Took, a.Body) }

// Problem is the type of the problem that the answer is, or empty.
func (a Answer) Problem() string {
	var p wire.Problem
	if a.Status < http.StatusBadRequest || json.Unmarshal(a.Body, &p) != nil {
		return ""
	}
	return p.Type
}

// Get asks a node, through the observer, for a path below its URL, as the admin.
func (l *Lab) Get(ctx context.Context, n *Node, path string) (Answer, error) {
	return l.Do(ctx, n, http.MethodGet, path, "")
}

// Do sends a request with a JSON body, or none, to a node as the admin, within
// 10 s. headers are pairs of name and value. No redirect is followed.
func (l *Lab) Do(ctx context.Context, n *Node, method, path, body string, headers ...string) (a Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	began := time.Now()
	r, err := http.NewRequestWithContext(ctx, method, n.URL()+path, strings.NewReader(body))
	if err != nil {
		return a, err
	}
	r.Header.Set(wire.HeaderAPIKey, adminKey)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := l.observer.Do(r)
	if err != nil {
		return a, err
	}
	defer answer.Body.Close()
	a.Status, a.Header = answer.StatusCode, answer.Header
	a.Body, err = io.ReadAll(answer.Body)
	a.Took = time.Since(began)
	return a, err
}

func (l *Lab) read(ctx context.Context, n *Node, path string, into any) error {
	a, err := l.Get(ctx, n, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(a.Body, into); err != nil {
		return fmt.Errorf("%s of %s: %v: %w", path, n.ID, a, err)
	}
	return nil
}

// Ready asks a node how it is.
func (l *Lab) Ready(ctx context.Context, n *Node) (r wire.Ready, err error) {
	return r, l.read(ctx, n, "/health/ready", &r)
}

// Cluster asks a node what it knows of the cluster.
func (l *Lab) Cluster(ctx context.Context, n *Node) (c wire.Cluster, err error) {
	return c, l.read(ctx, n, "/api/v1/cluster", &c)
}

// ErrEnded says that a node that is waited for has ended.
var ErrEnded = errors.New("has ended")

// AwaitReady waits until nodes are ready. One that has ended is ErrEnded at once.
func (l *Lab) AwaitReady(ctx context.Context, nodes ...*Node) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, n := range nodes {
		err := Await(ctx, n.ID+" is ready", func() error {
			if !n.Running() {
				code, _ := n.Exit(ctx)
				cancel(fmt.Errorf("%s %w with code %d: %s", n.ID, ErrEnded, code, n.lastWords()))
				return context.Cause(ctx)
			}
			r, err := l.Ready(ctx, n)
			if err == nil && r.Status != wire.StatusReady {
				err = errors.New(strings.Join(r.Reasons, "; "))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Leader waits for a node, none of except, that leads and can confirm it.
func (l *Lab) Leader(ctx context.Context, except ...*Node) (found *Node, err error) {
	return found, Await(ctx, "a leader", func() error {
		for _, n := range l.Nodes() {
			if slices.Contains(except, n) || !n.Running() || n.stands() {
				continue
			}
			if r, err := l.Ready(ctx, n); err == nil && r.Cluster.Role == wire.MemberLeader && r.Status == wire.StatusReady {
				found = n
				return nil
			}
		}
		return errors.New("nobody leads")
	})
}

// AwaitAgreement waits until all nodes that run stand at the same position, and
// returns it.
func (l *Lab) AwaitAgreement(ctx context.Context) (position string, err error) {
	return position, Await(ctx, "all nodes at one position", func() error {
		position = ""
		for _, n := range l.Nodes() {
			if !n.Running() {
				continue
			}
			c, err := l.Cluster(ctx, n)
			if err != nil {
				return err
			}
			if c.Position == "" || position != "" && c.Position != position {
				return fmt.Errorf("%s is at %q, another at %q", n.ID, c.Position, position)
			}
			position = c.Position
		}
		return nil
	})
}
