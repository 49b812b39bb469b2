package events_test

import (
	"errors"
	"testing"

	"confman/events"
)

func theCluster(revision uint64) events.Guard {
	return events.Guard{Subject: events.Subject{Noun: events.TheCluster}, Revision: revision}
}

// atLevel is testWorld at a level.
func atLevel(level events.Level) *world {
	w := testWorld()
	w.cluster.Level, w.cluster.Revision = level, 10
	return &w
}

func TestTheLevelIsRaisedAndNeverLowered(t *testing.T) {
	raise := func(to events.Level) events.Command { return events.RaiseLevel{Level: to} }
	raised := []fact{{"", "", events.ClusterUpgraded{Level: 2}}}
	guards := []events.Guard{theCluster(10)}
	checkRulings(t, []ruling{
		{name: "of a history that never was raised", in: atLevel(0), command: raise(2), facts: raised, guards: guards},
		{name: "by one", in: atLevel(1), command: raise(2), facts: raised, guards: guards},
		{name: "as high already", in: atLevel(2), command: raise(2), guards: guards},
		{name: "lower", in: atLevel(2), command: raise(1), guards: guards},
		{
			name: "higher than this release knows", in: atLevel(2), command: raise(events.NewestLevel + 1),
			refused: events.ErrInvalid, says: "run a newer one",
		},
	})
}

func TestWhatNeedsAHigherLevelIsNotWritten(t *testing.T) {
	trim := events.TrimHistory{To: events.Horizon{Oldest: 5}}
	for _, level := range []events.Level{0, 1} {
		_, err := events.Rules{}.Decide(*atLevel(level), trim, testStamp())
		var low *events.LevelError
		if !errors.As(err, &low) || *low != (events.LevelError{Kind: "history.trimmed", Needs: 2, Has: 1}) || !errors.Is(err, events.ErrConflict) {
			t.Errorf("at level %d: %v", level, err)
		}
	}
	if _, err := (events.Rules{}).Decide(*atLevel(2), trim, testStamp()); err != nil {
		t.Errorf("at level 2: %v", err)
	}
}

func TestALevelFromTheFutureIsNotForThisRelease(t *testing.T) {
	for level, known := range map[events.Level]bool{0: true, events.FirstLevel: true, events.NewestLevel: true, events.NewestLevel + 1: false} {
		if err := level.Check(); (err == nil) != known {
			t.Errorf("level %d: %v", level, err)
		}
	}
}
