package projections

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"confman/events"
)

func TestEntryRowIsWhatTheLibraryWouldWrite(t *testing.T) {
	at := time.Date(2026, 11, 22, 1, 2, 3, 456000, time.UTC)
	full := events.Entry{
		Namespace: "a/b", Key: "k/1", Value: events.Value{Type: events.Number, JSON: jsontext.Value("1.50")},
		Description: "quoted \"text\"\n", Comment: "ü <&>", Version: 7, CreatedAt: at, CreatedBy: "ann", UpdatedAt: at.Add(time.Hour),
		UpdatedBy: "bob \\ co", Created: 3, Revision: 9,
	}
	deleted := events.Entry{Namespace: "a", Key: "k", Version: 2, Deleted: true, Revision: 4}
	for _, e := range []events.Entry{full, deleted, {}} {
		want, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendEntry(nil, &e); string(got) != string(want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
