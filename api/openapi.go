package api

import (
	_ "embed" // the document
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
	"go.yaml.in/yaml/v4"

	"confman/api/wire"
)

//go:embed openapi.yaml
var openAPI []byte

// openapiYAML answers GET /openapi.yaml.
func (x *exchange) openapiYAML() error { return x.send(http.StatusOK, wire.MediaYAML, openAPI) }

// openapiJSON answers GET /openapi.json.
func (x *exchange) openapiJSON() error {
	body, err := x.openapi()
	if err != nil {
		return err
	}
	return x.send(http.StatusOK, wire.MediaJSON, body)
}

// openAPIJSON converts the document.
func openAPIJSON() ([]byte, error) {
	var document any
	if err := yaml.Unmarshal(openAPI, &document); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	body, err := json.Marshal(document, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("convert openapi.yaml: %w", err)
	}
	return body, nil
}
