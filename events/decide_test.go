package events_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"confman/events"
)

// testWorld has in pay the live entries url (version 2) and zone (version 1) and
// the deleted entry old (version 4), and the deleted namespace gone with the
// deleted entry key.
func testWorld() world {
	w := world{
		index:   11,
		cluster: events.Cluster{ID: "c1", Revision: 1},
		namespaces: map[string]events.Namespace{
			"pay":  {Path: "pay", Description: new("Payments"), Owner: "ann", Revision: 3, Contents: 9},
			"gone": {Path: "gone", Owner: "bob", Revision: 7, Contents: 6, Deleted: true},
		},
		entries: map[[2]string]events.Entry{},
		keys: map[string]events.APIKey{
			"k1": {ID: "k1", Revision: 2},
			"k2": {ID: "k2", Revision: 11, RevokedAt: time.Unix(1, 0)},
		},
	}
	for _, e := range []events.Entry{
		{Namespace: "pay", Key: "url", Value: text("a"), Description: "where", Version: 2, Revision: 9},
		{Namespace: "pay", Key: "zone", Value: text("eu"), Version: 1, Revision: 5},
		{Namespace: "pay", Key: "old", Description: "stale words", Version: 4, Revision: 8, Deleted: true},
		{Namespace: "gone", Key: "key", Version: 3, Revision: 6, Deleted: true},
	} {
		w.entries[[2]string{e.Namespace, e.Key}] = e
	}
	return w
}

func text(s string) events.Value {
	return events.Value{Type: events.String, JSON: []byte(`"` + s + `"`)}
}

func was(s string, version uint64) events.Version {
	return events.Version{Value: text(s), Version: version}
}

func theNamespace(path string, revision uint64) events.Guard {
	return events.Guard{Subject: events.Subject{Noun: events.TheNamespace, Namespace: path}, Revision: revision}
}

func theContents(path string, revision uint64) events.Guard {
	return events.Guard{Subject: events.Subject{Noun: events.TheContents, Namespace: path}, Revision: revision}
}

func theEntry(ns, key string, revision uint64) events.Guard {
	return events.Guard{Subject: events.Subject{Noun: events.TheEntry, Namespace: ns, Name: key}, Revision: revision}
}

func theKey(id string, revision uint64) events.Guard {
	return events.Guard{Subject: events.Subject{Noun: events.TheAPIKey, Name: id}, Revision: revision}
}

// fact is what a rule decides of an event; the stamp gives the rest.
type fact struct {
	namespace, key string
	data           events.Data
}

// ruling is one row of a table of rules.
type ruling struct {
	name    string
	command events.Command
	facts   []fact
	guards  []events.Guard
	refused error
	says    string // part of the refusal
	in      *world // instead of testWorld
}

// checkRulings decides each command and checks that whatever is proposed bears
// the stamp.
func checkRulings(t *testing.T, rulings []ruling) {
	t.Helper()
	stamp := testStamp()
	for _, tt := range rulings {
		w := testWorld()
		if tt.in != nil {
			w = *tt.in
		}
		p, err := events.Rules{}.Decide(w, tt.command, stamp)
		if tt.refused != nil {
			checkError(t, tt.name, err, tt.refused, tt.says)
			if err != nil && !reflect.DeepEqual(p, events.Proposal{}) {
				t.Errorf("%s: refused and proposed all the same: %+v", tt.name, p)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got, want := written(factsOf(t, p, stamp)), written(tt.facts); got != want {
			t.Errorf("%s: facts\n%s\nwant\n%s", tt.name, got, want)
		}
		if !reflect.DeepEqual(p.Guards, tt.guards) {
			t.Errorf("%s: guards\n%+v, want\n%+v", tt.name, p.Guards, tt.guards)
		}
	}
}

// written is facts as they are recorded, a line each.
func written(facts []fact) string {
	var lines []string
	for _, f := range facts {
		body, err := events.Event{Namespace: f.namespace, Key: f.key, Data: f.data}.Encode()
		if err != nil {
			panic(err)
		}
		lines = append(lines, string(body))
	}
	return strings.Join(lines, "\n")
}

// checkError holds an error against the one wanted and its words; nil: none.
func checkError(t *testing.T, name string, err, want error, says string) {
	t.Helper()
	switch {
	case want == nil && err != nil:
		t.Errorf("%s: %v", name, err)
	case want != nil && (!errors.Is(err, want) || !strings.Contains(err.Error(), says)):
		t.Errorf("%s: error %v, want %v that says %q", name, err, want, says)
	}
}

func testStamp() events.Stamp {
	return events.Stamp{
		Time: time.Unix(1000, 5).UTC(), ID: goldenID(0xff), Actor: "carol", CorrelationID: "corr",
		Claim: &events.Claim{ID: events.NewReceiptID("carol", "once"), Fingerprint: events.Fingerprint{7}},
	}
}

func factsOf(t *testing.T, p events.Proposal, stamp events.Stamp) (facts []fact) {
	t.Helper()
	if !p.Time.Equal(stamp.Time) || p.Claim != stamp.Claim {
		t.Errorf("proposal of %v with claim %v, want %v and %v", p.Time, p.Claim, stamp.Time, stamp.Claim)
	}
	var last ulid.ULID
	for i, body := range p.Bodies {
		e, err := events.DecodeEvent(body)
		if err != nil {
			t.Fatal(err)
		}
		transaction := ""
		if len(p.Bodies) > 1 {
			transaction = stamp.ID.String()
		}
		if e.Actor != stamp.Actor || e.CorrelationID != stamp.CorrelationID || e.Transaction != transaction {
			t.Errorf("event %d by %q, correlation %q, transaction %q", i, e.Actor, e.CorrelationID, e.Transaction)
		}
		if i == 0 && e.ID != stamp.ID || i > 0 && e.ID.Compare(last) <= 0 {
			t.Errorf("event %d has the ID %s after %s", i, e.ID, last)
		}
		last = e.ID
		facts = append(facts, fact{e.Namespace, e.Key, e.Data})
	}
	return facts
}

func TestAChangeThatNeedsTooManyBytesIsRefused(t *testing.T) {
	w := testWorld()
	for i := range 20 {
		key := fmt.Sprintf("k%02d", i)
		w.entries[[2]string{"pay", key}] = events.Entry{
			Namespace: "pay", Key: key, Value: text(strings.Repeat("x", 1000)), Version: 1, Revision: 9,
		}
	}
	rules := events.Rules{MaxProposalBytes: 20_000}
	_, err := rules.Decide(w, events.DeleteNamespace{Path: "pay"}, testStamp())
	if !errors.Is(err, events.ErrTooLarge) || !strings.Contains(err.Error(), "20000 bytes") {
		t.Errorf("error %v, want ErrTooLarge with the limit", err)
	}
	if _, err := (events.Rules{}).Decide(w, events.DeleteNamespace{Path: "pay"}, testStamp()); err != nil {
		t.Errorf("within the default limit: %v", err)
	}
}

func TestRulesHaveTheirOwnValueLimit(t *testing.T) {
	put := events.PutEntry{Namespace: "pay", Key: "new", Value: []byte(`"123456789"`)}
	if _, err := (events.Rules{MaxValueBytes: 8}).Decide(testWorld(), put, testStamp()); !errors.Is(err, events.ErrTooLarge) {
		t.Errorf("9 bytes with a limit of 8: %v", err)
	}
	if _, err := (events.Rules{MaxValueBytes: 9}).Decide(testWorld(), put, testStamp()); err != nil {
		t.Errorf("9 bytes with a limit of 9: %v", err)
	}
	put.Value = []byte(`"` + strings.Repeat("x", 1<<20+1) + `"`)
	if _, err := (events.Rules{}).Decide(testWorld(), put, testStamp()); !errors.Is(err, events.ErrTooLarge) {
		t.Errorf("1 MiB and a byte with the default limit: %v", err)
	}
}

func TestReceiptsAreNamedByWhoAskedAndTheirKey(t *testing.T) {
	seen := map[events.ReceiptID]string{}
	for _, who := range [][2]string{{"ann", "1"}, {"bob", "1"}, {"ann", "2"}, {"an", "n1"}, {"", "ann1"}} {
		id := events.NewReceiptID(who[0], who[1])
		if other, ok := seen[id]; ok {
			t.Errorf("%q has the receipt of %q", who, other)
		}
		seen[id] = who[0] + "," + who[1]
		if id != events.NewReceiptID(who[0], who[1]) {
			t.Errorf("%q has two receipts", who)
		}
	}
}

func TestAWriteToTheWrongNodeSaysWhoLeads(t *testing.T) {
	known, unknown := &events.NotLeaderError{Leader: "n2:8080"}, &events.NotLeaderError{}
	if !errors.Is(known, events.ErrNotLeader) || !strings.Contains(known.Error(), "n2:8080") {
		t.Errorf("a known leader: %v", known)
	}
	if errors.Is(unknown, events.ErrNotLeader) || !errors.Is(unknown, events.ErrUnavailable) {
		t.Errorf("no known leader: %v", unknown)
	}
}
