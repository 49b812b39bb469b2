package replication

import (
	"context"
	"maps"
	"sync"
	"time"
)

const (
	// clockInterval is between looks at the clocks of the others.
	clockInterval = 30 * time.Second
	// maxSkew is how far a member's clock may be off. Nothing goes wrong then:
	// times are for people, and so is the warning. Schedules and change windows
	// follow whichever member leads.
	maxSkew = time.Second
)

// around is what a node has seen of the others, and since when it runs.
type around struct {
	started time.Time

	mu   sync.Mutex // guards the fields below
	skew map[string]time.Duration
	lost string // why the members do not find this node, or it does not find them
}

// lose notes why the node has no place, empty when it has, and reports whether
// that is new.
func (a *around) lose(why string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	changed := a.lost != why
	a.lost = why
	return changed
}

func (a *around) nowhere() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lost
}

func (a *around) note(members []MemberStatus) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := map[string]time.Duration{}
	for _, m := range members {
		if m.Error == "" {
			seen[m.ID] = m.Skew
		} else if before, known := a.skew[m.ID]; known {
			seen[m.ID] = before
		}
	}
	a.skew = seen
}

// Skews is by how much the members' clocks were ahead of this node's when they
// last answered, by ID; negative where they were behind. A look is half a minute
// old at most.
func (n *Node) Skews() map[string]time.Duration {
	n.around.mu.Lock()
	defer n.around.mu.Unlock()
	return maps.Clone(n.around.skew)
}

// compareClocks looks at the clocks of the others until the context ends, and
// logs once when one is off and once when it no longer is.
func (n *Node) compareClocks(ctx context.Context) {
	tick := time.NewTicker(clockInterval)
	defer tick.Stop()
	off := map[string]bool{}
	for {
		if _, err := n.Members(ctx); err == nil {
			n.sayClocks(off)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (n *Node) sayClocks(off map[string]bool) {
	for id, skew := range n.Skews() {
		now := skew.Abs() > maxSkew
		if now == off[id] {
			continue
		}
		off[id] = now
		if now {
			n.config.Log.Warn().Str("member", id).Dur("aheadMs", skew).Msg("the clock of a member differs from ours by more than a second: synchronize both")
		} else {
			n.config.Log.Info().Str("member", id).Msg("the clock of a member agrees with ours again")
		}
	}
}
