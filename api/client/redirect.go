package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"confman/api/wire"
)

// follow says where a redirect leads: to a member that is known, or that the
// redirecting node, asked about the cluster, names as one. Only scheme, host
// and port are taken from it; path, query and credentials stay those of the
// call. Anywhere else is refused, so that a key reaches nobody but members.
func (c *Client) follow(ctx context.Context, a answer) (origin string, err error) {
	location, err := url.Parse(a.header.Get("Location"))
	if err == nil {
		origin, err = originOfURL(location)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %s redirected to %q: %w", ErrRedirect, a.origin, a.header.Get("Location"), err)
	}
	if !c.nodes.known(origin) {
		c.askMembers(ctx, a.origin, origin)
	}
	if !c.nodes.known(origin) {
		return "", fmt.Errorf("%w: %s redirected to %s, which is not a known member", ErrRedirect, a.origin, origin)
	}
	if c.nodes.broken(origin, time.Now()) {
		return "", fmt.Errorf("%w: %s says that %s leads, which does not answer", ErrUnavailable, a.origin, origin)
	}
	c.nodes.leads(origin)
	return origin, nil
}

// askMembers asks a known node for its leader and, where that is not the one
// looked for, for all members. Both may fail: what is not learnt stays unknown.
func (c *Client) askMembers(ctx context.Context, node, wanted string) {
	if a, failed := c.once(ctx, call{method: http.MethodGet, path: "/health/ready"}, node); failed == nil {
		_, _ = c.learnReady(a)
	}
	if c.nodes.known(wanted) {
		return
	}
	if a, failed := c.once(ctx, call{method: http.MethodGet, path: "/api/v1/cluster"}, node); failed == nil && a.status == http.StatusOK {
		var cluster wire.Cluster
		if json.Unmarshal(a.body, &cluster) == nil {
			c.learnCluster(a.origin, cluster)
		}
	}
}

func (c *Client) learnReady(a answer) (ready wire.Ready, err error) {
	if err := json.Unmarshal(a.body, &ready); err != nil || ready.Status == "" {
		return ready, fmt.Errorf("%w: %s answered %d without a readiness report", ErrBadAnswer, a.origin, a.status)
	}
	if leader := ready.Cluster.Leader; leader != nil {
		c.nodes.learn(a.origin, *leader)
	}
	return ready, nil
}

func (c *Client) learnCluster(from string, cluster wire.Cluster) {
	for _, member := range cluster.Members {
		c.nodes.learn(from, member.URL)
	}
}
