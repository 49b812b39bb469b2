package events_test

import (
	"fmt"
	"maps"
	"testing"

	"confman/events"

	"github.com/go-json-experiment/json/jsontext"
)

// twentyKeys is a schema like those people write, and an object that pleases it.
func twentyKeys(b *testing.B) (string, map[string]events.Value) {
	properties, entries := "", map[string]events.Value{}
	for i := range 20 {
		key := fmt.Sprintf("service/%02d", i)
		kind, value := `{"type":"integer","minimum":1,"maximum":65535}`, `8080`
		switch i % 4 {
		case 1:
			kind, value = `{"type":"string","pattern":"^https?://[a-z.]+(:[0-9]+)?/","maxLength":200}`, `"https://db.example.org:5432/pay"`
		case 2:
			kind, value = `{"enum":["debug","info","warn","error"]}`, `"info"`
		case 3:
			kind, value = `{"$ref":"#/$defs/limits"}`, `{"cpu":1.5,"memory":"512Mi","hosts":["a","b"]}`
		}
		properties += fmt.Sprintf(`%q:%s,`, key, kind)
		v, err := events.ParseValue(jsontext.Value(value), "", 1000)
		if err != nil {
			b.Fatal(err)
		}
		entries[key] = v
	}
	return `{"properties":{` + properties + `"last":true},"additionalProperties":false,"$defs":{"limits":{"type":"object",
		"properties":{"cpu":{"type":"number","multipleOf":0.1},"memory":{"pattern":"^[0-9]+(Ki|Mi|Gi)$"},"hosts":{"items":{"format":"hostname"},"uniqueItems":true}},
		"required":["cpu"],"additionalProperties":false}}}`, entries
}

func BenchmarkParseSchema(b *testing.B) {
	document, _ := twentyKeys(b)
	b.ReportAllocs()
	for b.Loop() {
		parseSchema(b, document)
	}
}

func BenchmarkCompileStoredSchema(b *testing.B) {
	document, _ := twentyKeys(b)
	b.ReportAllocs()
	for b.Loop() {
		var s events.Schema
		if err := s.UnmarshalJSON([]byte(document)); err != nil || !s.Separable() {
			b.Fatal(err)
		}
	}
}

func BenchmarkSchemaJudgesTwentyKeys(b *testing.B) {
	document, entries := twentyKeys(b)
	benchmarkJudge(b, document, entries)
}

func BenchmarkSchemaJudgesOneChangedKey(b *testing.B) {
	document, entries := twentyKeys(b)
	benchmarkJudge(b, document, map[string]events.Value{"service/01": entries["service/01"]})
}

func benchmarkJudge(b *testing.B, document string, entries map[string]events.Value) {
	s := parseSchema(b, document)
	b.ReportAllocs()
	for b.Loop() {
		if fields := s.Judge(maps.All(entries)); len(fields) > 0 {
			b.Fatal(fields)
		}
	}
}
