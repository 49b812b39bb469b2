package events_test

import (
	"bytes"
	"compress/gzip"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"confman/events"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// suite is the official test suite; see testdata/schema/README.md.
type suite struct {
	Files   map[string][]suiteGroup   `json:"files"`
	Remotes map[string]jsontext.Value `json:"remotes"`
}

type suiteGroup struct {
	Description string         `json:"description"`
	Schema      jsontext.Value `json:"schema"`
	Tests       []struct {
		Description string         `json:"description"`
		Data        jsontext.Value `json:"data"`
		Valid       bool           `json:"valid"`
	} `json:"tests"`
}

func loadSuite(t *testing.T) suite {
	t.Helper()
	file, err := os.Open("testdata/schema/suite.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var s suite
	if err := json.UnmarshalRead(unzipped, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// bundle puts the remote schemas that a schema mentions, and those that they
// mention, under its $defs, each with the address it is had from as $id (core
// § 9.3). A schema with an $id of its own keeps it.
func (s suite) bundle(t *testing.T, schema jsontext.Value) jsontext.Value {
	t.Helper()
	var doc map[string]jsontext.Value
	if json.Unmarshal(schema, &doc) != nil {
		return schema // true or false
	}
	defs := map[string]jsontext.Value{}
	if err := json.Unmarshal(orEmpty(doc["$defs"]), &defs); err != nil {
		t.Fatal(err)
	}
	todo := []jsontext.Value{schema}
	for len(todo) > 0 {
		text := string(todo[0])
		todo = todo[1:]
		for _, at := range slices.Sorted(maps.Keys(s.Remotes)) {
			name := at[strings.LastIndexByte(at, '/')+1:]
			if defs[at] != nil || !mentions(text, at) && !mentions(text, name) {
				continue
			}
			var remote map[string]jsontext.Value
			if err := json.Unmarshal(s.Remotes[at], &remote); err != nil {
				t.Fatal(err)
			}
			if remote["$id"] == nil {
				remote["$id"] = jsontext.Value(`"` + at + `"`)
			}
			defs[at] = marshal(t, remote)
			todo = append(todo, defs[at])
		}
	}
	if len(defs) > 0 {
		doc["$defs"] = marshal(t, defs)
	}
	return marshal(t, doc)
}

// mentions reports whether a string of the schema ends in the address, perhaps
// with a fragment. Bundling one too many changes nothing.
func mentions(schema, address string) bool {
	return strings.Contains(schema, address+`"`) || strings.Contains(schema, address+`#`)
}

func orEmpty(raw jsontext.Value) jsontext.Value {
	if raw == nil {
		return jsontext.Value("{}")
	}
	return raw
}

func marshal(t *testing.T, v any) jsontext.Value {
	t.Helper()
	raw, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// skipped are the groups that cannot be run, and why.
var skipped = map[string]string{
	"refRemote: remote HTTP ref with different $id":     "refers to where a document is had from, which is not its $id; bundled, only the $id is left",
	"refRemote: remote HTTP ref with different URN $id": "the same",
}

func TestSchemaSuite(t *testing.T) {
	s := loadSuite(t)
	ran, left := 0, 0
	unused := maps.Clone(skipped)
	for _, file := range slices.Sorted(maps.Keys(s.Files)) {
		for _, group := range s.Files[file] {
			name := strings.TrimSuffix(file, ".json") + ": " + group.Description
			schema, err := events.ParseSchema("", s.bundle(t, group.Schema))
			var wrong []string
			if err != nil {
				wrong = append(wrong, err.Error())
			}
			for _, c := range group.Tests {
				if err != nil {
					continue
				}
				fields, err := schema.JudgeJSON(c.Data)
				if err != nil || (len(fields) == 0) != c.Valid {
					wrong = append(wrong, c.Description+": "+string(c.Data))
				}
			}
			_, skip := skipped[name]
			delete(unused, name)
			switch {
			case skip && len(wrong) == 0:
				t.Errorf("%s: is skipped, but would pass", name)
			case skip:
				left += len(group.Tests)
			case len(wrong) > 0:
				t.Errorf("%s:\n\t%s", name, strings.Join(wrong, "\n\t"))
			default:
				ran += len(group.Tests)
			}
		}
	}
	for name := range unused {
		t.Errorf("%s: is skipped, but there is no such group", name)
	}
	t.Logf("%d cases right, %d skipped", ran, left)
}

// The library judges as we do, by every schema of the suite, every instance that
// stands in the same file.
func TestSchemaJudgesAsTheLibraryDoes(t *testing.T) {
	s := loadSuite(t)
	compared := 0
	for _, file := range slices.Sorted(maps.Keys(s.Files)) {
		for _, group := range s.Files[file] {
			document := s.bundle(t, group.Schema)
			ours, err := events.ParseSchema("", document)
			if err != nil {
				continue // TestSchemaSuite knows of it
			}
			c := jsonschema.NewCompiler()
			c.AssertFormat()
			if err := c.AddResource("confman:///schema", plain(t, document)); err != nil {
				t.Fatal(err)
			}
			theirs, err := c.Compile("confman:///schema")
			if err != nil {
				t.Fatal(err)
			}
			for _, other := range s.Files[file] {
				for _, test := range other.Tests {
					fields, err := ours.JudgeJSON(test.Data)
					valid := theirs.Validate(plain(t, test.Data)) == nil
					if err != nil || valid != (len(fields) == 0) {
						t.Errorf("%s: by %s, %s is %v to the library, and to us %v, %v", file, document, test.Data, valid, fields, err)
					}
					compared++
				}
			}
		}
	}
	t.Logf("%d judgements compared", compared)
}

func plain(t *testing.T, raw jsontext.Value) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
