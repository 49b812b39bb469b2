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
	h, release, err := x.past()
	if err != nil {
		return err
	}
	defer release()
	all := infallible(x.state.Namespaces(p.after))
	if h != nil {
		all = h.Namespaces(p.after)
	}
	prefix := x.query.Get(wire.ParamPrefix)
	page := []wire.Namespace{}
	for n, err := range all {
		if err != nil {
			return err
		}
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
	v, end, err := x.view()
	if err != nil {
		return err
	}
	n := v.Namespace(x.names.namespace)
	shown := withSettings(wireNamespace(n), v.Policy(n.Path))
	if err := end(); err != nil {
		return err
	}
	if !n.Live() {
		return &events.Refusal{Kind: events.ErrNotFound, Detail: "namespace " + x.names.namespace + x.absent()}
	}
	return x.sendJSON(http.StatusOK, shown)
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
