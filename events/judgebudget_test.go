package events

import (
	"errors"
	"iter"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// wide is a namespace of many keys that all namespaces below it inherit.
type wide struct {
	View
	schema *Schema
	keys   []Entry
	below  int
	judged int // objects that were made
}

func (w *wide) Policy(namespace string) Policy {
	if namespace == "a" {
		return Policy{Namespace: "a", Schema: SchemaDoc{Schema: w.schema}, Revision: 1}
	}
	return Policy{}
}
func (*wide) NamespacesRevision() uint64      { return 1 }
func (*wide) Namespace(path string) Namespace { return Namespace{Path: path, Revision: 1} }
func (*wide) Entry(string, string) (e Entry)  { return e }
func (w *wide) Entries(ns string) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		w.judged++
		for _, e := range w.keys {
			if ns == "a" && !yield(e) {
				return
			}
		}
	}
}

func (w *wide) NamespacesWithin(string) iter.Seq[Namespace] {
	return func(yield func(Namespace) bool) {
		for i := range w.below {
			if !yield(Namespace{Path: "a/" + string(rune('a'+i%26)) + string(rune('a'+i/26)), Revision: 1}) {
				return
			}
		}
	}
}

func TestWhatWouldTakeTooLongToJudgeIsRefused(t *testing.T) {
	schema, err := ParseSchema("/schema", jsontext.Value(`{"required":["k"]}`))
	if err != nil {
		t.Fatal(err)
	}
	w := &wide{schema: schema}
	value := Value{Type: String, JSON: jsontext.Value(`"v"`)}
	for i := range 2500 {
		w.keys = append(w.keys, Entry{Namespace: "a", Key: string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)), Value: value, Revision: 1})
	}
	judge := func() error {
		d := &decision{view: w, guarded: map[Subject]bool{}}
		return d.judge([]edit{{"a", "k", &value}})
	}
	w.below = 300
	if err := judge(); err != nil {
		t.Errorf("%d values: %v", 301*2501, err)
	}
	w.below, w.judged = 676, 0
	if err := judge(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d values: %v, want ErrTooLarge", 677*2501, err)
	}
	if most := 2*MaxJudged/2500 + 10; w.judged > most {
		t.Errorf("%d objects were made all the same, want at most %d", w.judged, most)
	}
}
