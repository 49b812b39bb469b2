package events_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"confman/events"
)

const leaked = `"s3cr3t-of-last-year"`

// What is taken out leaves no byte behind, whatever the kind; the rest stays.
func TestNothingIsLeftOfAnErasedValue(t *testing.T) {
	secret := events.Value{Type: events.String, JSON: []byte(leaked)}
	other := events.Value{Type: events.Number, JSON: []byte(`42`)}
	for name, tt := range map[string]struct {
		data   events.Data
		places []events.Place
		want   string
	}{
		"created":          {events.ConfigCreated{Value: secret, Version: 1}, []events.Place{events.ThisValue}, `"data":{"type":"erased","version":1}`},
		"updated":          {events.ConfigUpdated{Value: secret, Version: 2, Previous: events.Version{Value: other, Version: 1}}, []events.Place{events.ThisValue}, `"data":{"type":"erased","version":2,"previous":{"type":"number","value":42,"version":1}}`},
		"previous":         {events.ConfigUpdated{Value: other, Version: 2, Previous: events.Version{Value: secret, Version: 1}}, []events.Place{events.PreviousValue}, `"data":{"type":"number","value":42,"version":2,"previous":{"type":"erased","version":1}}`},
		"both":             {events.ConfigUpdated{Value: secret, Version: 2, Tags: []string{"t"}, Previous: events.Version{Value: secret, Version: 1}}, []events.Place{events.ThisValue, events.PreviousValue}, `"shape":2`},
		"deleted":          {events.ConfigDeleted{Version: 3, Previous: events.Version{Value: secret, Version: 2}}, []events.Place{events.PreviousValue}, `"previous":{"type":"erased","version":2}`},
		"rolled back":      {events.ConfigRolledBack{Value: secret, Version: 4, Source: events.EntrySource{Version: 1, Index: 3}}, []events.Place{events.ThisValue}, `"type":"erased"`},
		"rolled back from": {events.ConfigRolledBack{Value: other, Version: 4, Previous: new(events.Version{Value: secret, Version: 3})}, []events.Place{events.PreviousValue}, `"type":"erased"`},
		"draft":            {events.DraftSaved{Value: secret, Comment: "why"}, []events.Place{events.ThisValue}, `"data":{"type":"erased","comment":"why"}`},
	} {
		body, err := events.Event{ID: goldenID(1), Actor: "ann", Namespace: "pay", Key: "db", Data: tt.data}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		whole := events.Record{Index: 7, Chain: events.Chain{9}, Time: time.Unix(5, 6).UTC(), RaftTerm: 2, RaftIndex: 3, More: true, Body: body}
		erased, err := whole.Erase(tt.places)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		stored := erased.AppendStored(nil)
		if bytes.Contains(stored, []byte(strings.Trim(leaked, `"`))) || !bytes.Contains(stored, []byte(tt.want)) {
			t.Errorf("%s: %s, want %s in it", name, erased.Body, tt.want)
		}
		if back, err := events.ParseRecord(7, erased.Chain, stored); err != nil || !back.Erased || !back.More || back.Chain != whole.Chain || !back.Time.Equal(whole.Time) {
			t.Errorf("%s: read back as %+v, %v", name, back, err)
		}
		if again, err := erased.Erase(tt.places); err != nil || !bytes.Equal(again.AppendStored(nil), stored) {
			t.Errorf("%s: erased again it is %s, %v", name, again.Body, err)
		}
		wire, err := erased.AppendWire(nil, true)
		if err != nil || !bytes.Contains(wire, []byte(`"type":"erased"`)) {
			t.Errorf("%s: on the wire %s, %v", name, wire, err)
		}
	}
}

func TestOnlyWhatARecordHoldsIsErased(t *testing.T) {
	body, err := goldenEvents["key.revoked.1"].Encode()
	if err != nil {
		t.Fatal(err)
	}
	if r, err := (events.Record{Index: 1, Body: body}).Erase([]events.Place{events.ThisValue}); err == nil {
		t.Errorf("erased %s", r.Body)
	}
}

func TestAnErasureIsRefusedWhileTheValueStands(t *testing.T) {
	secret := events.Value{Type: events.String, JSON: []byte(leaked)}
	w := world{
		index: 9, cluster: events.Cluster{ID: "c", Level: 4, Revision: 1},
		entries: map[[2]string]events.Entry{
			{"pay", "live"}:  {Namespace: "pay", Key: "live", Value: secret, Version: 1, Revision: 3},
			{"pay", "moved"}: {Namespace: "pay", Key: "moved", Value: events.Value{Type: events.Number, JSON: []byte("1")}, Version: 2, Revision: 3},
		},
		drafts: map[[2]string]events.Draft{{"pay", "draft"}: {Namespace: "pay", Key: "draft", Value: events.Value{Type: events.SecretRef, JSON: []byte(leaked)}, Revision: 4}},
	}
	one := []events.ErasedRecord{{Index: 2, Values: []events.Place{events.ThisValue}}}
	touch := func(noun events.Noun, key string) []events.Subject {
		return []events.Subject{{Noun: noun, Namespace: "pay", Name: key}}
	}
	for name, tt := range map[string]struct {
		c    events.EraseValues
		want error
	}{
		"live":                               {events.EraseValues{Reason: "r", AsOf: 9, Records: one, Values: []events.Value{secret}, Touched: touch(events.TheEntry, "live")}, events.ErrConflict},
		"a draft":                            {events.EraseValues{Reason: "r", AsOf: 9, Records: one, Values: []events.Value{secret}, Touched: touch(events.TheDraft, "draft")}, events.ErrConflict},
		"changed since they were looked for": {events.EraseValues{Reason: "r", AsOf: 2, Records: one, Values: []events.Value{secret}, Touched: touch(events.TheEntry, "moved")}, events.ErrConflict},
		"no reason":                          {events.EraseValues{Records: one, Values: []events.Value{secret}}, events.ErrInvalid},
		"nothing":                            {events.EraseValues{Reason: "r", Values: []events.Value{secret}}, events.ErrNotFound},
		"too many":                           {events.EraseValues{Reason: "r", Records: make([]events.ErasedRecord, events.MaxErased+1)}, events.ErrTooLarge},
		"gone":                               {events.EraseValues{Reason: "r", AsOf: 9, Records: one, Values: []events.Value{secret}, Touched: touch(events.TheEntry, "other")}, nil},
	} {
		p, err := events.Rules{}.Decide(w, tt.c, events.Stamp{Time: time.Unix(1, 0), Actor: "ann"})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if err == nil && (len(p.Bodies) != 1 || len(p.Guards) != 2 || bytes.Contains(p.Bodies[0], []byte(strings.Trim(leaked, `"`)))) {
			t.Errorf("%s: proposal %s under %+v", name, p.Bodies, p.Guards)
		}
	}
}

func TestWhatWasErasedIsNotBroughtBack(t *testing.T) {
	c := events.Restore{Entries: []events.Restored{{Namespace: "pay", Key: "db", AsOf: 3, Was: events.Entry{
		Namespace: "pay", Key: "db", Value: events.Value{Type: events.Erased}, Version: 2, Revision: 3,
	}}}}
	if _, err := (events.Rules{}).Decide(world{cluster: events.Cluster{Level: 4}}, c, events.Stamp{Actor: "ann"}); !errors.Is(err, events.ErrConflict) || !strings.Contains(err.Error(), "erased") {
		t.Errorf("%v", err)
	}
}

// With the digests and all else that is shown of a record somebody could try out
// short values.
func TestDigestsOfErasedRecordsAreNotShown(t *testing.T) {
	body := golden(t, "history.erased.1.json")
	wire, err := events.Record{Index: 70, Body: body}.AppendWire(nil, true)
	if err != nil || bytes.Contains(wire, []byte("digest")) || bytes.Contains(wire, []byte("remains")) || !bytes.Contains(wire, []byte(`{"index":17,"values":["value"]}`)) {
		t.Errorf("%s, %v", wire, err)
	}
}

func TestCheckpointsAreTakenOnlyFromTheKeyOfTheHistory(t *testing.T) {
	one, two := checkpointKey(1), checkpointKey(2)
	w := world{index: 2000, cluster: events.Cluster{ID: goldenCheckpoint().Cluster, Level: 4, Revision: 1, CheckpointKey: publicOf(one)}}
	decide := func(c events.Command) error {
		_, err := events.Rules{}.Decide(w, c, events.Stamp{Time: time.Unix(1, 0), Actor: events.System})
		return err
	}
	good := goldenCheckpoint()
	if err := decide(events.CheckpointHistory{Checkpoint: good}); err != nil {
		t.Error(err)
	}
	forged := good
	forged.Chain[0] ^= 1
	later := good
	later.Time = later.Time.Add(1)
	before := good
	before.Cluster = goldenID(8).String()
	before.Signature = ed25519.Sign(one, before.Signed())
	w.index = 1000
	if err := decide(events.CheckpointHistory{Checkpoint: good}); !errors.Is(err, events.ErrInvalid) {
		t.Errorf("of the future: %v", err)
	}
	w.index = 2000
	for name, c := range map[string]events.Checkpoint{"another chain": forged, "another time": later, "another cluster": before} {
		if err := decide(events.CheckpointHistory{Checkpoint: c}); !errors.Is(err, events.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	change := goldenKeyChange()
	if err := decide(events.ChangeCheckpointKey{Change: change}); err != nil {
		t.Error(err)
	}
	change.Signature = change.Endorsement
	if err := decide(events.ChangeCheckpointKey{Change: change}); !errors.Is(err, events.ErrInvalid) {
		t.Errorf("signed by another key: %v", err)
	}
	w.cluster.CheckpointKey = publicOf(two)
	if p, err := (events.Rules{}).Decide(w, events.ChangeCheckpointKey{Change: goldenKeyChange()}, events.Stamp{}); err != nil || len(p.Bodies) > 0 {
		t.Errorf("to the same key: %v, %v", p.Bodies, err)
	}
	w.cluster.CheckpointKey = publicOf(checkpointKey(3))
	if err := decide(events.ChangeCheckpointKey{Change: goldenKeyChange()}); !errors.Is(err, events.ErrConflict) {
		t.Errorf("after another key: %v", err)
	}
}
