package api

import (
	"encoding/json"
	"net/http"
	"testing"
)

func TestOpenAPIDescribesExactlyTheRoutes(t *testing.T) {
	document := loadOpenAPI(t)
	if err := document.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	described := map[string]bool{}
	for path, item := range document.Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
		}
	}
	for _, r := range table() {
		if !described[r.method+" "+r.pattern] {
			t.Errorf("%s %s has no operation in openapi.yaml", r.method, r.pattern)
		}
		delete(described, r.method+" "+r.pattern)
	}
	for operation := range described {
		t.Errorf("openapi.yaml describes %s, which is no route", operation)
	}
}

func TestOpenAPIIsServedInBothSpellings(t *testing.T) {
	b := newBench(t)
	if got := b.do(http.MethodGet, "/openapi.yaml", nil, "X-Api-Key: ").is(200).body; got != string(openAPI) {
		t.Error("/openapi.yaml is not the document")
	}
	var document struct {
		OpenAPI string
		Paths   map[string]any
	}
	if err := json.Unmarshal([]byte(b.do(http.MethodGet, "/openapi.json", nil, "X-Api-Key: ").is(200).body), &document); err != nil {
		t.Fatal(err)
	}
	if document.OpenAPI != "3.1.0" || document.Paths["/health"] == nil {
		t.Errorf("/openapi.json has openapi %q and %d paths", document.OpenAPI, len(document.Paths))
	}
}
