package wire_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
)

var moment = time.Date(2026, 1, 23, 10, 30, 0, 500_000_000, time.UTC)

func pointer[T any](v T) *T { return &v }

// Scripts older than this package read these lines. A line here may grow at its
// end; nothing before that may change.
func TestCompatibleShapesKeepTheirBytes(t *testing.T) {
	tests := []struct {
		name  string
		value any
		want  string // the compatible beginning
		rest  string // what follows it
	}{
		{
			"namespace without description",
			wire.Namespace{Path: "teams/pay", Owner: "ana", CreatedAt: moment},
			`{"path":"teams/pay","description":null,"owner":"ana","createdAt":"2026-01-23T10:30:00.5Z"`, `}`,
		},
		{
			"namespace",
			wire.Namespace{Path: "pay", Description: pointer("Payments"), Owner: "ana", CreatedAt: moment, Index: 3, Position: "3-9f3c2a1b"},
			`{"path":"pay","description":"Payments","owner":"ana","createdAt":"2026-01-23T10:30:00.5Z"`, `,"index":3,"position":"3-9f3c2a1b"}`,
		},
		{
			"entry",
			wire.ConfigEntry{Namespace: "pay", Key: "db.url", Value: json.RawMessage(`"x"`), Type: "string", Version: 6, UpdatedAt: moment, UpdatedBy: "ana", From: "pay"},
			`{"namespace":"pay","key":"db.url","value":"x","type":"string","version":6,"updatedAt":"2026-01-23T10:30:00.5Z","updatedBy":"ana"`, `,"from":"pay"}`,
		},
		{
			"bulk row",
			wire.BulkEntry{NS: "pay", Key: "n", Value: json.RawMessage(`1.50`), Type: "number", Version: 1, UpdatedAt: moment, UpdatedBy: "ana"},
			`{"ns":"pay","key":"n","value":1.50,"type":"number","version":1,"updatedAt":"2026-01-23T10:30:00.5Z","updatedBy":"ana"`, `}`,
		},
		{
			"audit event of a namespace",
			wire.AuditEvent{Timestamp: moment, Action: "namespace.created", Actor: "ana", Namespace: "pay", Provenance: wire.Provenance{ID: "01J", Index: 1, Position: "1-00000000", RaftTerm: 2, RaftIndex: 5}},
			`{"timestamp":"2026-01-23T10:30:00.5Z","action":"namespace.created","actor":"ana","namespace":"pay","key":null,"oldValue":null,"newValue":null`,
			`,"id":"01J","index":1,"position":"1-00000000","raftTerm":2,"raftIndex":5}`,
		},
		{
			"audit event of a key",
			wire.AuditEvent{Timestamp: moment, Action: "config.updated", Actor: "ana", Namespace: "pay", Key: pointer("n"), OldValue: pointer("1"), NewValue: pointer("two")},
			`{"timestamp":"2026-01-23T10:30:00.5Z","action":"config.updated","actor":"ana","namespace":"pay","key":"n","oldValue":"1","newValue":"two"`,
			`,"id":"","index":0,"position":"","raftTerm":0,"raftIndex":0}`,
		},
		{
			"health",
			wire.Health{Status: wire.StatusHealthy, Timestamp: moment},
			`{"status":"healthy","timestamp":"2026-01-23T10:30:00.5Z"}`, ``,
		},
		{
			"ready",
			wire.Ready{Status: wire.StatusReady, Timestamp: moment, Reasons: []string{}, Quorum: true, Cluster: wire.ClusterState{
				Role: wire.MemberFollower, LeaderKnown: true, Leader: pointer("http://127.0.0.1:6100/"), Term: 5,
			}},
			`{"status":"ready","timestamp":"2026-01-23T10:30:00.5Z","cluster":{"role":"follower","leaderKnown":true,"leader":"http://127.0.0.1:6100/","term":5}`,
			`,"reasons":[],"eventIndex":0,"lag":0,"quorum":true}`,
		},
		{
			"not ready",
			wire.Ready{Status: wire.StatusNotReady, Timestamp: moment, Reasons: []string{"no leader"}, Cluster: wire.ClusterState{Role: wire.MemberCandidate, Term: 5}},
			`{"status":"not_ready","timestamp":"2026-01-23T10:30:00.5Z","cluster":{"role":"candidate","leaderKnown":false,"leader":null,"term":5}`,
			`,"reasons":["no leader"],"eventIndex":0,"lag":0,"quorum":false}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := json.Marshal(test.value)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want+test.rest {
				t.Errorf("got  %s\nwant %s", got, test.want+test.rest)
			}
		})
	}
}

// A body without a value asks for something else than one with the value null.
func TestPutConfigTellsNullFromAbsent(t *testing.T) {
	for body, want := range map[string]json.RawMessage{`{}`: nil, `{"value":null}`: json.RawMessage("null"), `{"value":1e3,"more":1}`: json.RawMessage("1e3")} {
		var put wire.PutConfig
		if err := json.Unmarshal([]byte(body), &put); err != nil {
			t.Fatal(err)
		}
		if (put.Value == nil) != (want == nil) || !bytes.Equal(put.Value, want) {
			t.Errorf("%s: value %q, want %q", body, put.Value, want)
		}
	}
}

// Every exported field of every shape names its JSON member in camelCase.
func TestMembersAreCamelCase(t *testing.T) {
	shapes := []any{
		wire.Namespace{},
		wire.PutNamespace{},
		wire.ConfigEntry{},
		wire.PutConfig{},
		wire.BulkEntry{},
		wire.HistoryVersion{},
		wire.Transaction{},
		wire.TransactionResult{},
		wire.OperationResult{},
		wire.Problem{},
		wire.AuditEvent{},
		wire.Event{},
		wire.ConfigChange{},
		wire.NewKey{},
		wire.APIKey{},
		wire.Principal{},
		wire.Ready{},
		wire.Cluster{},
		wire.Member{},
		wire.NewMember{},
		wire.TransferLeader{},
		wire.Snapshot{},
	}
	for _, shape := range shapes {
		typ := reflect.TypeOf(shape)
		for _, field := range reflect.VisibleFields(typ) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if field.Anonymous && name == "" {
				continue
			}
			if name == "" || strings.ContainsAny(name, "_-") || strings.ToLower(name[:1]) != name[:1] {
				t.Errorf("%s.%s: JSON member %q", typ.Name(), field.Name, name)
			}
		}
	}
}
