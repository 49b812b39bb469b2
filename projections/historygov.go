package projections

import (
	"iter"

	"github.com/go-json-experiment/json"

	"confman/events"
)

// AllEntries yields the live entries of all namespaces as of the index, by
// namespace, then key, after a key of a namespace.
func (h *History) AllEntries(namespace, key string) iter.Seq2[events.Entry, error] {
	return func(yield func(events.Entry, error) bool) {
		for e, err := range rowsAfter[events.Entry](h, entryView, entryKey(namespace, key)) {
			if err == nil && (!e.Live() || e.Namespace == namespace && e.Key == key) {
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Namespaces yields the live namespaces as of the index after a path, by path.
// Their Contents are not known.
func (h *History) Namespaces(after string) iter.Seq2[events.Namespace, error] {
	return func(yield func(events.Namespace, error) bool) {
		for n, err := range rowsAfter[events.Namespace](h, namespaceView, after) {
			if err == nil && (!n.Live() || n.Path == after) {
				continue
			}
			if !yield(n, err) || err != nil {
				return
			}
		}
	}
}

// APIKey is an API key as of the index, a revoked one too, or the zero value.
func (h *History) APIKey(id string) (events.APIKey, error) {
	if err := h.readable(); err != nil {
		return events.APIKey{}, err
	}
	return get[events.APIKey](h.src, viewKey(apiKeyView, id))
}

// APIKeys yields all API keys as of the index after an ID, in the order of their
// IDs.
func (h *History) APIKeys(after string) iter.Seq2[events.APIKey, error] {
	return func(yield func(events.APIKey, error) bool) {
		for k, err := range rowsAfter[events.APIKey](h, apiKeyView, after) {
			if err == nil && k.ID == after {
				continue
			}
			if !yield(k, err) || err != nil {
				return
			}
		}
	}
}

// rowsAfter yields the rows of a view as of the index, from a name on.
func rowsAfter[T any](h *History, view byte, from string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if err := h.readable(); err != nil {
			yield(*new(T), err)
			return
		}
		for row, err := range h.src.Scan([]byte{view}, viewKey(view, from)) {
			var v T
			if err == nil {
				err = json.Unmarshal(row.Value, &v)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}
