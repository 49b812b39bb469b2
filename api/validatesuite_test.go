package api

import (
	"compress/gzip"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"confman/api/wire"
)

// officialSuite is the JSON Schema Test Suite; see
// ../events/testdata/schema/README.md.
type officialSuite struct {
	Files map[string][]struct {
		Description string          `json:"description"`
		Schema      json.RawMessage `json:"schema"`
		Tests       []struct {
			Description string          `json:"description"`
			Data        json.RawMessage `json:"data"`
			Valid       bool            `json:"valid"`
		} `json:"tests"`
	} `json:"files"`
	Remotes map[string]json.RawMessage `json:"remotes"`
}

// notInOneDocument are the groups that refer to where a document is had from,
// which is not its $id; bundled, only the $id is left.
var notInOneDocument = []string{"remote HTTP ref with different $id", "remote HTTP ref with different URN $id"}

// The judge of this route is that of every write. Here its word is held against the
// official suite on the way that clients ask.
func TestValidationAgreesWithTheOfficialSuite(t *testing.T) {
	b := newGoverned(t)
	suite := readSuite(t)
	ran := 0
	for _, name := range slices.Sorted(maps.Keys(suite.Files)) {
		for _, group := range suite.Files[name] {
			if name == "refRemote.json" && slices.Contains(notInOneDocument, group.Description) {
				continue
			}
			schema := suite.bundle(t, group.Schema)
			for _, test := range group.Tests {
				v := decodeAs[wire.Validation](b.do("POST", "/api/v1/validate", wire.Validate{Schema: schema, Value: test.Data}).is(200))
				if v.Valid != test.Valid {
					t.Errorf("%s: %s: %s: valid is %v: %+v", name, group.Description, test.Description, v.Valid, v.Errors)
				}
				ran++
			}
		}
	}
	if t.Logf("%d tests", ran); ran < 1000 {
		t.Errorf("only %d tests ran", ran)
	}
}

func readSuite(t *testing.T) (suite officialSuite) {
	file, err := os.Open("../events/testdata/schema/suite.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err == nil {
		err = json.NewDecoder(unzipped).Decode(&suite)
	}
	if err != nil {
		t.Fatal(err)
	}
	return suite
}

// bundle puts the remote schemas that a schema mentions, and those that they
// mention, under its $defs, each with the address it is had from as $id unless it
// has one (core, 9.3).
func (s officialSuite) bundle(t *testing.T, schema json.RawMessage) json.RawMessage {
	var document map[string]json.RawMessage
	if json.Unmarshal(schema, &document) != nil {
		return schema // true or false
	}
	defs := map[string]json.RawMessage{}
	if document["$defs"] != nil {
		unmarshalInto(t, document["$defs"], &defs)
	}
	for todo := []string{string(schema)}; len(todo) > 0; todo = todo[1:] {
		for at, remote := range s.Remotes {
			name := at[strings.LastIndexByte(at, '/')+1:]
			if defs[at] != nil || !strings.Contains(todo[0], name+`"`) && !strings.Contains(todo[0], name+"#") {
				continue
			}
			var inner map[string]json.RawMessage
			unmarshalInto(t, remote, &inner)
			if inner["$id"] == nil {
				inner["$id"] = json.RawMessage(`"` + at + `"`)
			}
			defs[at] = encoded(t, inner)
			todo = append(todo, string(defs[at]))
		}
	}
	if len(defs) > 0 {
		document["$defs"] = encoded(t, defs)
	}
	return encoded(t, document)
}

func unmarshalInto(t *testing.T, raw json.RawMessage, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

func encoded(t *testing.T, v any) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
