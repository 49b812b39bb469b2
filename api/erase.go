package api

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
)

// erase answers POST /api/v1/audit/erasures: a value is taken out of the history.
// What is found is erased under guards on the keys that it was found in.
func (x *exchange) erase() error {
	dry, err := x.flag(paramDryRun)
	if err != nil {
		return err
	}
	var asked wire.Erase
	if err := x.decode(&asked, smallBody); err != nil {
		return err
	}
	if err := x.refuseConditions(); err != nil {
		return err
	}
	if err := checkErase(asked); err != nil {
		return err
	}
	found, err := x.find(asked)
	if err != nil {
		return err
	}
	c := found.command(asked)
	if dry {
		_, err := x.Limits.Rules.Decide(x.present(), c, events.Stamp{Time: x.Now(), ID: x.NewID(), Actor: x.principal.Name})
		var low *events.LevelError // the level is raised by the first real erasure
		if err != nil && !errors.As(err, &low) {
			return err
		}
		return x.sendJSON(http.StatusOK, found.shown())
	}
	done, err := x.submit(c)
	if err != nil {
		return err
	}
	shown, err := x.erased(done.Index)
	if err != nil {
		return unread(done.Index, err)
	}
	shown.Elsewhere, shown.Others = found.elsewhere, found.others
	return x.sendJSON(http.StatusCreated, shown)
}

func checkErase(asked wire.Erase) error {
	if err := events.CheckNamespace(asked.Namespace); err != nil {
		return err
	}
	if err := events.CheckKey(asked.Key); err != nil {
		return err
	}
	if (asked.Version > 0) == (asked.Index > 0) {
		return &events.Refusal{Kind: events.ErrInvalid, Detail: "neither or both of version and index are given; one of them names the value"}
	}
	return nil
}

// unwanted is a value that is to go, and the records that hold it.
type unwanted struct {
	asOf      uint64           // event index
	standing  []events.Subject // entries and drafts that hold it, and whose records were trimmed
	value     events.Value
	records   []projections.Held
	before    []events.Chain // at the index before each of them
	elsewhere int            // records of other keys that hold it and keep it
	others    []wire.OtherHeld
	known     map[[2]string]int // keys of others, by where they are
}

// maxOthers is how many keys are named that hold the value too.
const maxOthers = 100

// other notes a record of another key.
func (u *unwanted) other(namespace, key string) {
	u.elsewhere++
	at, ok := u.known[[2]string{namespace, key}]
	if !ok && len(u.others) == maxOthers {
		return
	}
	if !ok {
		at = len(u.others)
		u.known[[2]string{namespace, key}] = at
		u.others = append(u.others, wire.OtherHeld{Namespace: namespace, Key: key})
	}
	u.others[at].Records++
}

// find looks for all records that hold the value. There may be none: the rules
// refuse that, unless the request was done before.
func (x *exchange) find(asked wire.Erase) (u unwanted, err error) {
	h, release := x.Reader.History(x.present().Index())
	defer release()
	u.asOf, u.known = h.Index(), map[[2]string]int{}
	if u.value, err = valueToErase(h, asked); err != nil || len(u.value.JSON) == 0 {
		return u, err
	}
	for held, err := range h.Holding(u.value.JSON) {
		if err == nil {
			err = x.r.Context().Err()
		}
		if err != nil {
			return u, err
		}
		if held.Event.Namespace == asked.Namespace && held.Event.Key == asked.Key || asked.Everywhere {
			before, err := h.Chain(held.Index - 1)
			if err != nil {
				return u, err
			}
			u.records, u.before = append(u.records, held), append(u.before, before)
		} else {
			u.other(held.Event.Namespace, held.Event.Key)
		}
		if len(u.records) > events.MaxErased {
			break // the rules say that it is too much
		}
	}
	u.stands(x.Reader.State(), asked)
	return u, nil
}

// stands looks for entries and drafts that have the value now and had it before the
// oldest record.
func (u *unwanted) stands(now *projections.State, asked wire.Erase) {
	found := func(noun events.Noun, namespace, key string, v events.Value, since uint64) {
		switch {
		case since >= now.Oldest() || !bytes.Equal(v.JSON, u.value.JSON):
		case asked.Everywhere || namespace == asked.Namespace && key == asked.Key:
			u.standing = append(u.standing, events.Subject{Noun: noun, Namespace: namespace, Name: key})
		default:
			u.other(namespace, key)
		}
	}
	for e := range now.AllEntries("", "") {
		found(events.TheEntry, e.Namespace, e.Key, e.Value, e.Revision)
	}
	for n := range now.Namespaces("") {
		for d := range now.Drafts(n.Path) {
			found(events.TheDraft, d.Namespace, d.Key, d.Value, d.Saved)
		}
	}
}

// valueToErase is the value that a request names; without JSON where it is gone.
func valueToErase(h *projections.History, asked wire.Erase) (events.Value, error) {
	if asked.Index > 0 {
		r, err := h.Record(asked.Index)
		if err != nil {
			return events.Value{}, err
		}
		e, err := r.Event()
		if err != nil {
			return events.Value{}, err
		}
		if e.Namespace != asked.Namespace || e.Key != asked.Key {
			return events.Value{}, events.Invalid("/index", "is of an event that is not about %s/%s", asked.Namespace, asked.Key)
		}
		held, err := r.Holds()
		return held[events.ThisValue], err
	}
	for e, err := range h.Versions(asked.Namespace, asked.Key) {
		if err != nil {
			return events.Value{}, err
		}
		if e.Version == asked.Version {
			return e.Value, nil
		}
	}
	return events.Value{}, &events.Refusal{Kind: events.ErrNotFound, Detail: fmt.Sprintf(
		"%s/%s has no version %d in the history that is kept", asked.Namespace, asked.Key, asked.Version)}
}

// command asks for the records to be erased, under guards on their keys.
func (u unwanted) command(asked wire.Erase) events.EraseValues {
	c := events.EraseValues{Namespace: asked.Namespace, Key: asked.Key, Reason: asked.Reason, Values: []events.Value{u.value}, AsOf: u.asOf}
	touched := map[events.Subject]bool{}
	c.Touched = u.standing
	for i, held := range u.records {
		erased := events.ErasedRecord{Index: held.Index, Before: u.before[i], Digest: events.DigestOf(held.AppendStored(nil)), Values: held.Places}
		if remains, err := held.Erase(held.Places); err == nil { // it was read a moment ago
			erased.Remains = events.DigestOf(remains.AppendStored(nil))
		}
		c.Records = append(c.Records, erased)
		for _, noun := range []events.Noun{events.TheEntry, events.TheDraft} {
			s := events.Subject{Noun: noun, Namespace: held.Event.Namespace, Name: held.Event.Key}
			if !touched[s] {
				touched[s] = true
				c.Touched = append(c.Touched, s)
			}
		}
	}
	return c
}

func (u unwanted) shown() wire.Erased {
	shown := wire.Erased{Records: []wire.ErasedRecord{}, Elsewhere: u.elsewhere, Others: u.others}
	for _, held := range u.records {
		shown.Records = append(shown.Records, erasedRecord(held.Index, held.Event, held.Places))
	}
	return shown
}

func erasedRecord(index uint64, e events.Event, places []events.Place) wire.ErasedRecord {
	shown := wire.ErasedRecord{Index: index, Action: string(e.Data.Kind()), Namespace: e.Namespace, Key: e.Key}
	for _, place := range places {
		shown.Values = append(shown.Values, string(place))
	}
	return shown
}

// erased tells what the erasure at an index took out.
func (x *exchange) erased(index uint64) (shown wire.Erased, err error) {
	h, release := x.Reader.History(x.Reader.State().Index())
	defer release()
	r, err := h.Record(index)
	if err != nil {
		return shown, err
	}
	e, err := r.Event()
	if err != nil {
		return shown, err
	}
	shown = wire.Erased{Index: r.Index, Position: r.Position().String(), Records: []wire.ErasedRecord{}}
	d, ok := e.Data.(events.HistoryErased)
	if !ok {
		return shown, fmt.Errorf("event %d is %s, want an erasure", index, e.Data.Kind())
	}
	for _, erased := range d.Records {
		touched, err := h.Record(erased.Index)
		if err != nil {
			continue // trimmed since
		}
		what, err := touched.Event()
		if err != nil {
			return shown, err
		}
		shown.Records = append(shown.Records, erasedRecord(erased.Index, what, erased.Values))
	}
	return shown, nil
}
