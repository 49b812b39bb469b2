package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
	"confman/events"
)

// wireDraft shows a draft, what it would replace and what the schemas would say.
func (x *exchange) wireDraft(s events.View, d events.Draft) wire.Draft {
	shown := wire.Draft{
		Namespace: d.Namespace, Key: d.Key, Type: string(d.Value.Type), Value: []byte(d.Value.JSON), Description: d.Description, Tags: d.Tags,
		Delete: d.Delete, Comment: d.Comment, Revision: d.Saved, UpdatedAt: d.UpdatedAt.UTC(), UpdatedBy: d.UpdatedBy, Request: d.Request,
	}
	if live := s.Entry(d.Namespace, d.Key); live.Live() {
		shown.Live = &wire.PreviousVersion{Value: []byte(live.Value.JSON), Version: live.Version}
	}
	for _, f := range x.audible(d.Namespace, events.JudgeDrafts(s, d)) {
		shown.Errors = append(shown.Errors, wire.FieldError{Pointer: f.Pointer, Detail: f.Detail})
	}
	return shown
}

// draftsTimeout bounds a page: to judge a draft may take long.
const draftsTimeout = 2 * time.Second

// listDrafts answers GET …/drafts: those of exactly this namespace that the
// caller may edit, by key. The mark of a page is its last key.
func (x *exchange) listDrafts() error {
	p, err := x.page(maxRows)
	if err != nil {
		return err
	}
	prefix := x.query.Get(wire.ParamPrefix)
	ctx, cancel := x.within(draftsTimeout)
	defer cancel()
	var page rows
	last := ""
	for d := range x.state.DraftsAfter(x.names.namespace, p.after) {
		if !strings.HasPrefix(d.Key, prefix) || !x.principal.Can(events.Editor, d.Namespace, d.Key) {
			continue
		}
		if page.full(p.limit) || page.count > 0 && ctx.Err() != nil {
			x.next(p, last)
			break
		}
		if err := page.encode(x.wireDraft(x.state, d)); err != nil {
			return err
		}
		last = d.Key
	}
	x.readDrafts(page.count)
	return x.sendRows(page)
}

// getDraft answers GET …/drafts/{key}.
func (x *exchange) getDraft() error {
	d := x.state.Draft(x.names.namespace, x.names.key)
	if !d.Exists() {
		return &events.Refusal{Kind: events.ErrNotFound, Detail: x.names.namespace + "/" + x.names.key + " has no draft"}
	}
	tag := revisionTag(d.Saved)
	x.set("Etag", tag)
	if done, err := x.unchanged(tag); done || err != nil {
		return err
	}
	x.readDrafts(1)
	return x.sendJSON(http.StatusOK, x.wireDraft(x.state, d))
}

// putDraft answers PUT …/drafts/{key}.
func (x *exchange) putDraft() error {
	var put wire.PutDraft
	if err := x.decode(&put, x.entryBody()); err != nil {
		return err
	}
	condition, err := x.revisionCondition()
	if err != nil {
		return err
	}
	done, err := x.submit(events.SaveDraft{
		Namespace: x.names.namespace, Key: x.names.key, Delete: put.Delete, If: condition, Actor: x.principal.Name,
		Content: events.Content{
			Value: jsontext.Value(put.Value), Type: events.ValueType(put.Type), Description: put.Description, Tags: put.Tags, Comment: put.Comment,
		},
	})
	if err != nil {
		return err
	}
	then, release := x.asOfIndex(done.Index)
	defer release()
	d := then.Draft(x.names.namespace, x.names.key)
	shown := x.wireDraft(then, d)
	if then.err != nil {
		return unread(done.Index, then.err)
	}
	x.set("Etag", revisionTag(d.Saved))
	status := http.StatusOK
	if wrote(done, d.Saved) && x.firstDraft(d) {
		status = http.StatusCreated
	}
	return x.sendJSON(status, shown)
}

// firstDraft reports whether there was no draft before this one.
func (x *exchange) firstDraft(d events.Draft) bool {
	h, release := x.Reader.History(d.Saved - 1)
	defer release()
	before, err := h.Draft(d.Namespace, d.Key)
	return err == nil && !before.Exists()
}

// discardDraft answers DELETE …/drafts/{key}.
func (x *exchange) discardDraft() error {
	condition, err := x.revisionCondition()
	if err != nil {
		return err
	}
	if _, err := x.submit(events.DiscardDraft{Namespace: x.names.namespace, Key: x.names.key, If: condition}); err != nil {
		return err
	}
	return x.noContent()
}
