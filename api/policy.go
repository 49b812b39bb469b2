package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
	"confman/events"
)

// wireOrigin says by which event a part of a policy was set.
func wireOrigin(namespace string, m events.Mark) wire.Origin {
	if m.Revision == 0 {
		return wire.Origin{Namespace: namespace}
	}
	return wire.Origin{Namespace: namespace, Index: m.Revision, UpdatedAt: m.At.UTC(), UpdatedBy: m.By}
}

// putPolicy has a part of the namespace's policy replaced and answers with it.
func (x *exchange) putPolicy(c events.Command, show func(events.Policy) (any, events.Mark)) error {
	done, err := x.submit(c)
	if err != nil {
		return err
	}
	then, release := x.asOfIndex(done.Index)
	defer release()
	shown, mark := show(then.Policy(x.names.namespace))
	if then.err != nil {
		return unread(done.Index, then.err)
	}
	x.set("Etag", revisionTag(mark.Revision))
	return x.sendJSON(http.StatusOK, shown)
}

// sendPolicy answers a read of a part of a policy.
func (x *exchange) sendPolicy(shown any, mark events.Mark) error {
	tag := revisionTag(mark.Revision)
	x.set("Etag", tag)
	if done, err := x.unchanged(tag); done || err != nil {
		return err
	}
	return x.sendJSON(http.StatusOK, shown)
}

// getRoles answers GET …/roles: the namespace's own or, with resolve, all that
// hold in it.
func (x *exchange) getRoles() error {
	resolve, err := x.flag(wire.ParamResolve)
	if err != nil {
		return err
	}
	v, end, err := x.view()
	if err != nil {
		return err
	}
	p := v.Policy(x.names.namespace)
	shown := wireRoles(x.names.namespace, p)
	if resolve {
		shown.Grants = []wire.RoleGrant{}
		for path := range events.Upwards(x.names.namespace) {
			roles := v.Roles(path)
			for _, g := range roles.Grants {
				shown.Grants = append(shown.Grants, wireRoleGrant(g, path))
			}
			if roles.Cuts() {
				break
			}
		}
	}
	if err := end(); err != nil {
		return err
	}
	if resolve {
		return x.sendJSON(http.StatusOK, shown)
	}
	return x.sendPolicy(shown, p.RolesMark)
}

func wireRoles(namespace string, p events.Policy) wire.Roles {
	shown := wire.Roles{Inherit: p.Roles.Inherit, Grants: []wire.RoleGrant{}, Origin: wireOrigin(namespace, p.RolesMark)}
	for _, g := range p.Roles.Grants {
		shown.Grants = append(shown.Grants, wireRoleGrant(g, ""))
	}
	return shown
}

func wireRoleGrant(g events.RoleGrant, from string) wire.RoleGrant {
	return wire.RoleGrant{Role: g.Role.String(), Principal: g.Principal, Group: g.Group, Keys: g.Keys, From: from}
}

// putRoles answers PUT …/roles.
func (x *exchange) putRoles() error {
	var put wire.Roles
	if err := x.decodeWhole(&put, smallBody); err != nil {
		return err
	}
	if put.Grants == nil {
		return events.Invalid("/grants", "is missing; [] gives no roles")
	}
	condition, err := x.revisionCondition()
	if err != nil {
		return err
	}
	roles := events.Roles{Inherit: put.Inherit}
	for i, g := range put.Grants {
		role, err := events.ParseRole(g.Role)
		if err != nil {
			return events.Invalid(fmt.Sprintf("/grants/%d/role", i), "%v", err)
		}
		roles.Grants = append(roles.Grants, events.RoleGrant{Role: role, Principal: g.Principal, Group: g.Group, Keys: g.Keys})
	}
	c := events.PutRoles{Namespace: x.names.namespace, Roles: roles, If: condition, Actor: x.principal.Name}
	return x.putPolicy(c, func(p events.Policy) (any, events.Mark) { return wireRoles(x.names.namespace, p), p.RolesMark })
}

// getSchema answers GET …/schema: the namespace's own and, with resolve, all that
// hold in it.
func (x *exchange) getSchema() error {
	resolve, err := x.flag(wire.ParamResolve)
	if err != nil {
		return err
	}
	v, end, err := x.view()
	if err != nil {
		return err
	}
	p := v.Policy(x.names.namespace)
	shown := wireSchema(x.names.namespace, p)
	if resolve {
		shown.Effective = []wire.InheritedSchema{}
		for from, s := range events.Schemas(v, x.names.namespace) {
			shown.Effective = append(shown.Effective, wire.InheritedSchema{From: from.Namespace, Index: from.SchemaMark.Revision, Schema: []byte(s.Document())})
		}
	}
	if err := end(); err != nil {
		return err
	}
	if resolve {
		return x.sendJSON(http.StatusOK, shown)
	}
	return x.sendPolicy(shown, p.SchemaMark)
}

func wireSchema(namespace string, p events.Policy) wire.Schema {
	shown := wire.Schema{Inherit: p.Schema.Inherit, Origin: wireOrigin(namespace, p.SchemaMark)}
	if p.Schema.Schema != nil {
		shown.Schema = []byte(p.Schema.Schema.Document())
	}
	return shown
}

// schemaBody is how large the body of PUT …/schema may be.
const schemaBody = 2*events.MaxSchemaBytes + bodyOverhead

// newSchema reads a schema from the request.
func (x *exchange) newSchema() (put wire.PutSchema, doc events.SchemaDoc, err error) {
	var body struct { // what GET answers with may be put back
		wire.PutSchema
		wire.Origin
		Effective jsontext.Value `json:"effective"`
	}
	if err := x.decodeWhole(&body, schemaBody); err != nil {
		return put, doc, err
	}
	put = body.PutSchema
	if put.Schema == nil && put.Inherit == nil {
		return put, doc, events.Invalid("/schema", "is missing; null takes the namespace's schema away")
	}
	doc.Inherit = put.Inherit
	if len(put.Schema) > 0 && string(put.Schema) != "null" {
		doc.Schema, err = events.ParseSchema("/schema", jsontext.Value(put.Schema))
	}
	return put, doc, err
}

// putSchema answers PUT …/schema.
func (x *exchange) putSchema() error {
	put, doc, err := x.newSchema()
	if err != nil {
		return err
	}
	condition, err := x.revisionCondition()
	if err != nil {
		return err
	}
	c := events.PutSchema{
		Namespace: x.names.namespace, Schema: doc, Comment: put.Comment, Force: put.Force, If: condition, Actor: x.principal.Name,
	}
	return x.putPolicy(c, func(p events.Policy) (any, events.Mark) { return wireSchema(x.names.namespace, p), p.SchemaMark })
}

// getSettings answers GET …/settings: the namespace's own or, with resolve, those
// that hold in it and where they come from. What it holds is known of the present
// only.
func (x *exchange) getSettings() error {
	resolve, err := x.flag(wire.ParamResolve)
	if err != nil {
		return err
	}
	v, end, err := x.view()
	if err != nil {
		return err
	}
	namespace := x.names.namespace
	p := v.Policy(namespace)
	shown := wireSettings(namespace, p)
	if resolve {
		shown = effectiveSettings(v, namespace)
	}
	if err := end(); err != nil {
		return err
	}
	if x.query.Get(wire.ParamAt) == "" && x.principal.Can(events.Viewer, namespace, "") {
		used := x.state.Usage(namespace)
		shown.Usage = &wire.Quota{Keys: used.Keys, Bytes: used.Bytes}
	}
	if resolve {
		return x.sendJSON(http.StatusOK, shown)
	}
	return x.sendPolicy(shown, p.SettingsMark)
}

// effectiveSettings are those that hold in a namespace, and where each comes from.
func effectiveSettings(v events.PolicyView, namespace string) wire.Settings {
	shown := wireSettings(namespace, v.Policy(namespace))
	e := events.EffectiveSettings(v, namespace)
	shown.RequireApproval, shown.MinApprovers = &e.RequireApproval, &e.MinApprovers
	shown.RollbackRequiresApproval, shown.AllowBypass = &e.RollbackRequiresApproval, &e.AllowBypass
	shown.Windows, shown.Freezes, shown.From = wireWindows(e.Windows), wireFreezes(e.Freezes), e.From
	for path := range events.Upwards(namespace) { // of all of them, the nearest is shown
		if q := v.Policy(path).Settings.Quota; q != nil && *q != (events.Quota{}) {
			shown.Quota, e.From["quota"] = &wire.Quota{Keys: q.Keys, Bytes: q.Bytes}, path
			break
		}
	}
	return shown
}

func wireSettings(namespace string, p events.Policy) wire.Settings {
	s := p.Settings
	shown := wire.Settings{
		RequireApproval: s.RequireApproval, MinApprovers: s.MinApprovers, RollbackRequiresApproval: s.RollbackRequiresApproval,
		AllowBypass: s.AllowBypass, Windows: wireWindows(s.Windows), Freezes: wireFreezes(s.Freezes), Inherit: s.Inherit,
		Origin: wireOrigin(namespace, p.SettingsMark),
	}
	if s.Quota != nil {
		shown.Quota = &wire.Quota{Keys: s.Quota.Keys, Bytes: s.Quota.Bytes}
	}
	return shown
}

func wireWindows(windows []events.Window) (shown []wire.Window) {
	for _, w := range windows {
		shown = append(shown, wire.Window(w))
	}
	return shown
}

func wireFreezes(freezes []events.Freeze) (shown []wire.Freeze) {
	for _, f := range freezes {
		shown = append(shown, wire.Freeze{From: f.From.UTC(), Until: f.Until.UTC(), Reason: f.Reason})
	}
	return shown
}

// settingsOf is what a body says of settings.
func settingsOf(put wire.Settings) events.Settings {
	s := events.Settings{
		RequireApproval: put.RequireApproval, MinApprovers: put.MinApprovers, RollbackRequiresApproval: put.RollbackRequiresApproval,
		AllowBypass: put.AllowBypass, Inherit: put.Inherit,
	}
	if put.Quota != nil {
		s.Quota = &events.Quota{Keys: put.Quota.Keys, Bytes: put.Quota.Bytes}
	}
	for _, w := range put.Windows {
		s.Windows = append(s.Windows, events.Window{Days: lower(w.Days), From: w.From, To: w.To, Timezone: w.Timezone})
	}
	for _, f := range put.Freezes {
		s.Freezes = append(s.Freezes, events.Freeze{From: f.From.UTC(), Until: f.Until.UTC(), Reason: f.Reason})
	}
	return s
}

func lower(names []string) (lowered []string) {
	for _, n := range names {
		lowered = append(lowered, strings.ToLower(n))
	}
	return lowered
}

// putSettings answers PUT …/settings.
func (x *exchange) putSettings() error {
	var put wire.Settings
	if err := x.decodeWhole(&put, smallBody); err != nil {
		return err
	}
	condition, err := x.revisionCondition()
	if err != nil {
		return err
	}
	c := events.PutSettings{Namespace: x.names.namespace, Settings: settingsOf(put), If: condition, Actor: x.principal.Name}
	return x.putPolicy(c, func(p events.Policy) (any, events.Mark) { return wireSettings(x.names.namespace, p), p.SettingsMark })
}
