package replication

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"confman/events"
)

// knows is the feature level that this node says it knows.
func (n *Node) knows() events.Level { return cmp.Or(n.config.tuning.level, events.NewestLevel) }

// raiseLevel raises the feature level of the history, once every member, with a
// vote or without, has said that it knows it. Its error names those that do not,
// and those that do not answer: what they know cannot be told.
func (n *Node) raiseLevel(ctx context.Context, e *engine, to events.Level) error {
	members := e.servers()
	if len(members) == 0 {
		return fmt.Errorf("the members are not known now: %w", events.ErrUnavailable)
	}
	var behind []string
	for _, m := range members {
		if lacks := n.lacks(ctx, m, to); lacks != "" {
			behind = append(behind, lacks)
		}
	}
	if len(behind) > 0 {
		return &events.Refusal{Kind: events.ErrConflict, Detail: fmt.Sprintf(
			"feature level %d is needed, and not every member is known to have it: %s", to, strings.Join(behind, "; "))}
	}
	if _, err := n.Submit(ctx, events.RaiseLevel{Level: to}, events.Stamp{Time: time.Now(), ID: newULID(), Actor: events.System}); err != nil {
		return fmt.Errorf("raise the feature level to %d: %w", to, err)
	}
	n.config.Log.Info().Uint("featureLevel", uint(to)).Msg("the feature level is raised: releases that do not know it can no longer take part")
	return nil
}

// lacks says why a member is not known to know a level; empty when it is.
func (n *Node) lacks(ctx context.Context, m raft.Server, level events.Level) string {
	a := peerAnswer{Node: n.config.ID, Report: Report{Level: n.knows()}}
	if string(m.ID) != n.config.ID {
		a = peerAnswer{}
		if err := n.ask.call(ctx, string(m.Address), pathIdentity, nil, &a); err != nil {
			return fmt.Sprintf("%s at %s does not answer (%v)", m.ID, m.Address, err)
		}
	}
	switch knows := max(a.Level, events.FirstLevel); {
	case a.Node != string(m.ID):
		return fmt.Sprintf("at %s there is %s instead of %s", m.Address, a.Node, m.ID)
	case knows < level:
		return fmt.Sprintf("%s at %s knows level %d, upgrade it", m.ID, m.Address, knows)
	}
	return ""
}
