package api

import (
	"net/http"
	"strconv"
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
		return &events.Refusal{Kind: events.ErrNotFound, Detail: x.names.namespace + "/" + x.names.key + x.absent()}
	}
	from := ""
	if resolve {
		from = e.Namespace
		if err := x.need(events.Viewer, from, e.Key); err != nil {
			return err
		}
	}
	x.deprecate(&e)
	tag := etag(&e, x.names.namespace)
	x.set("Etag", tag)
	if done, err := x.unchanged(tag); done || err != nil {
		return err
	}
	x.readSecrets(secretRefs(&e))
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
	e, _, err := lookUp(formerly(h), x.names.namespace, x.names.key, resolve)
	return e, err
}

// asOf is a state of all entries, now or in the past.
type asOf struct {
	entry  func(namespace, key string) (events.Entry, error)
	policy func(namespace string) (events.Policy, error)
}

// presently looks things up in the present.
func presently(s *projections.State) asOf {
	return asOf{
		func(namespace, key string) (events.Entry, error) { return s.Entry(namespace, key), nil },
		func(namespace string) (events.Policy, error) { return s.Policy(namespace), nil },
	}
}

// formerly looks things up as of an event.
func formerly(h *projections.History) asOf { return asOf{h.Entry, h.Policy} }

// above is the namespace that another one inherited values from then.
func (m asOf) above(namespace string) (above string, ok bool, err error) {
	cut := strings.LastIndexByte(namespace, '/')
	if cut < 0 {
		return "", false, nil
	}
	p, err := m.policy(namespace)
	return namespace[:cut], !p.Settings.Cuts(), err
}

// lookUp finds an entry in a namespace or, to resolve it, in the nearest one
// above that has it. changed is the newest revision among all that were asked.
func lookUp(at asOf, namespace, key string, resolve bool) (e events.Entry, changed uint64, err error) {
	for {
		e, err = at.entry(namespace, key)
		changed = max(changed, e.Revision)
		if err != nil || e.Live() || !resolve {
			return e, changed, err
		}
		above, ok, err := at.above(namespace)
		if err != nil || !ok {
			return e, changed, err
		}
		namespace = above
	}
}

// deprecate warns whoever reads an entry that a schema calls deprecated (RFC 9745).
func (x *exchange) deprecate(e *events.Entry) {
	for p, s := range events.Schemas(x.state, e.Namespace) {
		if s.Flags(e.Key).Deprecated {
			x.set("Deprecation", "@"+strconv.FormatInt(p.SchemaMark.At.Unix(), 10))
			x.set("Warning", `299 - "`+e.Namespace+"/"+e.Key+" is deprecated by the schema of "+p.Namespace+`"`)
			return
		}
	}
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
	done, err := x.idle()
	if err != nil {
		return events.Entry{}, err
	}
	defer done()
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
		Description: put.Description, Tags: put.Tags, Comment: put.Comment,
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
