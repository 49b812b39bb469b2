package dashboard

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// encode is a value as JSON, markup unescaped; nil is nothing.
func encode(t testing.TB, v any) string {
	t.Helper()
	if v == nil {
		return ""
	}
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// decode reads JSON.
func decode[T any](t testing.TB, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%.200s: %v", text, err)
	}
	return v
}

// quoted is a text as JavaScript writes it.
func quoted(s string) string { return strconv.QuoteToASCII(s) }
