package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/oklog/ulid/v2"

	"confman/api/identity"
	"confman/api/identity/issuertest"
	"confman/events"
	"confman/streaming/webhooks"
)

// world is a bench with people and secrets.
type world struct {
	*bench
	issuer  *issuertest.Issuer
	people  []person
	secrets map[string]secret // by their marks
	ids     map[string]string // of requests, webhooks and API keys
	first   uint64            // when the first values stood
	revised map[string]uint64 // the event that gave a key of here its present value
}

// secret is something that somebody wrote.
type secret struct {
	mark, kind     string
	namespace, key string
	see            func(person) bool // who may see it at all
	told           func(person) bool // whom events tell it; nil: the same
	edits          func(person) bool // of a request: who may edit a key of it
}

func (s secret) String() string {
	return fmt.Sprintf("%s, %s of %s %s", s.mark, s.kind, s.namespace, s.key)
}

// plant makes up the mark of a secret.
func (w *world) plant(s secret) string {
	s.mark = fmt.Sprintf("mk%04d", len(w.secrets))
	if s.told == nil {
		s.told = s.see
	}
	w.secrets[s.mark] = s
	return s.mark
}

// ofKey is a secret for whoever has a role on a key.
func (w *world) ofKey(kind string, role events.Role, namespace, key string) string {
	return w.plant(secret{kind: kind, namespace: namespace, key: key, see: func(p person) bool { return p.may(role, namespace, key) }})
}

// ofPlace is a secret that governs a namespace and those below: for all who see
// something in one of them, and told by events to viewers of the whole.
func (w *world) ofPlace(kind, namespace string) string {
	return w.plant(secret{
		kind: kind, namespace: namespace,
		see: func(p person) bool {
			return slices.ContainsFunc(places(), func(n string) bool { return beneath(n, namespace) && p.visits(n) })
		},
		told: func(p person) bool { return p.may(events.Viewer, namespace, "") },
	})
}

// ofRequest is a secret of a request, for whoever may edit one of its keys, and
// told by events: what is said when it is submitted to those who may read all of
// its keys, what is said in a review to viewers of the namespace that it is about.
func (w *world) ofRequest(kind, place string, keys ...[2]string) string {
	edits := func(p person) bool {
		return slices.ContainsFunc(keys, func(k [2]string) bool { return p.may(events.Editor, k[0], k[1]) })
	}
	told := func(p person) bool {
		if kind == "request" {
			return !slices.ContainsFunc(keys, func(k [2]string) bool { return !p.may(events.Viewer, k[0], k[1]) })
		}
		return p.may(events.Viewer, place, "")
	}
	return w.plant(secret{
		kind: kind, namespace: place, key: keys[0][1], told: told, edits: edits,
		see: func(p person) bool { return edits(p) || told(p) },
	})
}

func places() []string { return []string{above, here, inside, vault, besides} }

// short tells namespaces apart in a key.
func short(namespace string) string { return namespace[strings.LastIndexByte(namespace, '/')+1:] }

func (w *world) did(actor string, c events.Command) events.Outcome {
	w.t.Helper()
	done, err := w.node.Submit(w.t.Context(), c, events.Stamp{Time: time.Now(), ID: ulid.Make(), Actor: actor})
	if err != nil {
		w.t.Fatalf("%T %+v: %v", c, c, err)
	}
	return done
}

func quoted(text string) jsontext.Value { return jsontext.Value(`"` + text + `"`) }

func newWorld(t *testing.T) *world {
	issuer := issuertest.Start(t, issuertest.Config{Now: time.Now})
	at, err := identity.NewIssuer(identity.OIDCConfig{Issuer: issuer.URL, ClientID: "confman", Now: time.Now, HTTPClient: &http.Client{Timeout: 10 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{issuer: issuer, secrets: map[string]secret{}, ids: map[string]string{}, revised: map[string]uint64{}, people: people()}
	w.bench = newWatchBench(t, func(c *Config) {
		c.Identity.Issuer = at
		c.Outside.Webhooks = silence{}
		c.Denials = openDenials(t)
	})
	w.govern()
	for _, n := range places() {
		w.fill(n)
	}
	w.first = w.node.State().Index()
	for _, n := range places() {
		w.change(n)
	}
	w.publish(above, "mixed", [2]string{here, "db/mixed"}, [2]string{besides, "db/mixed"}, [2]string{vault, "db/mixed"},
		[2]string{vault, "db/" + w.nameInVault()})
	w.meet()
	w.did("ana", events.PutEntry{Namespace: lobby, Key: "end", Value: quoted("end")})
	return w
}

// silence delivers nothing.
type silence struct{}

func (silence) Deliveries(string) ([]webhooks.Delivery, error) { return nil, nil }

func (silence) Resend(context.Context, string, uint64) (webhooks.Delivery, error) {
	return webhooks.Delivery{}, nil
}

// govern sets the policies, each with a secret, and gives the people their roles.
func (w *world) govern() {
	given := map[string][]events.RoleGrant{lobby: {{Role: events.Viewer, Group: "all"}}}
	for _, p := range w.people {
		if p.way == byPrincipal {
			given[lobby] = append(given[lobby], events.RoleGrant{Role: events.Viewer, Principal: p.name})
		}
		for _, h := range p.roles {
			switch p.way {
			case byPrincipal:
				given[h.place] = append(given[h.place], events.RoleGrant{Role: h.role, Principal: p.name, Keys: h.keys()})
			case byGroup:
				given[h.place] = append(given[h.place], events.RoleGrant{Role: h.role, Group: p.name, Keys: h.keys()})
			}
		}
	}
	given[vault] = nil
	reviewers := []events.RoleGrant{{Role: events.Publisher, Principal: "rita"}, {Role: events.Publisher, Principal: "rolf"}}
	for namespace, grants := range given {
		roles := events.Roles{Grants: append(grants, reviewers...)}
		if namespace == vault {
			roles.Inherit = new(bool)
		}
		if namespace != events.Root && namespace != lobby {
			roles.Grants = append(roles.Grants, events.RoleGrant{Role: events.Viewer, Principal: "friend-" + w.ofPlace("roles", namespace)})
		}
		w.did("ana", events.PutRoles{Namespace: namespace, Roles: roles, Actor: "ana"})
	}
	two, allow := 2, true
	for _, n := range places() {
		about := w.plant(secret{kind: "namespace", namespace: n, see: func(p person) bool { return p.visits(n) }, told: func(p person) bool { return p.may(events.Viewer, n, "") }})
		w.did("ana", events.PutNamespace{Path: n, Description: &about, Actor: "ana"})
		freeze := events.Freeze{From: time.Now().AddDate(50, 0, 0), Until: time.Now().AddDate(51, 0, 0), Reason: w.ofPlace("settings", n)}
		w.did("ana", events.PutSettings{Namespace: n, Settings: events.Settings{MinApprovers: &two, AllowBypass: &allow, Freezes: []events.Freeze{freeze}}, Actor: "ana"})
		schema, err := events.ParseSchema("", jsontext.Value(`{"title":"`+w.ofPlace("schema", n)+`"}`))
		if err != nil {
			w.t.Fatal(err)
		}
		w.did("ana", events.PutSchema{Namespace: n, Schema: events.SchemaDoc{Schema: schema}, Actor: "ana"})
		w.hire(n)
	}
}

// hire makes a webhook and an API key, which are for admins of the namespace.
func (w *world) hire(n string) {
	admins := func(kind string, root bool) string {
		admin := func(p person) bool { return p.may(events.Admin, n, "") }
		if !root {
			return w.plant(secret{kind: kind, namespace: n, see: admin})
		}
		return w.plant(secret{kind: kind, namespace: n, see: func(p person) bool { return admin(p) || p.isRoot() }, told: person.isRoot})
	}
	hook, key := ulid.Make().String(), "key-"+short(n)
	w.ids["hook "+n], w.ids["key "+n] = hook, key
	w.did("ana", events.CreateWebhook{ID: hook, Secret: "whsec_" + strings.Repeat("A", 43) + "=", Properties: events.WebhookProperties{
		URL: "https://" + admins("webhook", false) + ".example/", Namespace: n, Events: []string{"config"}, Description: admins("webhook", false),
	}})
	w.did("ana", events.CreateKey{ID: key, Name: admins("key", true), Digest: events.DigestKey(key), Grants: []events.Grant{{Namespace: n, Role: events.Viewer}}})
}

// fill writes the first values.
func (w *world) fill(n string) {
	for _, side := range []string{"db/", "web/"} {
		for _, key := range []string{side + "live", side + "gone", side + "published", side + "only-" + short(n)} {
			about := w.ofKey("about", events.Viewer, n, key)
			w.did("ann", events.PutEntry{
				Namespace: n, Key: key, Value: quoted(w.ofKey("old", events.Viewer, n, key)), Description: &about,
				Comment: w.ofKey("old comment", events.Viewer, n, key), Tags: &[]string{about}, Actor: "ann",
			})
		}
	}
}

// change changes, deletes, drafts, submits, rejects and publishes.
func (w *world) change(n string) {
	for _, side := range []string{"db/", "web/"} {
		for _, key := range []string{side + "live", side + "only-" + short(n)} {
			done := w.did("ann", events.PutEntry{
				Namespace: n, Key: key, Value: quoted(w.ofKey("value", events.Viewer, n, key)), Comment: w.ofKey("comment", events.Viewer, n, key),
			})
			if n == here {
				w.revised[key] = done.Index
			}
		}
		w.did("ann", events.DeleteEntry{Namespace: n, Key: side + "gone", Comment: w.ofKey("farewell", events.Viewer, n, side+"gone")})
		key := side + "idea"
		w.did("ann", events.SaveDraft{Namespace: n, Key: key, Actor: "ann", Content: events.Content{
			Value: quoted(w.ofKey("draft", events.Editor, n, key)), Comment: w.ofKey("draft comment", events.Editor, n, key),
		}})
	}
	w.publish(n, "open", [2]string{n, "db/live"}, [2]string{n, "web/live"})
	w.publish(n, "rejected", [2]string{n, "db/refused"}, [2]string{n, "web/refused"})
	w.publish(n, "published", [2]string{n, "db/published"}, [2]string{n, "web/published"})
}

// publish takes a request as far as its name says.
func (w *world) publish(place, name string, keys ...[2]string) {
	id := ulid.Make().String()
	w.ids[name+" "+place] = id
	role, kind := events.Editor, "proposed"
	if name == "published" {
		role, kind = events.Viewer, "value"
	}
	c := events.SubmitRequest{ID: id, Comment: w.ofRequest("request", place, keys...), Actor: "sam"}
	for _, k := range keys {
		c.Changes = append(c.Changes, events.Submitted{Namespace: k[0], Key: k[1], Content: &events.Content{
			Value: quoted(w.ofKey(kind, role, k[0], k[1])), Comment: w.ofKey(kind+" comment", role, k[0], k[1]),
		}})
	}
	w.did("sam", c)
	by := func(name string) events.Principal { return events.Principal{Name: name, Book: w.node.State()} }
	if name == "rejected" {
		w.did("rita", events.RejectRequest{ID: id, Comment: w.ofRequest("review", place, keys...), By: by("rita")})
		return
	}
	w.did("rita", events.ApproveRequest{ID: id, Comment: w.ofRequest("review", place, keys...), By: by("rita")})
	if name == "published" {
		w.did("rolf", events.ApproveRequest{ID: id, By: by("rolf")})
		if !w.node.State().Entry(place, "db/published").Live() || w.node.State().Request(id).Revision != 0 {
			w.t.Fatal("two approvals did not publish")
		}
	}
}

// nameInVault is a key that nobody knows of yet. The event that submits a request
// names all its keys, to those who may read each of them.
func (w *world) nameInVault() string {
	told := func(p person) bool {
		return p.may(events.Viewer, here, "db/mixed") && p.may(events.Viewer, besides, "db/mixed") && p.may(events.Viewer, vault, "db/mixed")
	}
	return w.plant(secret{kind: "name", namespace: above, told: told, see: func(p person) bool {
		return told(p) || p.may(events.Viewer, vault, "db/name")
	}})
}

// meet gives the people their credentials.
func (w *world) meet() {
	root := events.Principal{Name: "ana", Grants: []events.Grant{{Namespace: events.Root, Role: events.Admin}}}
	for i := range w.people {
		p := &w.people[i]
		if p.way == byGroup {
			p.header = "Authorization: Bearer " + w.issuer.Token(map[string]any{"email": p.name + "@example.com", "groups": []string{p.name, "all"}})
			continue
		}
		c := events.CreateKey{ID: p.name, Name: p.name, Digest: events.DigestKey(p.name), By: root}
		if p.way == byKey {
			c.By, c.Grants = events.Principal{}, []events.Grant{{Namespace: lobby, Role: events.Viewer}}
			for _, h := range p.roles {
				c.Grants = append(c.Grants, events.Grant{Namespace: h.place, Role: h.role, Keys: h.keys()})
			}
		}
		w.did("ana", c)
		p.header = "X-Api-Key: " + p.name
	}
}
