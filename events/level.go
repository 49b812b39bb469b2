package events

import "fmt"

// Level is a feature level: it says which kinds of events, in which shapes, a
// history may hold. A node must not write what some member cannot read, and a
// member that meets such an event stops. So each row of the catalogue names the
// level it needs, and a history rises to a level, by an event of its own, only
// when every member has said that it knows that level.
type Level uint

const (
	// FirstLevel is where every history begins.
	FirstLevel Level = 1
	// NewestLevel is the highest that this release knows.
	NewestLevel Level = 5
)

// Check returns an error when a history at this level is not for this release.
func (l Level) Check() error {
	if l > NewestLevel {
		return fmt.Errorf("feature level %d is unknown to this release, which knows up to %d; run a newer one", l, NewestLevel)
	}
	return nil
}

// LevelError refuses to write what needs a higher level than the history is at.
// It is an [ErrConflict]. Who can ask the members may have the level raised
// ([RaiseLevel]) and decide again.
type LevelError struct {
	Kind       Kind
	Needs, Has Level
}

func (e *LevelError) Error() string {
	return fmt.Sprintf("%s needs feature level %d, the history is at %d", e.Kind, e.Needs, e.Has)
}

// Unwrap returns [ErrConflict].
func (e *LevelError) Unwrap() error { return ErrConflict }

// ClusterUpgraded raises the level of the history. Every member has said that
// it knows the level, and with it this event.
type ClusterUpgraded struct {
	Level Level `json:"level"`
}

// Kind is "cluster.upgraded".
func (ClusterUpgraded) Kind() Kind { return "cluster.upgraded" }

// RaiseLevel raises the level of the history; one that is as high already stays
// as it is. The caller has asked every member, learners too, whether it knows
// the level.
type RaiseLevel struct {
	Level Level
}

func (c RaiseLevel) decide(d *decision) error {
	if err := c.Level.Check(); err != nil {
		return Invalid("/level", "%v", err)
	}
	now := d.view.Cluster()
	d.holds(Subject{Noun: TheCluster}, now.Revision)
	if c.Level > now.FeatureLevel() {
		d.record("", "", ClusterUpgraded(c))
	}
	return nil
}
