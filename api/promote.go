package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"confman/api/wire"
	"confman/events"
)

// promote answers POST /api/v1/promote: a publish request with which one namespace
// gets the entries of another. Only what is in a namespace itself counts, not what
// it inherits. Keys that the caller may not read on the side they come from, or
// may not see go on the other, are left alone.
func (x *exchange) promote() error {
	asked, err := x.newPromotion()
	if err != nil {
		return err
	}
	c := events.SubmitRequest{
		ID: x.NewID().String(), Comment: asked.Comment, Actor: x.principal.Name,
		Source: &events.ChangeSource{Kind: wire.SourcePromotion, Index: x.present().Index(), Namespace: asked.From},
	}
	if asked.PublishAt != nil {
		if c.PublishAt = asked.PublishAt.UTC(); !c.PublishAt.After(x.Now()) {
			return events.Invalid("/publishAt", "is not in the future; leave it out to publish with the last approval")
		}
	}
	if c.Changes, err = x.promoted(asked); err != nil {
		return err
	}
	dry, err := x.flag(paramDryRun)
	if err != nil {
		return err
	}
	if len(c.Changes) == 0 {
		return x.sendJSON(http.StatusOK, wire.Changed{DryRun: dry, Changes: []wire.ValueChange{}})
	}
	return x.change(c, func() []wire.ValueChange {
		changes := []wire.ValueChange{}
		for _, s := range c.Changes {
			is := events.Entry{}
			if !s.Delete {
				is = x.present().Entry(asked.From, s.Key)
				is.Version = 0 // not that of the entry that it becomes
			}
			changes = append(changes, changeOf(s.Namespace, s.Key, x.present().Entry(s.Namespace, s.Key), is))
		}
		return changes
	})
}

// newPromotion reads the body and judges its form.
func (x *exchange) newPromotion() (asked wire.Promote, err error) {
	if err := x.decode(&asked, smallBody); err != nil {
		return asked, err
	}
	if err := x.refuseConditions(); err != nil {
		return asked, err
	}
	for member, namespace := range map[string]string{"/from": asked.From, "/to": asked.To} {
		if err := events.CheckNamespace(namespace); err != nil {
			return asked, events.Invalid(member, "is not a namespace: %v", err)
		}
	}
	if asked.From == asked.To {
		return asked, events.Invalid("/to", "is the namespace that is promoted from")
	}
	for i, k := range asked.Keys {
		key, many := strings.CutSuffix(k, "*")
		if many {
			key += "x" // one of those that it means
		}
		if events.CheckKey(key) != nil {
			return asked, events.Invalid(fmt.Sprintf("/keys/%d", i), "%.64q is not a key, nor the beginning of one followed by *", k)
		}
	}
	if !x.principal.CanSee(asked.From) {
		return asked, lacks(x.principal, events.Viewer, asked.From, "")
	}
	if !x.principal.CanSome(events.Editor, asked.To) {
		return asked, lacks(x.principal, events.Editor, asked.To, "")
	}
	if !x.present().Namespace(asked.From).Live() {
		return asked, &events.Refusal{Kind: events.ErrNotFound, Detail: "namespace " + asked.From + " does not exist"}
	}
	return asked, nil
}

// promoted are the changes that a promotion comes to, by key.
func (x *exchange) promoted(asked wire.Promote) ([]events.Submitted, error) {
	changes := map[string]events.Submitted{}
	for e := range x.present().Entries(asked.From) {
		if !wanted(asked.Keys, e.Key) || !x.principal.Can(events.Viewer, asked.From, e.Key) {
			continue
		}
		same := sameContent(e, x.present().Entry(asked.To, e.Key))
		if x.principal.Can(events.Viewer, asked.To, e.Key) && same {
			continue
		}
		if err := x.need(events.Editor, asked.To, e.Key); err != nil {
			return nil, err
		}
		changes[e.Key] = events.Submitted{Namespace: asked.To, Key: e.Key, Content: e.Content()}
	}
	if asked.Delete {
		for e := range x.present().Entries(asked.To) {
			seen := x.principal.Can(events.Viewer, asked.From, e.Key) && x.principal.Can(events.Viewer, asked.To, e.Key)
			if !seen || !wanted(asked.Keys, e.Key) || x.present().Entry(asked.From, e.Key).Live() {
				continue
			}
			if err := x.need(events.Editor, asked.To, e.Key); err != nil {
				return nil, err
			}
			changes[e.Key] = events.Submitted{Namespace: asked.To, Key: e.Key, Delete: true}
		}
	}
	list := make([]events.Submitted, 0, len(changes))
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		list = append(list, changes[key])
	}
	return list, nil
}

// wanted reports whether a list of keys, and of beginnings of keys followed by *,
// names a key; an empty list names all.
func wanted(keys []string, key string) bool {
	return len(keys) == 0 || slices.ContainsFunc(keys, func(k string) bool {
		prefix, many := strings.CutSuffix(k, "*")
		return k == key || many && strings.HasPrefix(key, prefix)
	})
}
