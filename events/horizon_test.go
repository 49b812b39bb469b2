package events_test

import (
	"testing"
	"time"

	"confman/events"
)

func TestTheHorizonMovesOnlyForwardsAndNotBeyondThePresent(t *testing.T) {
	horizon := func(oldest uint64) events.Horizon {
		return events.Horizon{Oldest: oldest, Chain: events.Chain{byte(oldest)}, Time: time.Unix(int64(oldest), 0).UTC()}
	}
	trim := func(to uint64) events.Command { return events.TrimHistory{To: horizon(to)} }
	trimmed := func(to uint64) []fact { return []fact{{"", "", events.HistoryTrimmed{Horizon: horizon(to)}}} }
	whole, from5 := atLevel(2), atLevel(2) // both have 11 events
	from5.cluster.Horizon = horizon(5)
	guards := []events.Guard{theCluster(10)}
	checkRulings(t, []ruling{
		{name: "the first trim", in: whole, command: trim(2), facts: trimmed(2), guards: guards},
		{name: "of nothing", in: whole, command: trim(1), guards: guards},
		{name: "of nothing, by zero", in: whole, command: trim(0), guards: guards},
		{name: "further", in: from5, command: trim(6), facts: trimmed(6), guards: guards},
		{name: "to where it is", in: from5, command: trim(5), guards: guards},
		{name: "back", in: from5, command: trim(4), guards: guards},
		{name: "all but the newest", in: from5, command: trim(11), facts: trimmed(11), guards: guards},
		{name: "all", in: from5, command: trim(12), facts: trimmed(12), guards: guards},
		{name: "beyond the present", in: from5, command: trim(13), refused: events.ErrInvalid, says: "oldest is 13, and the newest event is 11"},
	})
}

func TestTheEdgeIsThePositionBeforeTheOldest(t *testing.T) {
	for _, tt := range []struct {
		horizon events.Horizon
		first   uint64
		edge    string
	}{
		{events.Horizon{}, 1, "0-00000000"},
		{events.Horizon{Oldest: 1}, 1, "0-00000000"},
		{events.Horizon{Oldest: 8, Chain: events.Chain{0xab, 0xcd}}, 8, "7-abcd0000"},
	} {
		if tt.horizon.First() != tt.first || tt.horizon.Edge().String() != tt.edge {
			t.Errorf("%+v begins at %d, edge %s", tt.horizon, tt.horizon.First(), tt.horizon.Edge())
		}
	}
}
