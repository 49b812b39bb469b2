package api

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"confman/events"
)

// audible leaves out of what breaks a schema in a namespace whatever is about
// values that the caller may not read, inherited ones among them, and counts it
// instead: what is said of a value may quote it. A namespace that the detail names
// goes first; of an unknown one everything is told.
func (x *exchange) audible(namespace string, fields []events.Field) (told []events.Field) {
	hidden := 0
	for _, f := range fields {
		where := namespace
		if _, named, ok := strings.Cut(f.Detail, " (in namespace "); ok {
			where = strings.TrimSuffix(named, ")")
		}
		if where != "" && !x.readsAt(where, f.Pointer) {
			hidden++
			continue
		}
		told = append(told, f)
	}
	if hidden > 0 {
		told = append(told, events.Field{Detail: fmt.Sprintf("%d more, in values that you may not read", hidden)})
	}
	return told
}

// readsAt reports whether the caller may read what a pointer into a namespace, seen
// as an object of its keys, leads to: an entry there or else in the nearest one
// above, also where it is only about to be inherited.
func (x *exchange) readsAt(namespace, pointer string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(pointer, "/"), "/")
	if first == "" { // about the whole, it may quote any value
		for at, ok := namespace, true; ok; at, ok = events.InheritsValues(x.Reader.State(), at) {
			if !x.principal.Can(events.Viewer, at, "") {
				return false
			}
		}
		return true
	}
	key := jsontext.Pointer("/" + first).LastToken()
	for path := range events.Upwards(namespace) {
		if x.Reader.State().Entry(path, key).Live() {
			return x.principal.Can(events.Viewer, path, key)
		}
	}
	return x.principal.Can(events.Viewer, namespace, key)
}
