package events_test

import (
	"bytes"
	"strings"
	"testing"

	"confman/events"
)

// What leaves the cluster says everything but the digests of keys and, where
// they are not wanted, the values.
func TestTheWireLeavesOutWhatItMust(t *testing.T) {
	for _, tt := range []struct {
		golden  string
		values  bool
		lacks   []string
		retains []string
	}{
		{"config.updated.1", true, nil, []string{`"value":-0.50e+3`, `"value":"AAE="`}},
		{"config.updated.1", false, []string{`"value"`}, []string{`"version":8`, `"version":7`, `"comment":"why"`, `"type":"number"`}},
		{"config.created.1", false, []string{`"value"`}, []string{`"version":`}},
		{"config.deleted.1", false, []string{`"value"`}, []string{`"version":`}},
		{"key.created.1", true, []string{"digest", "2bb80d53"}, []string{`"name":"deploys"`, `"grants"`}},
		{"key.created.1", false, []string{"digest", "2bb80d53"}, []string{`"name":"deploys"`}},
	} {
		body := golden(t, tt.golden+".json")
		r := events.Record{Index: 7, Body: body}
		got, err := r.AppendWire(nil, tt.values)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range tt.lacks {
			if strings.Contains(string(got), text) {
				t.Errorf("%s, values %v: has %s: %s", tt.golden, tt.values, text, got)
			}
		}
		for _, text := range tt.retains {
			if !strings.Contains(string(got), text) {
				t.Errorf("%s, values %v: lacks %s: %s", tt.golden, tt.values, text, got)
			}
		}
		if !bytes.Equal(r.Body, body) {
			t.Errorf("%s: the record itself was changed", tt.golden)
		}
	}
}
