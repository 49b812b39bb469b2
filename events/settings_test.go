package events_test

import (
	"maps"
	"testing"
	"time"

	"confman/events"
)

func TestSettingsComeFromTheNearestNamespaceThatSetsThem(t *testing.T) {
	w := governed(
		withSettings("/", events.Settings{RequireApproval: new(true), MinApprovers: new(2), AllowBypass: new(true), Freezes: []events.Freeze{{Reason: "all"}}}),
		withSettings("pay", events.Settings{RequireApproval: new(false), RollbackRequiresApproval: new(true), Windows: []events.Window{{From: "1"}}}),
		withSettings("pay/eu", events.Settings{MinApprovers: new(3), Freezes: []events.Freeze{{Reason: "eu"}}}),
		withSettings("web", events.Settings{Inherit: new(false), MinApprovers: new(4)}),
	)
	for _, tt := range []struct {
		ns                          string
		approval, rollback, bypass  bool
		approvers, windows, freezes int
		from                        map[string]string
	}{
		{"/", true, false, true, 2, 0, 1, map[string]string{"requireApproval": "/", "minApprovers": "/", "allowBypass": "/", "freezes": "/"}},
		{"pay", false, true, true, 2, 1, 1, map[string]string{
			"requireApproval": "pay", "minApprovers": "/", "allowBypass": "/", "freezes": "/", "rollbackRequiresApproval": "pay", "windows": "pay",
		}},
		{"pay/eu/de", false, true, true, 3, 1, 2, nil},
		{"web", false, false, false, 4, 0, 1, map[string]string{"minApprovers": "web", "freezes": "/"}},
		{"web/x", false, false, false, 4, 0, 1, nil},
		{"other", true, false, true, 2, 0, 1, nil},
	} {
		e := events.EffectiveSettings(w, tt.ns)
		if e.RequireApproval != tt.approval || e.RollbackRequiresApproval != tt.rollback || e.AllowBypass != tt.bypass ||
			e.MinApprovers != tt.approvers || len(e.Windows) != tt.windows || len(e.Freezes) != tt.freezes {
			t.Errorf("%s: %+v", tt.ns, e)
		}
		if tt.from != nil && !maps.Equal(e.From, tt.from) {
			t.Errorf("%s: from %v, want %v", tt.ns, e.From, tt.from)
		}
	}
	if e := events.EffectiveSettings(governed(), "pay"); e.MinApprovers != 1 || e.RequireApproval || len(e.From) > 0 {
		t.Errorf("by default: %+v", e)
	}
}

func clockAt(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// 2 March 2026 was a Monday.
func TestWhenWindowsOpen(t *testing.T) {
	week := []string{"mon", "tue", "wed", "thu", "fri"}
	for _, tt := range []struct {
		name     string
		w        []events.Window
		at, next string // the same: open then
	}{
		{"inside", []events.Window{{From: "09:00", To: "17:00"}}, "2026-03-02T12:00:00Z", "2026-03-02T12:00:00Z"},
		{"as it opens", []events.Window{{From: "09:00", To: "17:00"}}, "2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z"},
		{"as it closes", []events.Window{{From: "09:00", To: "17:00"}}, "2026-03-02T17:00:00Z", "2026-03-03T09:00:00Z"},
		{"before", []events.Window{{From: "09:00", To: "17:00"}}, "2026-03-02T08:59:59Z", "2026-03-02T09:00:00Z"},
		{"over the weekend", []events.Window{{Days: week, From: "09:00", To: "17:00"}}, "2026-03-06T17:00:00Z", "2026-03-09T09:00:00Z"},
		{"a day a week, a moment too late", []events.Window{{Days: []string{"mon"}, From: "09:00", To: "10:00"}}, "2026-03-02T10:00:00Z", "2026-03-09T09:00:00Z"},
		{"over midnight, before it", []events.Window{{Days: []string{"mon"}, From: "22:00", To: "06:00"}}, "2026-03-02T23:00:00Z", "2026-03-02T23:00:00Z"},
		{"over midnight, after it", []events.Window{{Days: []string{"mon"}, From: "22:00", To: "06:00"}}, "2026-03-03T05:59:59Z", "2026-03-03T05:59:59Z"},
		{"over midnight, of the day before", []events.Window{{Days: []string{"mon"}, From: "22:00", To: "06:00"}}, "2026-03-02T05:00:00Z", "2026-03-02T22:00:00Z"},
		{"the whole day", []events.Window{{Days: []string{"mon"}, From: "00:00", To: "00:00"}}, "2026-03-02T23:59:59Z", "2026-03-02T23:59:59Z"},
		{"the whole day, over", []events.Window{{Days: []string{"mon"}, From: "00:00", To: "00:00"}}, "2026-03-03T00:00:00Z", "2026-03-09T00:00:00Z"},
		{"in a zone", []events.Window{{From: "09:00", To: "17:00", Timezone: "America/New_York"}}, "2026-03-02T13:59:59Z", "2026-03-02T14:00:00Z"},
		{"in a zone where it is tomorrow", []events.Window{{Days: []string{"tue"}, From: "00:00", To: "06:00", Timezone: "Asia/Tokyo"}}, "2026-03-02T16:00:00Z", "2026-03-02T16:00:00Z"},
		{"summer time begins", []events.Window{{From: "09:00", To: "17:00", Timezone: "Europe/Berlin"}}, "2026-03-28T17:00:00Z", "2026-03-29T07:00:00Z"},
		{"summer time ends", []events.Window{{From: "09:00", To: "17:00", Timezone: "Europe/Berlin"}}, "2026-10-24T17:00:00Z", "2026-10-25T08:00:00Z"},
		{"it opens in the hour that is skipped", []events.Window{{Days: []string{"sun"}, From: "02:30", To: "05:00", Timezone: "Europe/Berlin"}}, "2026-03-29T02:00:00Z", "2026-03-29T02:00:00Z"},
		{"the hour that is skipped is the day's first", []events.Window{{Days: []string{"sun"}, From: "00:00", To: "06:00", Timezone: "America/Havana"}}, "2026-03-08T06:00:00Z", "2026-03-08T06:00:00Z"},
		{"and the day before is not meant", []events.Window{{Days: []string{"sat"}, From: "00:00", To: "06:00", Timezone: "America/Havana"}}, "2026-03-08T06:00:00Z", "2026-03-14T04:00:00Z"},
		{
			"the sooner of two",
			[]events.Window{{Days: []string{"wed"}, From: "09:00", To: "17:00"}, {Days: []string{"tue"}, From: "20:00", To: "21:00"}},
			"2026-03-02T12:00:00Z", "2026-03-03T20:00:00Z",
		},
	} {
		w := governed(withSettings("pay", events.Settings{Windows: tt.w}))
		at, next := clockAt(t, tt.at), clockAt(t, tt.next)
		got, why := events.Opens(w, []string{"pay"}, at)
		if !got.Equal(next) || (why == "") != at.Equal(next) {
			t.Errorf("%s: at %s it opens at %s (%s), want %s", tt.name, tt.at, got.UTC().Format(time.RFC3339), why, tt.next)
		}
	}
}

func TestWhenSeveralNamespacesAreOpenAtOnce(t *testing.T) {
	freeze := func(from, until string) []events.Freeze {
		return []events.Freeze{{From: clockAt(t, from), Until: clockAt(t, until), Reason: "sale"}}
	}
	w := governed(
		withSettings("pay", events.Settings{Windows: []events.Window{{Days: []string{"mon", "tue", "wed"}, From: "09:00", To: "12:00"}}}),
		withSettings("web", events.Settings{Windows: []events.Window{{From: "11:00", To: "15:00"}}}),
		withSettings("pay/eu", events.Settings{Inherit: new(false), Freezes: freeze("2026-03-02T00:00:00Z", "2026-03-03T11:30:00Z")}),
		withSettings("never/a", events.Settings{Windows: []events.Window{{Days: []string{"mon"}, From: "09:00", To: "10:00"}}}),
		withSettings("never/b", events.Settings{Windows: []events.Window{{Days: []string{"tue"}, From: "09:00", To: "10:00"}}}),
		withSettings("/", events.Settings{Freezes: freeze("2026-03-10T00:00:00Z", "2026-03-12T00:00:00Z")}),
	)
	for _, tt := range []struct {
		name       string
		namespaces []string
		at, next   string
		says       string
	}{
		{"one", []string{"pay"}, "2026-03-02T08:00:00Z", "2026-03-02T09:00:00Z", "namespace pay is outside the change windows, the next opens at 2026-03-02T09:00:00Z"},
		{"two", []string{"pay", "web"}, "2026-03-02T08:00:00Z", "2026-03-02T11:00:00Z", ""},
		{"two, missed", []string{"web", "pay"}, "2026-03-04T12:00:00Z", "2026-03-09T11:00:00Z", ""},
		{"frozen", []string{"pay/eu"}, "2026-03-02T08:00:00Z", "2026-03-03T11:30:00Z", "namespace pay/eu is frozen until 2026-03-03T11:30:00Z: sale"},
		{"frozen, then outside the window of another", []string{"pay", "pay/eu"}, "2026-03-02T10:00:00Z", "2026-03-03T11:30:00Z", ""},
		{"frozen from above, although cut off", []string{"pay/eu"}, "2026-03-10T12:00:00Z", "2026-03-12T00:00:00Z", "frozen"},
		{"a freeze over the windows of days", []string{"pay"}, "2026-03-10T12:00:00Z", "2026-03-16T09:00:00Z", ""},
		{"as the freeze ends", []string{"pay/eu"}, "2026-03-12T00:00:00Z", "2026-03-12T00:00:00Z", ""},
		{"none", nil, "2026-03-10T12:00:00Z", "2026-03-10T12:00:00Z", ""},
	} {
		at, next := clockAt(t, tt.at), clockAt(t, tt.next)
		got, why := events.Opens(w, tt.namespaces, at)
		if !got.Equal(next) || (why == "") != at.Equal(next) || tt.says != "" && !contains(why, tt.says) {
			t.Errorf("%s: %s (%s), want %s (%s)", tt.name, got.UTC().Format(time.RFC3339), why, tt.next, tt.says)
		}
	}
	at := clockAt(t, "2026-03-02T09:30:00Z")
	if got, why := events.Opens(w, []string{"never/a", "never/b"}, at); !got.After(at) || why == "" {
		t.Errorf("what is never open at once opens at %s (%s)", got, why)
	}
}
