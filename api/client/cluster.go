package client

import (
	"context"
	"fmt"
	"net/http"

	"confman/api/wire"
)

// Cluster reads the members and their state, as the answering node sees them.
// From then on redirects to these members are followed.
func (c *Client) Cluster(ctx context.Context) (cluster wire.Cluster, err error) {
	call := c.reading("cluster status", Read{}, "cluster")
	var meta Meta
	call.meta = &meta
	if err := c.into(ctx, call, &cluster); err != nil {
		return cluster, err
	}
	c.learnCluster(meta.Endpoint, cluster)
	return cluster, nil
}

// AddMember adds a node as a voter or, with Learner, as one that only follows.
func (c *Client) AddMember(ctx context.Context, member wire.NewMember, w Write) error {
	return c.into(ctx, c.writing("add member "+member.ID, http.MethodPost, w, member, "cluster", "members"), nil)
}

// PromoteMember makes a learner a voter.
func (c *Client) PromoteMember(ctx context.Context, id string, w Write) error {
	return c.into(ctx, c.writing("promote member "+id, http.MethodPost, w, wire.NewMember{ID: id}, "cluster", "members"), nil)
}

// RemoveMember takes a node out of the cluster.
func (c *Client) RemoveMember(ctx context.Context, id string, w Write) error {
	return c.into(ctx, c.writing("remove member "+id, http.MethodDelete, w, nil, "cluster", "members", id), nil)
}

// TransferLeader hands leadership to a member, or to whichever is furthest
// ahead when id is empty.
func (c *Client) TransferLeader(ctx context.Context, id string, w Write) error {
	return c.into(ctx, c.writing("transfer leadership", http.MethodPost, w, wire.TransferLeader{To: id}, "cluster", "transfer-leader"), nil)
}

// Snapshot has the answering node take a snapshot now.
func (c *Client) Snapshot(ctx context.Context, w Write) (s wire.Snapshot, err error) {
	err = c.into(ctx, c.writing("take a snapshot", http.MethodPost, w, nil, "cluster", "snapshot"), &s)
	return s, err
}

// Health asks whether some node's process answers. It needs no key.
func (c *Client) Health(ctx context.Context) (h wire.Health, err error) {
	err = c.into(ctx, call{what: "health", method: http.MethodGet, path: "/health"}, &h)
	return h, err
}

// Ready asks one endpoint, given as in Config.Endpoints, whether it can serve. A
// node that says that it is not ready is an answer, not an error. It is asked
// once and needs no key.
func (c *Client) Ready(ctx context.Context, endpoint string) (wire.Ready, error) {
	const what = "readiness of "
	origin, err := originOf(endpoint)
	if err == nil && !c.nodes.known(origin) {
		err = fmt.Errorf("%w: not a known member", ErrInvalid)
	}
	if err != nil {
		return wire.Ready{}, fmt.Errorf(what+"%s: %w", endpoint, err)
	}
	a, failed := c.once(ctx, call{method: http.MethodGet, path: "/health/ready"}, origin)
	if failed != nil {
		return wire.Ready{}, fmt.Errorf(what+"%s: %w", endpoint, failed.err)
	}
	ready, err := c.learnReady(a)
	if err != nil {
		return ready, fmt.Errorf(what+"%s: %w", endpoint, err)
	}
	return ready, nil
}
