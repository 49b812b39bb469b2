package streams_test

import (
	"encoding/json"
	"testing"
	"time"

	"confman/api/wire"
	. "confman/cmd/torture/streams"
)

// history is the entry app/k: one, two, deleted, three.
func history(t *testing.T) *Log {
	t.Helper()
	key, values := "k", []string{"one", "two", "", "three"}
	var audit []wire.AuditEvent
	for i, v := range values {
		e := wire.AuditEvent{Action: "config.updated", Namespace: "app", Key: &key, Provenance: wire.Provenance{Index: uint64(i) + 1}}
		if v != "" {
			e.NewValue = &values[i]
		}
		audit = append(audit, e)
	}
	l, err := NewLog(audit)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func entry(value string, index, version uint64) *wire.ConfigEntry {
	return &wire.ConfigEntry{Namespace: "app", Key: "k", Value: json.RawMessage(`"` + value + `"`), Index: index, Version: version}
}

func TestReadsAreHeldAgainstTheLog(t *testing.T) {
	l := history(t)
	for _, test := range []struct {
		name  string
		read  Read
		right bool
	}{
		{"as told", Read{Told: 2, Index: 2, Entry: entry("two", 2, 2)}, true},
		{"later than told", Read{Told: 1, Index: 2, Entry: entry("two", 2, 2)}, true},
		{"not visible when told", Read{Told: 2, Index: 1, Entry: entry("one", 1, 1)}, false},
		{"an index that the state is not of", Read{Told: 2, Index: 2, Entry: entry("one", 1, 1)}, false},
		{"deleted", Read{Told: 3, Index: 3}, true},
		{"deleted and there", Read{Told: 3, Index: 3, Entry: entry("two", 2, 2)}, false},
		{"there and not found", Read{Told: 2, Index: 2}, false},
		{"a version too few", Read{Index: 4, Entry: entry("three", 4, 3)}, false},
		{"beyond the log", Read{Index: 5, Entry: entry("three", 4, 4)}, false},
	} {
		test.read.Namespace, test.read.Key = "app", "k"
		if err := l.CheckRead(test.read); (err == nil) != test.right {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestPollsAnswerWithAChangeOrWhenTheWaitIsOver(t *testing.T) {
	l := history(t)
	for _, test := range []struct {
		name    string
		known   uint64
		took    time.Duration
		stopped bool
		right   bool
	}{
		{"changed", 1, 0, false, true},
		{"nothing new", 2, time.Millisecond, false, false},
		{"nothing new in time", 2, time.Second, false, true},
		{"nothing new from a node that stops", 2, time.Millisecond, true, true},
	} {
		p := Poll{
			Read:  Read{Node: "n1", Namespace: "app", Key: "k", Index: 2, Entry: entry("two", 2, 2)},
			Known: test.known, Began: moment, Wait: time.Second, Took: test.took,
		}
		stop := Break{Node: "n1", Told: test.stopped, From: moment, To: moment.Add(time.Second)}
		if err := l.CheckPoll(p, []Break{stop}); (err == nil) != test.right {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestAFilterLetsThroughWhatItsWordsSay(t *testing.T) {
	event := func(action, namespace, key string) wire.AuditEvent {
		e := wire.AuditEvent{Action: action, Namespace: namespace, Provenance: wire.Provenance{Index: 1}}
		if key != "" {
			e.Key = &key
		}
		return e
	}
	change, made, minted := event("config.updated", "teams/pay", "db/url"), event("namespace.created", "teams/pay", ""), event("key.created", "", "")
	viewer := func(namespace, keys string) []wire.Grant {
		return []wire.Grant{{Namespace: namespace, Role: wire.RoleViewer, Keys: keys}}
	}
	for _, test := range []struct {
		filter               Filter
		change, made, minted bool
	}{
		{Filter{}, true, false, false},
		{Filter{Events: "all"}, true, true, true},
		{Filter{Events: "all", Namespaces: []string{"/"}}, true, true, true},
		{Filter{Events: "namespace"}, false, true, false},
		{Filter{Events: "key,config.updated"}, true, false, true},
		{Filter{Events: "config.created,conf"}, false, false, false},
		{Filter{Events: "all", Namespaces: []string{"teams"}}, true, true, false},
		{Filter{Events: "all", Namespaces: []string{"team", "teams/pa", "other"}}, false, false, false},
		{Filter{Events: "all", Namespaces: []string{"other", "teams/pay"}}, true, true, false},
		{Filter{Events: "all", Key: "db/url"}, true, false, false},
		{Filter{Events: "all", Key: "db"}, false, false, false},
		{Filter{Events: "all", Prefix: "db"}, true, false, false},
		{Filter{Events: "all", Prefix: "url"}, false, false, false},
		{Filter{Events: "all", Grants: viewer("teams", "")}, true, true, false},
		{Filter{Events: "all", Grants: viewer("/", "")}, true, true, false},
		{Filter{Events: "all", Grants: viewer("team", "")}, false, false, false},
		{Filter{Events: "all", Grants: viewer("/", "db/*")}, true, false, false},
		{Filter{Events: "all", Grants: viewer("teams/pay", "db")}, false, false, false},
		{Filter{Events: "all", Grants: []wire.Grant{{Namespace: "/", Role: wire.RoleAdmin}}}, true, true, true},
	} {
		for _, e := range []struct {
			event wire.AuditEvent
			want  bool
		}{{change, test.change}, {made, test.made}, {minted, test.minted}} {
			l, err := NewLog([]wire.AuditEvent{e.event})
			if err != nil {
				t.Fatal(err)
			}
			if got := len(l.Matches(test.filter)) == 1; got != e.want {
				t.Errorf("%+v lets %s through: %v", test.filter, e.event.Action, got)
			}
		}
	}
}

func TestAHistoryWithAHoleIsNone(t *testing.T) {
	if _, err := NewLog([]wire.AuditEvent{{Provenance: wire.Provenance{Index: 1}}, {Provenance: wire.Provenance{Index: 3}}}); err == nil {
		t.Error("accepted")
	}
}
