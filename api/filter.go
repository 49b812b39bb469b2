package api

import (
	"net/url"
	"slices"

	"confman/api/wire"
	"confman/events"
	"confman/streaming"
)

// filterParams are the parameters that make up the filter of a watch.
func filterParams() []string {
	return []string{wire.ParamNamespace, wire.ParamKey, wire.ParamPrefix, wire.ParamEvents, wire.ParamValues}
}

// parseFilter reads the filter of a watch from a query. Filters that mean the
// same are mostly equal, however they were written.
func parseFilter(query url.Values) (streaming.Filter, error) {
	f := streaming.Filter{
		Namespaces: slices.Compact(slices.Sorted(slices.Values(query[wire.ParamNamespace]))),
		Key:        query.Get(wire.ParamKey), Prefix: query.Get(wire.ParamPrefix), Events: query.Get(wire.ParamEvents),
	}
	switch values := query.Get(wire.ParamValues); values {
	case "":
	case wire.ValuesNone:
		f.Bare = true
	default:
		return f, events.Invalid("/values", "is %.40q, want none, or nothing", values)
	}
	if f.Events == wire.EventsConfig {
		f.Events = "" // the default
	}
	return f, f.Check()
}

// queryOf writes the filter of a body or of a message as parseFilter reads it.
func queryOf(namespaces []string, key, prefix, kinds, values string) url.Values {
	query := url.Values{}
	for _, n := range namespaces {
		query.Add(wire.ParamNamespace, n)
	}
	for name, value := range map[string]string{
		wire.ParamKey: key, wire.ParamPrefix: prefix, wire.ParamEvents: kinds, wire.ParamValues: values,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

// formatFilter is the query that parseFilter reads.
func formatFilter(f streaming.Filter) url.Values {
	values := ""
	if f.Bare {
		values = wire.ValuesNone
	}
	return queryOf(f.Namespaces, f.Key, f.Prefix, f.Events, values)
}
