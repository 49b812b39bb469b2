package events

import (
	"errors"
	"reflect"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// renamed is a kind that, for this test, had two shapes: in the first the name
// was in two parts.
type renamed struct {
	Name string `json:"name"`
}

func (renamed) Kind() Kind { return "test.renamed" }

func upcastRenamed(raw jsontext.Value) (Data, error) {
	var old struct{ First, Last string }
	err := json.Unmarshal(raw, &old, json.MatchCaseInsensitiveNames(true))
	return renamed{old.First + " " + old.Last}, err
}

func TestARetiredShapeIsBroughtUpToDateWhenRead(t *testing.T) {
	known := kinds{"test.renamed": {{1, upcastRenamed}, {1, as[renamed]}}}
	const old = `{"id":"01JCM000000000000000000000","type":"test.renamed","shape":1,"actor":"a","data":{"first":"Ada","last":"L"}}`
	got, err := known.decode([]byte(old))
	if err != nil || !reflect.DeepEqual(got.Data, renamed{"Ada L"}) {
		t.Fatalf("shape 1 decodes to %+v, %v", got.Data, err)
	}
	const updated = `{"id":"01JCM000000000000000000000","type":"test.renamed","shape":2,"actor":"a","data":{"name":"Ada L"}}`
	encoded, err := known.encode(got)
	if err != nil || string(encoded) != updated {
		t.Fatalf("written again it is %s, %v, want %s", encoded, err, updated)
	}
	if again, err := known.decode(encoded); err != nil || !reflect.DeepEqual(again, got) {
		t.Fatalf("shape 2 decodes to %+v, %v, want %+v", again, err, got)
	}
	var unknown *UnknownEventError
	if _, err := (kinds{"test.renamed": {{1, upcastRenamed}}}).decode(encoded); !errors.As(err, &unknown) {
		t.Fatalf("a release that knows only shape 1 said %v of shape 2", err)
	}
}

func TestAnEventOutsideTheCatalogueIsNotWritten(t *testing.T) {
	if body, err := (Event{Data: renamed{}}).Encode(); err == nil {
		t.Errorf("encoded as %s", body)
	}
}
