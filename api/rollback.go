package api

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
)

// paramDryRun asks what would happen.
const paramDryRun = "dry_run"

// rollbackEntry answers POST …/rollback/{key}: the key is again as it was at a
// version, as of an event or at a time. A version that is a deletion deletes it.
func (x *exchange) rollbackEntry() error {
	asked, err := x.newRollback()
	if err != nil {
		return err
	}
	namespace, key := x.names.namespace, x.names.key
	if x.present().Entry(namespace, key).Revision == 0 {
		return &events.Refusal{Kind: events.ErrNotFound, Detail: namespace + "/" + key + " never existed"}
	}
	r := events.Restored{Namespace: namespace, Key: key}
	if asked.ToVersion > 0 {
		if r.Was, err = x.versionOf(namespace, key, asked.ToVersion); err != nil {
			return err
		}
		r.AsOf = r.Was.Revision
	} else {
		h, release, err := x.rollbackTo(asked)
		if err != nil {
			return err
		}
		defer release()
		if r.Was, err = h.Entry(namespace, key); err != nil {
			return err
		}
		r.AsOf = h.Index()
	}
	return x.restore(events.Restore{
		Entries: []events.Restored{r}, Comment: asked.Comment, Source: events.ChangeSource{Kind: wire.SourceRollback, Index: r.AsOf},
	})
}

// rollbackNamespace answers POST …/rollback: all keys of exactly this namespace
// are again as they were. Those that came since are deleted.
func (x *exchange) rollbackNamespace() error {
	asked, err := x.newRollback()
	if err != nil {
		return err
	}
	namespace := x.names.namespace
	if asked.ToVersion > 0 {
		return events.Invalid("/toVersion", "is for a single key: versions of several are not comparable")
	}
	if x.present().Namespace(namespace).Revision == 0 {
		return &events.Refusal{Kind: events.ErrNotFound, Detail: "namespace " + namespace + " never existed"}
	}
	h, release, err := x.rollbackTo(asked)
	if err != nil {
		return err
	}
	defer release()
	was := map[string]events.Entry{}
	for e := range x.present().Entries(namespace) {
		was[e.Key] = events.Entry{}
	}
	for e, err := range h.EntriesAfter(namespace, "") {
		if err != nil {
			return err
		}
		was[e.Key] = e
	}
	c := events.Restore{
		Whole: []string{namespace}, Comment: asked.Comment, Source: events.ChangeSource{Kind: wire.SourceRollback, Index: h.Index()},
	}
	for _, key := range slices.Sorted(maps.Keys(was)) {
		c.Entries = append(c.Entries, events.Restored{Namespace: namespace, Key: key, Was: was[key], AsOf: h.Index()})
	}
	return x.restore(c)
}

// rollbackRequest answers POST /api/v1/publish-requests/{id}/rollback: the keys of
// a published request are again as they were before it, whatever came later.
func (x *exchange) rollbackRequest() error {
	var asked wire.Rollback
	if err := x.decodeOptional(&asked); err != nil {
		return err
	}
	if err := x.refuseConditions(); err != nil {
		return err
	}
	if asked.ToVersion > 0 || asked.ToIndex > 0 || asked.ToTime != nil {
		return &events.Refusal{Kind: events.ErrInvalid, Detail: "toVersion, toIndex and toTime say nothing here: the request's keys go back to how they were before it"}
	}
	entries, before, err := x.beforeRequest(x.names.id, false)
	if err != nil {
		return err
	}
	return x.restore(events.Restore{
		Entries: entries, Comment: asked.Comment, Source: events.ChangeSource{Kind: wire.SourceRollback, Index: before, Request: x.names.id},
	})
}

// newRollback reads the body of a rollback, and checks that it says where to.
func (x *exchange) newRollback() (asked wire.Rollback, err error) {
	if err := x.decode(&asked, smallBody); err != nil {
		return asked, err
	}
	if err := x.refuseConditions(); err != nil {
		return asked, err
	}
	given := 0
	for _, is := range []bool{asked.ToVersion > 0, asked.ToIndex > 0, asked.ToTime != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		return asked, &events.Refusal{Kind: events.ErrInvalid, Detail: fmt.Sprintf("%d of toVersion, toIndex and toTime are given, want one", given)}
	}
	return asked, nil
}

// rollbackTo is the history as of where a rollback goes.
func (x *exchange) rollbackTo(asked wire.Rollback) (h *projections.History, release func(), err error) {
	now := x.present()
	index := asked.ToIndex
	if index > now.Index() {
		return nil, nil, events.Invalid("/toIndex", "is %d, and the newest event is %d", index, now.Index())
	}
	if t := asked.ToTime; t != nil {
		if t.After(x.Now()) {
			return nil, nil, events.Invalid("/toTime", "is in the future")
		}
		h, release := x.Reader.History(now.Index())
		defer release()
		if index, err = h.IndexAt(*t); err != nil {
			return nil, nil, err
		}
	}
	if index, err = x.whole(index); err != nil {
		return nil, nil, err
	}
	h, release = x.Reader.History(index)
	return h, release, nil
}

// versionOf is a key at one of its versions.
func (x *exchange) versionOf(namespace, key string, version uint64) (events.Entry, error) {
	h, release := x.Reader.History(x.present().Index())
	defer release()
	for e, err := range h.Versions(namespace, key) {
		if err != nil {
			return e, err
		}
		if e.Version == version {
			return e, nil
		}
		if e.Version < version {
			break
		}
	}
	missing := fmt.Sprintf("%s/%s has no version %d", namespace, key, version)
	if version < x.present().Entry(namespace, key).Version {
		return events.Entry{}, fmt.Errorf("%s any more, the oldest event that is kept is %d: %w", missing, h.Oldest(), events.ErrCompacted)
	}
	return events.Entry{}, &events.Refusal{Kind: events.ErrNotFound, Detail: missing}
}

// beforeRequest are the keys of a published request as they were before it, and
// as of which event that was. With unless they may not have changed since.
func (x *exchange) beforeRequest(id string, unless bool) (entries []events.Restored, before uint64, err error) {
	r, err := x.surelyRequest(id)
	if err != nil {
		return nil, 0, err
	}
	if r.State != events.Published {
		return nil, 0, &events.Refusal{Kind: events.ErrConflict, Detail: fmt.Sprintf("publish request %s is %s: it changed nothing", r.ID, r.State)}
	}
	for _, c := range r.Changes {
		restored := events.Restored{Namespace: c.Namespace, Key: c.Key}
		if unless {
			restored.Unless = r.Resolution.Index
		}
		entries = append(entries, restored)
	}
	before = r.Resolution.Before
	return entries, before, x.asBefore(entries, before, "publish request "+r.ID)
}

// asBefore looks up what entries were as of an event. The caller must be publisher
// of them all, and hears no name of one that it may not see.
func (x *exchange) asBefore(entries []events.Restored, index uint64, whole string) error {
	for _, r := range entries {
		if !x.principal.Can(events.Viewer, r.Namespace, r.Key) {
			return &events.Refusal{Kind: events.ErrForbidden, Detail: x.principal.Name + " needs the role " + events.Publisher.String() + " on all that " + whole + " changed"}
		}
		if err := x.need(events.Publisher, r.Namespace, r.Key); err != nil {
			return err
		}
	}
	h, release := x.Reader.History(index)
	defer release()
	for i := range entries {
		r := &entries[i]
		was, err := h.Entry(r.Namespace, r.Key)
		if err != nil {
			return err
		}
		r.Was, r.AsOf = was, index
	}
	return nil
}

// restore has earlier states brought back.
func (x *exchange) restore(c events.Restore) error {
	c.Actor, c.Request = x.principal.Name, x.NewID().String()
	return x.change(c, func() []wire.ValueChange {
		changes := []wire.ValueChange{}
		for _, r := range c.Entries {
			if now := x.present().Entry(r.Namespace, r.Key); !sameContent(now, r.Was) {
				changes = append(changes, changeOf(r.Namespace, r.Key, now, r.Was))
			}
		}
		return changes
	})
}

// sameContent reports whether two entries would be read as the same.
func sameContent(a, b events.Entry) bool {
	if !a.Live() || !b.Live() {
		return a.Live() == b.Live()
	}
	return a.Value.Equal(b.Value) && a.Description == b.Description && slices.Equal(a.Tags, b.Tags)
}

// change has a command done that changes entries or asks for that, and answers
// with the changes. Of a dry run the answer is what the command's would be, or its
// refusal, as the present is: preview says what would change.
func (x *exchange) change(c events.Command, preview func() []wire.ValueChange) error {
	dry, err := x.flag(paramDryRun)
	if err != nil {
		return err
	}
	if !dry {
		done, err := x.submit(c)
		if err != nil {
			return err
		}
		return x.sendChanged(done)
	}
	_, err = x.Limits.Rules.Decide(x.present(), c, events.Stamp{Time: x.Now(), ID: x.NewID(), Actor: x.principal.Name})
	var low *events.LevelError // the level is raised by the first real change
	if err != nil && !errors.As(err, &low) {
		return err
	}
	return x.sendJSON(http.StatusOK, wire.Changed{DryRun: true, Changes: preview()})
}

// sendChanged tells what a command changed, or asks to change, from the events
// that it wrote: whoever asks again is told the same.
func (x *exchange) sendChanged(done events.Outcome) error {
	changed := wire.Changed{Changes: []wire.ValueChange{}, Index: done.Index, Position: x.w.Header().Get(wire.HeaderPosition)}
	status := http.StatusOK
	if done.Count > 0 {
		if err := x.tell(&changed, done); err != nil {
			return unread(done.Index, err)
		}
	}
	if changed.Request != "" {
		status = http.StatusCreated
		x.set("Location", requestsPath+"/"+changed.Request)
	}
	return x.sendJSON(status, changed)
}

// tell fills in what the events of an outcome say.
func (x *exchange) tell(changed *wire.Changed, done events.Outcome) error {
	before, releaseBefore := x.Reader.History(done.Index - uint64(done.Count))
	defer releaseBefore()
	after, release := x.Reader.History(done.Index)
	defer release()
	add := func(namespace, key string, is events.Entry) error {
		old, err := before.Entry(namespace, key)
		changed.Changes = append(changed.Changes, changeOf(namespace, key, old, is))
		return err
	}
	for r, err := range after.Records(done.Index - uint64(done.Count) + 1) {
		if err != nil {
			return err
		}
		e, err := r.Event()
		if err != nil {
			return err
		}
		if d, ok := e.Data.(events.RequestSubmitted); ok {
			changed.Request = e.Request
			for _, c := range d.Changes {
				draft, err := after.Draft(c.Namespace, c.Key)
				if err == nil {
					err = add(c.Namespace, c.Key, drafted(draft))
				}
				if err != nil {
					return err
				}
			}
		}
		if isConfig(e) {
			is, err := after.Entry(e.Namespace, e.Key)
			if err == nil {
				err = add(e.Namespace, e.Key, is)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// drafted is the entry that a draft would make, without a version.
func drafted(d events.Draft) events.Entry {
	return events.Entry{Value: d.Value, Description: d.Description, Tags: d.Tags, Deleted: d.Delete, Revision: d.Saved}
}

func isConfig(e events.Event) bool { return e.Data.Kind().Matches("config") }

// changeOf shows a key before and after. What came in or went has no differences
// besides.
func changeOf(namespace, key string, old, is events.Entry) wire.ValueChange {
	c := wire.ValueChange{Namespace: namespace, Key: key, Action: wire.ActionUpdate}
	if old.Live() {
		c.Old, c.OldType, c.OldVersion = []byte(old.Value.JSON), string(old.Value.Type), old.Version
	}
	if is.Live() {
		c.New, c.NewType, c.NewVersion = []byte(is.Value.JSON), string(is.Value.Type), is.Version
	}
	switch {
	case !old.Live():
		c.Action = wire.ActionCreate
	case !is.Live():
		c.Action = wire.ActionDelete
	default:
		c.Diff = differences(old.Value.JSON, is.Value.JSON)
	}
	return c
}
