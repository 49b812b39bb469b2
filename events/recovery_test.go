package events_test

import (
	"slices"
	"testing"

	"confman/events"
)

// atCluster is testWorld in a cluster, at a level.
func atCluster(id string, level events.Level, former ...string) *world {
	w := testWorld()
	w.cluster = events.Cluster{ID: id, Former: former, Level: level, Revision: 10}
	return &w
}

func TestAHistoryGoesOnInANewClusterOnce(t *testing.T) {
	recovered := events.ClusterRecovered{Cluster: "new", Previous: "old", Node: "n3", RaftTerm: 4, RaftIndex: 99}
	restored := events.ClusterRestored{Cluster: "new", Previous: "old", Node: "r1", Position: "7-00000000"}
	again, empty, wordy := recovered, recovered, restored
	again.Cluster, empty.Cluster = "older", ""
	wordy.Comment = "a \x00 in it"
	guards := []events.Guard{theCluster(10)}
	recover := func(e events.ClusterRecovered) events.Command { return events.RecoverCluster{Recovered: e} }
	restore := func(e events.ClusterRestored) events.Command { return events.RestoreCluster{Restored: e} }
	checkRulings(t, []ruling{
		{name: "recovered", in: atCluster("old", 5), command: recover(recovered), facts: []fact{{"", "", recovered}}, guards: guards},
		{name: "restored", in: atCluster("old", 5), command: restore(restored), facts: []fact{{"", "", restored}}, guards: guards},
		{name: "recovered already", in: atCluster("new", 5, "old"), command: recover(recovered), guards: guards},
		{name: "restored already", in: atCluster("new", 5, "old"), command: restore(restored), guards: guards},
		{name: "of a third cluster", in: atCluster("third", 5), command: recover(recovered), refused: events.ErrConflict, says: "third"},
		{name: "back to an identity it had", in: atCluster("old", 5, "older"), command: recover(again), refused: events.ErrInvalid, says: "not a new identity"},
		{name: "to no identity", in: atCluster("old", 5), command: recover(empty), refused: events.ErrInvalid, says: "not a new identity"},
		{name: "with an unreadable comment", in: atCluster("old", 5), command: restore(wordy), refused: events.ErrInvalid, says: "control character"},
		{name: "at a lower level", in: atCluster("old", 4), command: recover(recovered), refused: events.ErrConflict, says: "needs feature level 5"},
	})
}

func TestAClusterKnowsWhatItWas(t *testing.T) {
	one := events.Cluster{ID: "a", Revision: 1}
	two := one.GoesOn("b", 7)
	three, other := two.GoesOn("c", 9), two.GoesOn("d", 9)
	if three.ID != "c" || three.Revision != 9 || !slices.Equal(three.Former, []string{"a", "b"}) || !three.Was("a") || three.Was("c") || three.Was("") {
		t.Errorf("%+v", three)
	}
	if one.Former != nil || !slices.Equal(two.Former, []string{"a"}) || !slices.Equal(other.Former, []string{"a", "b"}) {
		t.Errorf("earlier ones changed: %+v, %+v, %+v", one, two, other)
	}
}
