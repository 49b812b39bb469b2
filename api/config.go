package api

import (
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
)

// getEntry answers GET …/config/{key}: now, in the past, or once it changes.
func (x *exchange) getEntry() error {
	resolve, err := x.flag(wire.ParamResolve)
	if err != nil {
		return err
	}
	e, err := x.findEntry(resolve)
	if err != nil {
		return err
	}
	if !e.Live() {
		return &events.Refusal{Kind: events.ErrNotFound, Detail: x.names.namespace + "/" + x.names.key + " does not exist"}
	}
	from := ""
	if resolve {
		from = e.Namespace
		if err := x.need(events.Viewer, from, e.Key); err != nil {
			return err
		}
	}
	tag := etag(&e, x.names.namespace)
	x.set("Etag", tag)
	if done, err := x.unchanged(tag); done || err != nil {
		return err
	}
	return x.sendEntry(http.StatusOK, &e, from)
}

// findEntry finds the entry that the request is about, at the moment it is
// about.
func (x *exchange) findEntry(resolve bool) (events.Entry, error) {
	if x.query == nil {
		return x.state.Entry(x.names.namespace, x.names.key), nil
	}
	if x.query.Has(paramIndex) {
		if x.query.Has(wire.ParamAt) {
			return events.Entry{}, badParam(wire.ParamAt, "contradicts index: the past does not change")
		}
		return x.pollEntry(resolve)
	}
	h, release, err := x.past()
	if err != nil {
		return events.Entry{}, err
	}
	defer release()
	if h == nil {
		e, _, err := lookUp(presently(x.state), x.names.namespace, x.names.key, resolve)
		return e, err
	}
	e, _, err := lookUp(h.Entry, x.names.namespace, x.names.key, resolve)
	return e, err
}

// lookUp finds an entry in a namespace or, to resolve it, in the nearest one
// above that has it. changed is the newest revision among all that were asked.
func lookUp(entry func(namespace, key string) (events.Entry, error), namespace, key string, resolve bool) (e events.Entry, changed uint64, err error) {
	for {
		e, err = entry(namespace, key)
		changed = max(changed, e.Revision)
		cut := strings.LastIndexByte(namespace, '/')
		if err != nil || e.Live() || !resolve || cut < 0 {
			return e, changed, err
		}
		namespace = namespace[:cut]
	}
}

// presently looks entries up in the present.
func presently(s *projections.State) func(namespace, key string) (events.Entry, error) {
	return func(namespace, key string) (events.Entry, error) { return s.Entry(namespace, key), nil }
}

// paramIndex asks for an answer once the entry has changed after an index.
const paramIndex = "index"

// pollEntry waits until the entry has changed after the index that the caller
// knows. When the wait ends first, the answer is the entry as it is.
func (x *exchange) pollEntry(resolve bool) (events.Entry, error) {
	known, err := x.indexParam(paramIndex)
	if err != nil {
		return events.Entry{}, err
	}
	wait, err := x.wait()
	if err != nil {
		return events.Entry{}, err
	}
	ctx, cancel := x.within(wait)
	defer cancel()
	watched := x.names.namespace
	if resolve { // any namespace above may answer
		watched, _, _ = strings.Cut(watched, "/")
	}
	for waited := false; ; waited = true {
		wake, release := x.Hub.WaitKey(watched, x.names.key)
		if waited {
			x.state = x.Reader.State()
		}
		e, changed, err := lookUp(presently(x.state), x.names.namespace, x.names.key, resolve)
		if err == nil && changed <= known && ctx.Err() == nil {
			select {
			case <-wake:
			case <-ctx.Done():
			}
			release()
			continue
		}
		release()
		if err == nil && waited {
			err = x.still()
		}
		return e, err
	}
}

// sendEntry ends the exchange with an entry in the form that the caller
// prefers.
func (x *exchange) sendEntry(status int, e *events.Entry, from string) error {
	media := x.prefers(wire.MediaJSON, wire.MediaText, wire.MediaYAML, wire.MediaBinary)
	switch media {
	case wire.MediaText:
		return x.send(status, wire.MediaText+"; charset=utf-8", []byte(e.Value.Text()))
	case wire.MediaBinary:
		return x.send(status, media, e.Value.Bytes())
	}
	body := make([]byte, 0, 512+len(e.Value.JSON)+len(e.Description)+len(e.Comment))
	body = appendEntry(body, e, x.names.namespace, from)
	if media == wire.MediaYAML {
		lines, err := appendYAML(nil, jsontext.Value(body))
		if err != nil {
			return err
		}
		return x.send(status, media, lines)
	}
	return x.send(status, media, body)
}

// putEntry answers PUT …/config/{key}.
func (x *exchange) putEntry() error {
	var put wire.PutConfig
	if err := x.decode(&put, x.entryBody()); err != nil {
		return err
	}
	condition, err := x.condition()
	if err != nil {
		return err
	}
	done, err := x.submit(events.PutEntry{
		Namespace: x.names.namespace, Key: x.names.key,
		Value: jsontext.Value(put.Value), Type: events.ValueType(put.Type),
		Description: put.Description, Comment: put.Comment,
		If: condition, Actor: x.principal.Name,
	})
	if err != nil {
		return err
	}
	e, err := x.entryAt(done.Index, x.names.namespace, x.names.key)
	if err != nil {
		return err
	}
	x.set("Etag", etag(&e, e.Namespace))
	status := http.StatusOK
	if wrote(done, e.Revision) && e.Created == e.Revision {
		status = http.StatusCreated
	}
	return x.sendEntry(status, &e, "")
}

// deleteEntry answers DELETE …/config/{key}.
func (x *exchange) deleteEntry() error {
	condition, err := x.condition()
	if err != nil {
		return err
	}
	if _, err := x.submit(events.DeleteEntry{Namespace: x.names.namespace, Key: x.names.key, If: condition}); err != nil {
		return err
	}
	return x.noContent()
}
