package events_test

import (
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"confman/events"
)

// goldenEvents is what each golden body means today. A body in a retired shape
// stays here with what it is brought up to.
var goldenEvents = both(both(both(goldenGovernance, goldenAudit), goldenRecovery), map[string]events.Event{
	"cluster.formed.1": {
		ID: goldenID(1), Actor: "operator", CorrelationID: "form-1", Transaction: goldenID(1).String(),
		Data: events.ClusterFormed{ID: goldenID(9).String(), Members: []events.FoundingPeer{
			{ID: "n1", Address: "10.0.0.1:8080"}, {ID: "n2", Address: "10.0.0.2:8080"},
		}},
	},
	"cluster.upgraded.1": {ID: goldenID(10), Actor: events.System, Data: events.ClusterUpgraded{Level: 2}},
	"history.trimmed.1": {
		ID: goldenID(11), Actor: events.System,
		Data: events.HistoryTrimmed{Horizon: events.Horizon{
			Oldest: 1042, Chain: events.Chain{0x9f, 0x3c, 0x2a, 0x1b, 31: 7}, Time: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC),
		}},
	},
	"namespace.created.1": {
		ID: goldenID(2), Actor: "ann", Namespace: "teams/pay", CorrelationID: "c-2",
		Data: events.NamespaceCreated{NamespaceProperties: events.NamespaceProperties{Description: new("Payments"), Owner: "ann"}},
	},
	"namespace.updated.1": {
		ID: goldenID(3), Actor: "ann", Namespace: "teams/pay", CorrelationID: "c-3",
		Data: events.NamespaceUpdated{
			NamespaceProperties: events.NamespaceProperties{Description: new(""), Owner: "bob"},
			Previous:            events.NamespaceProperties{Description: new("Payments"), Owner: "ann"},
		},
	},
	"namespace.deleted.1": {
		ID: goldenID(4), Actor: "bob", Namespace: "teams/pay", CorrelationID: "c-4",
		Data: events.NamespaceDeleted{Previous: events.NamespaceProperties{Owner: "bob"}},
	},
	"config.created.1": {
		ID: goldenID(5), Actor: "ann", Namespace: "teams/pay", Key: "db/url", CorrelationID: "c-5", Request: "pr-7",
		Data: events.ConfigCreated{
			Value: events.Value{Type: events.JSON, JSON: []byte(`{"n":1.10,"wide":12345678901234567890,"s":"é<\\\n"}`)}, Version: 1,
			Description: "where the database is", Comment: "first\nlines",
		},
	},
	"config.updated.1": {
		ID: goldenID(6), Actor: "bob", Namespace: "teams/pay", Key: "db/url", CorrelationID: "c-6", Transaction: goldenID(6).String(),
		Data: events.ConfigUpdated{
			Value: events.Value{Type: events.Number, JSON: []byte(`-0.50e+3`)}, Version: 8, Description: "now a number", Comment: "why",
			Previous: events.Version{Value: events.Value{Type: events.Binary, JSON: []byte(`"AAE="`)}, Version: 7},
		},
	},
	"config.deleted.1": {
		ID: goldenID(7), Actor: "bob", Namespace: "teams/pay", Key: "db/url", CorrelationID: "c-7",
		Data: events.ConfigDeleted{
			Version: 9, Comment: "gone",
			Previous: events.Version{Value: events.Value{Type: events.SecretRef, JSON: []byte(`"vault://db#url"`)}, Version: 8},
		},
	},
	"key.created.1": {
		ID: goldenID(8), Actor: "operator", CorrelationID: "c-8",
		Data: events.KeyCreated{
			ID: "k1", Name: "deploys", Principal: "ci", Digest: events.DigestKey("secret"),
			Grants: []events.Grant{
				{Namespace: "/", Role: events.Viewer},
				{Namespace: "teams/pay", Role: events.Publisher, Keys: "db/*"},
			},
			ExpiresAt: time.Date(2030, 1, 2, 3, 4, 5, 600, time.UTC),
		},
	},
	"key.revoked.1": {ID: goldenID(9), Actor: "operator", CorrelationID: "c-9", Data: events.KeyRevoked{ID: "k1"}},
})

func both(a, b map[string]events.Event) map[string]events.Event {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func goldenID(n byte) ulid.ULID {
	return ulid.ULID{0x01, 0x9a, 0xa0, 0xb1, 0xc2, 0xd3, 1, 2, 3, 4, 5, 6, 7, 8, 9, n}
}

func TestHistoryStillDecodes(t *testing.T) {
	for name, want := range goldenEvents {
		got, err := events.DecodeEvent(golden(t, name+".json"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s decodes to\n%#v, want\n%#v", name, got, want)
		}
	}
}

// No shape is retired yet: each is the oldest that can hold what its golden file
// means, and is written as such.
func TestShapesAreWrittenAsTheyAlwaysWere(t *testing.T) {
	for name, e := range goldenEvents {
		got, err := e.Encode()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if want := golden(t, name+".json"); string(got) != string(want) {
			t.Errorf("%s encodes to\n%s, want\n%s", name, got, want)
		}
	}
}

func TestEveryShapeHasItsGoldenFile(t *testing.T) {
	shapes := map[string]bool{}
	for _, kind := range events.Kinds() {
		for shape := range events.Shapes(kind) {
			name := fmt.Sprintf("%s.%d", kind, shape+1)
			shapes[name] = true
			if _, err := os.Stat(filepath.Join("testdata", name+".json")); err != nil {
				t.Errorf("the catalogue has %s without a golden file: %v", name, err)
			}
			if _, ok := goldenEvents[name]; !ok {
				t.Errorf("the catalogue has %s, and nothing says what its golden file means", name)
			}
		}
	}
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".json"); !shapes[name] {
			t.Errorf("%s is a shape that was written, and the catalogue no longer reads it", f)
		}
	}
}

func TestAnEventOfANewerReleaseIsNamed(t *testing.T) {
	const id = `{"id":"01JCM000000000000000000000","actor":"a","data":{},`
	for body, want := range map[string]events.UnknownEventError{
		id + `"type":"config.renamed","shape":1}`: {Kind: "config.renamed", Shape: 1},
		id + `"type":"config.created","shape":3}`: {Kind: "config.created", Shape: 3},
		id + `"type":"config.created","shape":0}`: {Kind: "config.created"},
		id + `"type":"config.created"}`:           {Kind: "config.created"},
	} {
		_, err := events.DecodeEvent([]byte(body))
		if got, ok := err.(*events.UnknownEventError); !ok || *got != want {
			t.Errorf("%s: got error %v, want %v", body, err, &want)
		}
	}
}

func TestDamagedEventsAreNotTakenForUnknownOnes(t *testing.T) {
	for _, body := range []string{
		``, `{`, `null`, `[]`, `{"type":"key.revoked","type":"key.revoked","shape":1}`,
		`{"id":"short","type":"key.revoked","shape":1,"actor":"a","data":{}}`,
		`{"id":"01JCM000000000000000000000","type":"key.revoked","shape":1,"actor":"a"}`,
		`{"id":"01JCM000000000000000000000","type":"key.revoked","shape":1,"actor":"a","data":[]}`,
		`{"id":"01JCM000000000000000000000","type":"key.revoked","shape":1,"actor":"` + "\xff" + `","data":{}}`,
	} {
		_, err := events.DecodeEvent([]byte(body))
		if err == nil {
			t.Errorf("%s: decoded", body)
		}
		if _, unknown := err.(*events.UnknownEventError); unknown && body != "null" {
			t.Errorf("%s: %v, want it to be called damaged", body, err)
		}
	}
}

func TestStoredRecordsKeepTheirForm(t *testing.T) {
	body := golden(t, "config.updated.1.json")
	r := events.Record{
		Index: 42, Time: time.Unix(0, 1_763_800_000_123_456_789).UTC(), RaftTerm: 7, RaftIndex: 99, More: true, Body: body,
	}
	stored := r.AppendStored(nil)
	header := "01" + "01" + fmt.Sprintf("%016x", r.Time.UnixNano()) + "0000000000000007" + "0000000000000063"
	if want := header + hex.EncodeToString(body); hex.EncodeToString(stored) != want {
		t.Errorf("stored %x, want %s", stored, want)
	}
	r.Chain = events.Chain{}.Next(stored)
	if got, err := events.ParseRecord(42, r.Chain, stored); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("parsed %+v, %v, want %+v", got, err, r)
	}
	wire := `{"index":42,"position":"` + r.Position().String() + `","time":"2025-11-22T08:26:40.123456789Z",` + string(body[1:])
	if got, err := r.AppendWire(nil, true); err != nil || string(got) != wire {
		t.Errorf("on the wire %s, %v, want %s", got, err, wire)
	}
	if e, err := r.Event(); err != nil || !reflect.DeepEqual(e, goldenEvents["config.updated.1"]) {
		t.Errorf("event %+v, %v", e, err)
	}
}

func TestADamagedRecordIsRefused(t *testing.T) {
	good := events.Record{Body: []byte("{}")}.AppendStored(nil)
	for name, stored := range map[string][]byte{
		"nothing":         nil,
		"half a header":   good[:20],
		"no body":         good[:26],
		"another format":  append([]byte{2}, good[1:]...),
		"an unknown flag": append([]byte{1, 4}, good[2:]...),
	} {
		if r, err := events.ParseRecord(1, events.Chain{}, stored); err == nil {
			t.Errorf("%s: parsed as %+v", name, r)
		}
	}
}

// golden reads a golden file; one newline at its end is not part of it.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.TrimSuffix(string(content), "\n"))
}
