package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
)

// Bounds of one explanation.
const (
	shownWatchers = 100
	shownOthers   = 1000 // events of the transaction
)

// explain answers GET …/explain/{key}: why a key has the value that it has or, with
// at, had. What of that the caller may not see elsewhere is left out.
func (x *exchange) explain() error {
	resolve := true
	if x.query.Has(wire.ParamResolve) {
		var err error
		if resolve, err = x.flag(wire.ParamResolve); err != nil {
			return err
		}
	}
	h, release, err := x.past()
	if err != nil {
		return err
	}
	if h == nil {
		h, release = x.Reader.History(x.state.Index())
	}
	defer release()
	position, err := h.Position(h.Index())
	if err != nil {
		return err
	}
	w := explanation{x: x, h: h, then: x.formerState(h)}
	w.Namespace, w.Key, w.Position = x.names.namespace, x.names.key, position.String()
	e, err := w.look(resolve)
	if err == nil {
		err = w.made(e)
	}
	if err != nil {
		return err
	}
	w.governed(e.Namespace)
	w.watched(e)
	if w.then.err != nil {
		return w.then.err
	}
	return x.sendJSON(http.StatusOK, w.Explanation)
}

// explanation is one in the making.
type explanation struct {
	wire.Explanation
	x    *exchange
	h    *projections.History // as of what is explained
	then *bygone              // the same
}

// look goes from the namespace upwards. It returns the entry that answers or, when
// there is none, the nearest that was deleted.
func (w *explanation) look(resolve bool) (answer events.Entry, err error) {
	var deleted events.Entry
	looked := []string{}
	for path, more := w.Namespace, true; more; {
		e := w.then.Entry(path, w.Key)
		above, inherits := "", false
		if resolve {
			above, inherits = events.InheritsValues(w.then, path)
		}
		if w.then.err != nil {
			return answer, w.then.err
		}
		visible := w.x.principal.Can(events.Viewer, path, w.Key)
		switch {
		case visible:
			looked = append(looked, path)
			w.Scope = append(w.Scope, wire.ScopeStep{
				Namespace: path, Found: e.Live(), Shadowed: e.Live() && answer.Live(), Version: e.Version, Ends: !inherits,
			})
		case e.Live() && !answer.Live(): // as a read that resolves says
			return answer, lacks(w.x.principal, events.Viewer, path, w.Key)
		}
		switch {
		case !visible:
		case e.Live() && !answer.Live():
			answer = e
		case e.Revision > 0 && deleted.Revision == 0:
			deleted = e
		}
		path, more = above, inherits
	}
	if answer.Live() {
		w.Entry, err = w.entry(answer, resolve)
		return answer, err
	}
	if deleted.Revision == 0 {
		return answer, &events.Refusal{Kind: events.ErrNotFound, Detail: fmt.Sprintf("%s was not there, up to event %d, in %s", w.Key, w.h.Index(), strings.Join(looked, ", "))}
	}
	return deleted, nil
}

// entry shows an entry as a read does.
func (w *explanation) entry(e events.Entry, resolve bool) (*wire.ConfigEntry, error) {
	from := ""
	if resolve {
		from = e.Namespace
	}
	var shown wire.ConfigEntry
	err := json.Unmarshal(appendEntry(nil, &e, w.Namespace, from), &shown)
	return &shown, err
}

// made adds the event that made a version, what belongs to it, and the publish
// request that it came from.
func (w *explanation) made(e events.Entry) error {
	w.Versions = e.Version
	r, err := w.h.Record(e.Revision)
	if errors.Is(err, events.ErrCompacted) {
		return nil
	}
	if err != nil {
		return err
	}
	event, err := r.Event()
	if err != nil {
		return err
	}
	if shown, ok, err := w.x.audited(r); err != nil {
		return err
	} else if ok {
		w.Event = &shown
	}
	if back, ok := event.Data.(events.ConfigRolledBack); ok {
		w.Source = &wire.EntrySource{Version: back.Source.Version, Index: back.Source.Index}
	}
	end := r.Index
	if event.Transaction != "" {
		if end, err = w.others(r.Index, event.Transaction); err != nil {
			return err
		}
	}
	return w.published(e, event.Request, end)
}

// others adds what else a transaction did, and returns its last event.
func (w *explanation) others(index uint64, transaction string) (end uint64, err error) {
	first := index
	for r, err := range w.h.RecordsBefore(index) {
		if err != nil {
			return 0, err
		}
		if !r.More {
			break
		}
		first = r.Index
	}
	for r, err := range w.h.Records(first) {
		if err != nil {
			return 0, err
		}
		shown, ok, err := w.x.audited(r)
		if err != nil {
			return 0, err
		}
		if ok && r.Index != index && len(w.Transaction) < shownOthers {
			w.Transaction = append(w.Transaction, shown)
		}
		if end = r.Index; !r.More {
			break
		}
	}
	return end, nil
}

// published adds the publish request as it was when it had ended, at an index.
func (w *explanation) published(e events.Entry, id string, end uint64) error {
	if id == "" {
		return nil
	}
	h, release := w.x.Reader.History(end)
	defer release()
	by := wire.HistoryVersion{Namespace: e.Namespace, Key: e.Key, Request: id}
	if err := reviewedBy(h, &by); err != nil {
		return err
	}
	w.Author, w.ApprovedBy = by.Author, by.ApprovedBy
	shown, err := w.x.requestAt(h, id)
	if errors.Is(err, events.ErrNotFound) {
		return nil // none for the caller to see
	}
	w.Request = &shown
	return err
}

// governed adds the rules that hold in the namespace of the entry.
func (w *explanation) governed(namespace string) {
	for p := range events.Schemas(w.then, namespace) {
		s := wire.SchemaVersion{Namespace: p.Namespace, Index: p.SchemaMark.Revision, At: p.SchemaMark.At.UTC()}
		if w.x.principal.CanSee(p.Namespace) {
			s.By = p.SchemaMark.By
		}
		w.Schemas = append(w.Schemas, s)
	}
	settings := effectiveSettings(w.then, namespace)
	w.Settings = &settings
}

// watched adds who would be told if the entry changed now.
func (w *explanation) watched(e events.Entry) {
	watches := w.x.watchesHere()
	reached := w.x.reached(watches, events.ConfigUpdated{}.Kind(), e.Namespace, e.Key)
	w.WatcherCount = len(reached)
	for _, i := range reached[:min(len(reached), shownWatchers)] {
		by := watches[i]
		w.Watchers = append(w.Watchers, wire.WatcherInfo{Principal: by.Principal, Remote: by.Remote, Encoding: by.Encoding, Since: by.Since})
	}
}
