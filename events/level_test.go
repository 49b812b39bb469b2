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

// What a member of level 2 could not read is not written before all can; what it
// can read is written as it always was.
func TestGovernedChangeNeedsLevel3(t *testing.T) {
	tagged := put("pay", "url", `"b"`)
	tagged.Tags = &[]string{"t"}
	back := events.Restore{Entries: []events.Restored{{Namespace: "pay", Key: "zone", AsOf: 1}}}
	for _, tt := range []struct {
		command events.Command
		kind    events.Kind
	}{
		{tagged, "config.updated"},
		{back, "config.deleted"},
		{events.SaveDraft{Namespace: "pay", Key: "url", Content: content(`1`)}, "draft.saved"},
		{events.PutRoles{Namespace: "pay", Roles: events.Roles{Inherit: new(false)}}, "namespace.roles-changed"},
		{events.PutSchema{Namespace: "pay", Schema: events.SchemaDoc{Schema: schema(`true`)}}, "namespace.schema-changed"},
		{events.PutSettings{Namespace: "pay", Settings: events.Settings{MinApprovers: new(2)}}, "namespace.settings-changed"},
		{events.CreateWebhook{ID: "w", Properties: goldenWebhook, Secret: goldenSecret}, "webhook.created"},
		{events.CreateKey{ID: "k9", Name: "n", Digest: "d", By: granted("root", events.Admin, "/")}, "key.created"},
	} {
		_, err := events.Rules{}.Decide(*atLevel(2), tt.command, testStamp())
		var low *events.LevelError
		if !errors.As(err, &low) || *low != (events.LevelError{Kind: tt.kind, Needs: 3, Has: 2}) {
			t.Errorf("%T at level 2: %v", tt.command, err)
		}
		if _, err := (events.Rules{}).Decide(*atLevel(3), tt.command, testStamp()); err != nil {
			t.Errorf("%T at level 3: %v", tt.command, err)
		}
	}
	for level, want := range map[events.Level]events.Noun{1: events.TheCluster, 2: events.TheCluster, 3: events.ThePolicies} {
		p, err := events.Rules{}.Decide(*atLevel(level), put("pay", "url", `"b"`), testStamp())
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Guards[len(p.Guards)-1].Subject.Noun; got != want {
			t.Errorf("at level %d a write guards noun %d, want %d", level, got, want)
		}
	}
}

func TestALevelFromTheFutureIsNotForThisRelease(t *testing.T) {
	for level, known := range map[events.Level]bool{0: true, events.FirstLevel: true, events.NewestLevel: true, events.NewestLevel + 1: false} {
		if err := level.Check(); (err == nil) != known {
			t.Errorf("level %d: %v", level, err)
		}
	}
}
