package api

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"confman/api/wire"
	"confman/events"
)

// Parameters of GET /api/v1/access/explain besides namespace and key.
const (
	paramPrincipal = "principal"
	paramGroup     = "group" // may be given several times
)

// maxGroups is how many groups one question may name.
const maxGroups = 256

// explainAccess answers GET /api/v1/access/explain: what a principal may do in a
// place, and every grant and role that bears on it. Admins of the namespace ask
// about anybody, in whatever groups; everybody about themselves, in their own.
func (x *exchange) explainAccess() error {
	q, err := x.accessQuestion()
	if err != nil {
		return err
	}
	q.roles()
	q.keys()
	best := events.NoRole
	for _, r := range q.Reasons {
		if role, err := events.ParseRole(r.Role); err == nil && r.Counts {
			best = max(best, role)
		}
	}
	q.Role = best.String()
	return x.sendJSON(http.StatusOK, q.AccessExplanation)
}

// accessQuestion is one that is being answered.
type accessQuestion struct {
	*exchange
	wire.AccessExplanation
}

func (x *exchange) accessQuestion() (*accessQuestion, error) {
	get := x.query.Get
	q := &accessQuestion{x, wire.AccessExplanation{
		Principal: get(paramPrincipal), Groups: x.query[paramGroup], Namespace: get(wire.ParamNamespace), Key: get(wire.ParamKey), Reasons: []wire.AccessReason{},
	}}
	if q.Namespace == "" {
		return nil, badParam(wire.ParamNamespace, "is missing; %s is that of everything", events.Root)
	}
	if err := events.CheckPlace(q.Namespace); err != nil {
		return nil, badParam(wire.ParamNamespace, "%v", err)
	}
	if q.Key != "" && events.CheckKey(q.Key) != nil {
		return nil, badParam(wire.ParamKey, "is %.64q, which is no key", q.Key)
	}
	if len(q.Groups) > maxGroups {
		return nil, badParam(paramGroup, "is given %d times, at most %d are allowed", len(q.Groups), maxGroups)
	}
	me := q.Principal == "" || q.Principal == x.principal.Name
	if me {
		q.Principal = x.principal.Name
		if len(q.Groups) == 0 {
			q.Groups = x.principal.Groups
		}
	}
	mine := func(group string) bool { return slices.Contains(x.principal.Groups, group) }
	if x.principal.Can(events.Admin, q.Namespace, "") || me && !slices.ContainsFunc(q.Groups, func(g string) bool { return !mine(g) }) {
		return q, nil
	}
	return nil, lacks(x.principal, events.Admin, q.Namespace, "")
}

// roles finds what namespaces give the principal, the nearest first.
func (q *accessQuestion) roles() {
	cut := ""
	for path := range events.Upwards(q.Namespace) {
		given := q.state.Roles(path)
		for _, g := range given.Grants {
			if g.Principal != q.Principal && (g.Group == "" || !slices.Contains(q.Groups, g.Group)) {
				continue
			}
			why := q.misses(events.Grant{Namespace: path, Role: g.Role, Keys: g.Keys})
			if cut != "" {
				why = "cut off by the roles of namespace " + cut + ", which do not inherit"
			}
			q.add(wire.AccessReason{Role: g.Role.String(), Source: "role", Namespace: path, Principal: g.Principal, Group: g.Group, Keys: g.Keys, Why: why})
		}
		if cut == "" && given.Cuts() {
			cut = path
		}
	}
}

// keys finds what the principal's API keys were granted. Which key it is, only the
// principal and those who administer the key hear.
func (q *accessQuestion) keys() {
	for k := range q.state.APIKeys("") {
		if k.Principal != q.Principal {
			continue
		}
		id := ""
		if k.Principal == q.principal.Name || q.overKey(k) == nil {
			id = k.ID
		}
		for _, g := range k.Grants {
			if !events.Within(q.Namespace, g.Namespace) {
				continue
			}
			why := q.misses(g)
			switch {
			case k.Revoked():
				why = "the API key was revoked at " + k.RevokedAt.UTC().Format(time.RFC3339)
			case !k.Usable(q.Now()):
				why = "the API key expired at " + k.ExpiresAt.UTC().Format(time.RFC3339)
			}
			q.add(wire.AccessReason{Role: g.Role.String(), Source: "key", Namespace: g.Namespace, Principal: k.Principal, KeyID: id, Keys: g.Keys, Why: why})
		}
	}
}

func (q *accessQuestion) add(r wire.AccessReason) {
	r.Counts = r.Why == ""
	q.Reasons = append(q.Reasons, r)
}

// misses says why a grant on the namespace, or on one above it, says nothing of
// what is asked about; "" where it does.
func (q *accessQuestion) misses(g events.Grant) string {
	if (events.Principal{Grants: []events.Grant{g}}).Can(g.Role, q.Namespace, q.Key) {
		return ""
	}
	if q.Key == "" {
		return fmt.Sprintf("it is for the keys %s only, not for the namespace as a whole", g.Keys)
	}
	return fmt.Sprintf("it is for the keys %s only", g.Keys)
}
