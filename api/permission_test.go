package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"confman/events"
)

// The permission matrix: every route, asked by callers with every role, granted
// in every place that matters, for all keys or some, in every way of granting.
// Who may do what is said once more, independently of the code: by person.may and
// by the rows of matrixRows. Everything that somebody wrote into the world has a
// mark, and no answer to anybody may hold a mark that is not for them.

// Where things are. Roles of namespaces above do not reach into the vault.
const (
	above   = "teams"
	here    = "teams/pay"
	inside  = "teams/pay/eu"
	vault   = "teams/pay/vault"
	besides = "teams/ops"
	lobby   = "lobby" // which everybody may view
)

// person is somebody with roles, all granted in one way.
type person struct {
	name   string
	way    string // one of the ways
	roles  []held
	header string // the credential
}

// held is a role in a place, "/" for everywhere, on all or on the keys that begin
// with db/.
type held struct {
	role   events.Role
	place  string
	narrow bool
}

func (h held) keys() string {
	if h.narrow {
		return "db/*"
	}
	return ""
}

// The ways of granting.
const (
	byKey       = "key"       // a grant of the API key
	byPrincipal = "principal" // a role given to the principal of an API key
	byGroup     = "group"     // a role given to a group of whoever bears a token
)

// may says who has a role, or a higher one, on a key or, without one, on a
// namespace as a whole.
func (p person) may(role events.Role, namespace, key string) bool {
	if namespace == lobby && role == events.Viewer {
		return true
	}
	return slices.ContainsFunc(p.roles, func(h held) bool {
		cut := p.way != byKey && beneath(namespace, vault) && !beneath(h.place, vault)
		return h.role >= role && beneath(namespace, h.place) && !cut && (!h.narrow || strings.HasPrefix(key, "db/"))
	})
}

func beneath(namespace, place string) bool {
	return place == events.Root || namespace == place || strings.HasPrefix(namespace, place+"/")
}

// visits says who may see something in a namespace.
func (p person) visits(namespace string) bool {
	return p.may(events.Viewer, namespace, "db/x") // and so at least
}

// isRoot says who is admin of everything.
func (p person) isRoot() bool { return p.may(events.Admin, events.Root, "") }

// seesAll are admins of everything, what is cut off from the roles above included.
func (p person) seesAll() bool { return p.isRoot() && p.may(events.Admin, vault, "") }

// people are those with nothing, with each role in each place, and some with two.
func people() (all []person) {
	combinations := [][]held{
		nil,
		{{events.Viewer, above, false}, {events.Publisher, here, true}},
		{{events.Viewer, above, true}, {events.Admin, here, false}},
		{{events.Viewer, events.Root, true}, {events.Admin, besides, false}},
	}
	for _, place := range []string{events.Root, above, here, inside, besides} {
		for role := events.Viewer; role <= events.Admin; role++ {
			combinations = append(combinations, []held{{role, place, false}}, []held{{role, place, true}})
		}
	}
	for _, way := range []string{byKey, byPrincipal, byGroup} {
		for _, roles := range combinations {
			p := person{name: way, way: way, roles: roles}
			for _, h := range roles {
				p.name += fmt.Sprintf(".%s@%s%s", h.role, strings.ReplaceAll(h.place, "/", "_"), strings.TrimSuffix(h.keys(), "/*"))
			}
			all = append(all, p)
		}
	}
	return all
}

// probe is one request of the matrix.
type probe struct {
	path, body string
	accept     string
	may        func(person) bool // who is not refused
	refused    int               // how the others are; default 403
	unseen     func(person) bool // those of the others who are told 404
	ends       int               // how it ends for the admin of everything; default: well
	// shows says which secrets the answer has, of those that the person may see.
	// only are the kinds of secrets of which it has no other.
	shows func(secret, person) bool
	only  []string
}

var mark = regexp.MustCompile(`mk[0-9]{4}`)

func TestPermissionMatrix(t *testing.T) {
	w := newWorld(t)
	rows := w.matrixRows()
	asked := 0
	for _, r := range table() {
		name := r.method + " " + r.pattern
		probes, ok := rows[name]
		if delete(rows, name); !ok || len(probes) == 0 {
			t.Errorf("%s has no row in the matrix", name)
		}
		for _, q := range probes {
			complaints := 0
			for _, p := range w.people {
				asked++
				for _, wrong := range w.try(r, q, p) {
					if complaints++; complaints <= 3 { // the others are like them
						t.Errorf("%s %s as %s: %s", r.method, q.path, p.name, wrong)
					}
				}
			}
		}
	}
	for name := range rows {
		t.Errorf("the matrix has a row for %s, which is no route", name)
	}
	t.Logf("%d people, %d requests, %d secrets", len(w.people), asked, len(w.secrets))
}

// try sends one probe as one person and says what is wrong with the answer. What
// it writes is undone.
func (w *world) try(r route, q probe, p person) (wrong []string) {
	truth := w.node.Node
	if r.leads {
		w.node.Node = truth.Fork()
		defer func() { w.node.Node = truth }()
	}
	before := w.node.State().Index()
	request := httptest.NewRequest(r.method, q.path, strings.NewReader(q.body))
	name, value, _ := strings.Cut(p.header, ": ")
	request.Header.Set(name, value)
	if q.accept != "" {
		request.Header.Set("Accept", q.accept)
	}
	if q.body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	answer := httptest.NewRecorder()
	w.server.ServeHTTP(answer, request)
	refused := q.refused
	if refused == 0 {
		refused = http.StatusForbidden
	}
	if q.unseen != nil && q.unseen(p) {
		refused = http.StatusNotFound
	}
	switch may, status := q.may(p), answer.Code; {
	case may && (status == 401 || status == 403 || status == 404 && q.ends != 404):
		wrong = append(wrong, fmt.Sprintf("%d %s, although it is allowed", status, answer.Body))
	case may && p.isRoot() && status != q.ends && (q.ends != 0 || status >= 300):
		wrong = append(wrong, fmt.Sprintf("%d %s: this probe does not show anything", status, answer.Body))
	case !may && status != refused:
		wrong = append(wrong, fmt.Sprintf("%d %s, want %d", status, answer.Body, refused))
	case !may && w.node.State().Index() != before:
		wrong = append(wrong, "it was refused, and wrote")
	}
	text := fmt.Sprint(answer.Header()) + answer.Body.String()
	return append(wrong, w.marks(q, p, text)...)
}

// marks compares the secrets in an answer with those that should be there.
func (w *world) marks(q probe, p person, text string) (wrong []string) {
	found := mark.FindAllString(text, -1)
	slices.Sort(found)
	found = slices.Compact(found)
	for _, m := range found {
		s, known := w.secrets[m]
		switch {
		case !known: // of the question itself
		case !s.see(p):
			wrong = append(wrong, fmt.Sprintf("it shows %s, which is not for them: %s", s, around(text, m)))
		case slices.Contains(q.only, s.kind) && !q.shows(s, p):
			wrong = append(wrong, fmt.Sprintf("it shows %s, which does not belong there", s))
		}
	}
	if q.shows == nil || !q.may(p) {
		return wrong
	}
	for m, s := range w.secrets {
		if _, has := slices.BinarySearch(found, m); !has && s.see(p) && q.shows(s, p) {
			wrong = append(wrong, fmt.Sprintf("it lacks %s", s))
		}
	}
	return wrong
}

// around is where in a text something is.
func around(text, what string) string {
	at := strings.Index(text, what)
	return text[max(0, at-160):min(len(text), at+80)]
}
