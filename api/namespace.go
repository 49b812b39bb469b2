package api

import (
	"net/http"
	"net/url"
	"strings"

	"confman/api/wire"
	"confman/events"
)

func wireNamespace(n events.Namespace) wire.Namespace {
	return wire.Namespace{
		Path: n.Path, Description: n.Description, Owner: n.Owner, CreatedAt: n.CreatedAt.UTC(),
		CreatedBy: n.CreatedBy, UpdatedAt: n.UpdatedAt.UTC(), Index: n.Revision,
	}
}

// listNamespaces answers GET /api/v1/namespaces: those in which the caller may
// see anything, by path. The mark of a page is its last path.
func (x *exchange) listNamespaces() error {
	p, err := x.page(maxRows)
	if err != nil {
		return err
	}
	prefix := x.query.Get(wire.ParamPrefix)
	page := []wire.Namespace{}
	for n := range x.state.Namespaces(p.after) {
		if !strings.HasPrefix(n.Path, prefix) || !x.principal.CanSee(n.Path) {
			continue
		}
		if len(page) == p.limit {
			x.next(p, page[len(page)-1].Path)
			break
		}
		page = append(page, wireNamespace(n))
	}
	return x.sendJSON(http.StatusOK, page)
}

// getNamespace answers GET /api/v1/namespaces/{namespace}.
func (x *exchange) getNamespace() error {
	n := x.state.Namespace(x.names.namespace)
	if !n.Live() {
		return &events.Refusal{Kind: events.ErrNotFound, Detail: "namespace " + x.names.namespace + " does not exist"}
	}
	return x.sendJSON(http.StatusOK, withSettings(wireNamespace(n), x.state.Policy(n.Path)))
}

// withSettings adds the namespace's own settings, if it has any.
func withSettings(n wire.Namespace, p events.Policy) wire.Namespace {
	if p.SettingsMark.Revision > 0 {
		settings := wireSettings(n.Path, p)
		n.Settings = &settings
	}
	return n
}

// putNamespace answers PUT /api/v1/namespaces/{namespace}.
func (x *exchange) putNamespace() error {
	var put wire.PutNamespace
	if err := x.decodeOptional(&put); err != nil {
		return err
	}
	if err := x.refuseConditions(); err != nil {
		return err
	}
	c := events.PutNamespace{Path: x.names.namespace, Description: put.Description, Owner: put.Owner, Actor: x.principal.Name}
	if put.Settings != nil {
		settings := settingsOf(*put.Settings)
		c.Settings = &settings
	}
	done, err := x.submit(c)
	if err != nil {
		return err
	}
	n, err := x.namespaceAt(done.Index)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if wrote(done, n.Revision) && n.Created == n.Revision {
		status = http.StatusCreated
		x.set("Location", namespacesPath+url.PathEscape(n.Path))
	}
	then, release := x.asOfIndex(done.Index)
	defer release()
	shown := withSettings(wireNamespace(n), then.Policy(n.Path))
	if then.err != nil {
		return unread(done.Index, then.err)
	}
	return x.sendJSON(status, shown)
}

// namespaceAt is the namespace as of an index that this node has reached.
func (x *exchange) namespaceAt(index uint64) (events.Namespace, error) {
	if n := x.Reader.State().Namespace(x.names.namespace); n.Revision <= index {
		return n, nil
	}
	h, release := x.Reader.History(index)
	defer release()
	n, err := h.Namespace(x.names.namespace)
	if err != nil {
		return n, unread(index, err)
	}
	return n, nil
}

// deleteNamespace answers DELETE /api/v1/namespaces/{namespace}.
func (x *exchange) deleteNamespace() error {
	if err := x.refuseConditions(); err != nil {
		return err
	}
	if _, err := x.submit(events.DeleteNamespace{Path: x.names.namespace}); err != nil {
		return err
	}
	return x.noContent()
}
