package cli

import (
	"testing"
	"time"
	_ "time/tzdata" // also where the machine has none
)

func TestMomentsAreReadAsPeopleSayThem(t *testing.T) {
	zone := time.FixedZone("", 2*60*60)
	now := time.Date(2026, 11, 23, 3, 15, 30, 0, zone)
	tests := map[string]string{
		"1042":                      "1042",
		"0":                         "0",
		"1042-9f3c2a1b":             "1042-9f3c2a1b",
		"2026-11-22T14:00:00Z":      "2026-11-22T14:00:00Z",
		"2026-11-22T14:00:00+01:00": "2026-11-22T13:00:00Z",
		"2026-11-22T14:00:00.5Z":    "2026-11-22T14:00:00.5Z",
		"2026-11-22":                "2026-11-21T22:00:00Z",
		"2026-11-22 14:00":          "2026-11-22T12:00:00Z",
		"2026-11-22 14:00:07":       "2026-11-22T12:00:07Z",
		"2026-11-22T14:00":          "2026-11-22T12:00:00Z",
		"now":                       "",
		"today":                     "2026-11-22T22:00:00Z",
		"yesterday":                 "2026-11-21T22:00:00Z",
		"2h ago":                    "2026-11-22T23:15:30Z",
		"-2h":                       "2026-11-22T23:15:30Z",
		"30m":                       "2026-11-23T00:45:30Z",
		"3d":                        "2026-11-20T01:15:30Z",
		"1w2d12h ago":               "2026-11-13T13:15:30Z",
		"-1.5h":                     "2026-11-22T23:45:30Z",
	}
	for text, want := range tests {
		p, err := parsePoint(text, now)
		if err != nil || p.wire() != want || p.String() != text {
			t.Errorf("%q is %q, %v; want %q", text, p.wire(), err, want)
		}
	}
	for _, text := range []string{"", " ", "-", "ago", " ago", "--2h", "-2h ago", "2 hours ago", "1042-9f3c", "2026-13-01", "2026-11-22 25:00", "tomorrow", "3dd", "1d1w", "h", "99999999999999999999"} {
		if p, err := parsePoint(text, now); err == nil {
			t.Errorf("%q is taken for %q", text, p.wire())
		}
	}
}

// A day that a change of the clocks makes longer is still one day.
func TestDaysAgoAreDaysOfTheCalendar(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 10, 26, 12, 0, 0, 0, berlin) // the day after summer time ended
	p, err := parsePoint("2d", now)
	if err != nil || p.wire() != "2026-10-24T10:00:00Z" {
		t.Errorf("2d before %v is %q, %v", now, p.wire(), err)
	}
}

func TestMomentsStandBeforeOrAfterEvents(t *testing.T) {
	noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	event, moment := point{position: "7-00000000"}, point{time: noon}
	if event.isBefore(7, noon) || !event.isBefore(8, noon) {
		t.Error("an event is not where it is")
	}
	if moment.isBefore(7, noon) || !moment.isBefore(7, noon.Add(1)) {
		t.Error("a time is not where it is")
	}
}
