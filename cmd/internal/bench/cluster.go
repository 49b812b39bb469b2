package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"confman/api/wire"
)

// cluster is what is measured: one that runs already, or one started for it.
type cluster struct {
	nodes  []string // URLs
	key    string   // API key
	leader string   // URL
	index  uint64   // of the last event, when it settled
	own    *process // nil when it ran already
}

// startCluster runs a new cluster with its data below dir.
func startCluster(ctx context.Context, stderr io.Writer, nodes int, listen, dir string) (*cluster, error) {
	p, err := start(ctx, stderr, "dev", "--nodes", strconv.Itoa(nodes), "--listen", listen, "--data", dir, "-o", "json")
	if err != nil {
		return nil, err
	}
	var ready struct {
		Nodes    []struct{ URL string }
		AdminKey string
	}
	if err := json.Unmarshal([]byte(p.ready), &ready); err != nil {
		p.close()
		return nil, fmt.Errorf("read the addresses of the new cluster: %w", err)
	}
	c := &cluster{key: ready.AdminKey, own: p}
	for _, n := range ready.Nodes {
		c.nodes = append(c.nodes, n.URL)
	}
	return c, nil
}

func (c *cluster) close() {
	if c.own != nil {
		c.own.close()
	}
}

// pid is the process that all nodes come from, 0 when they ran already.
func (c *cluster) pid() int {
	if c.own == nil {
		return 0
	}
	return c.own.pid()
}

// settle waits until all nodes are ready and stand where the leader stands, and
// notes who leads and where that is.
func (c *cluster) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.look(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the cluster is not ready: %w", errors.Join(err, ctx.Err()))
		}
	}
}

func (c *cluster) look(ctx context.Context) error {
	var leader string
	var low, high uint64
	for i, node := range c.nodes {
		r, err := readiness(ctx, node)
		if err != nil {
			return err
		}
		if r.Status != wire.StatusReady || r.Cluster.Leader == nil {
			return fmt.Errorf("%s is not ready: %v", node, r.Reasons)
		}
		leader, high = *r.Cluster.Leader, max(high, r.EventIndex)
		if low = min(low, r.EventIndex); i == 0 {
			low = r.EventIndex
		}
	}
	if low < high {
		return fmt.Errorf("a node stands at event %d, another at %d", low, high)
	}
	c.leader, c.index = leader, high
	return nil
}

func readiness(ctx context.Context, node string) (r wire.Ready, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, node+"/health/ready", nil)
	if err != nil {
		return r, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return r, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&r); err != nil {
		return r, fmt.Errorf("%s does not say how it is: %w", request.URL, err)
	}
	return r, nil
}
