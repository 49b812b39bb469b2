package api

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/prometheus/client_golang/prometheus"

	"confman/api/wire"
	"confman/events"
)

func newRegistry() *prometheus.Registry { return prometheus.NewRegistry() }

func isErr(err, kind error) bool { return err != nil && errors.Is(err, kind) }

// fill puts names into a pattern.
func fill(pattern string) string {
	return strings.NewReplacer("{namespace}", "pay", "{key}", "db/url", "{id}", "n2", "{slug}", "conflict", "{profile}", "heap").Replace(pattern)
}

// Each route against each sort of caller: only who may gets past authorization.
func TestRoutesLetInWhoMay(t *testing.T) {
	b := newBench(t)
	b.put("pay", "db/url", `"x"`)
	b.put("other", "db/url", `"x"`)
	callers := []struct {
		name, key string
		may       func(route) bool
	}{
		{"nobody", "", func(r route) bool { return r.access == anyone }},
		{"wrong key", "cfm_wrong", func(r route) bool { return r.access == anyone }},
		{"viewer elsewhere", b.key("v-other", "other", "viewer", ""), func(r route) bool { return r.access <= watcher }},
		{"viewer of other keys", b.key("v-cache", "pay", "viewer", "cache/*"), func(r route) bool { return r.access <= visitor }},
		{"viewer of the key", b.key("v-db", "pay", "viewer", "db/*"), func(r route) bool {
			return r.access <= visitor || r.access == member && r.role <= events.Viewer
		}},
		{"editor", b.key("e", "pay", "editor", ""), func(r route) bool {
			return r.access <= visitor || r.access == member && r.role <= events.Editor
		}},
		{"publisher", b.key("p", "pay", "publisher", ""), func(r route) bool {
			return r.access <= visitor || r.access == member && r.role <= events.Publisher
		}},
		{"admin of the namespace", b.key("a", "pay", "admin", ""), func(r route) bool { return r.access < root }},
		{"admin of everything", b.root, func(route) bool { return true }},
	}
	for _, caller := range callers {
		t.Run(caller.name, func(t *testing.T) {
			for _, r := range table() {
				if r.pattern == "/debug/pprof/{profile}" && caller.key == b.root {
					continue // its answer is long and not ours
				}
				before := b.node.State().Index()
				path := fill(r.pattern)
				if r.access == watcher {
					path += "?after=1-00000000" // of another history: whoever may watch is told so, and does not
				}
				got := b.do(r.method, path, nil, "X-Api-Key: "+caller.key)
				switch may := caller.may(r); {
				case caller.key == "" || caller.key == "cfm_wrong":
					if !may {
						got.problem(401, wire.ProblemUnauthenticated)
						if got.header.Get("WWW-Authenticate") == "" {
							t.Errorf("%s: no WWW-Authenticate", got.what)
						}
					}
				case !may:
					got.problem(403, wire.ProblemForbidden, "needs the role")
				case got.status == 401 || got.status == 403 && r.pattern != "/api/v1/keys/{id}":
					t.Errorf("%s: %d %s", got.what, got.status, got.body)
				}
				if !caller.may(r) && b.node.State().Index() != before {
					t.Errorf("%s wrote although it was refused", got.what)
				}
				if r.pattern == namespacesPath+"{namespace}" && r.method == http.MethodDelete || got.status == 204 {
					b.put("pay", "db/url", `"x"`)
				}
			}
		})
	}
}

func TestKeysAreTakenFromEitherHeader(t *testing.T) {
	b := newBench(t)
	for _, test := range []struct {
		headers []string
		status  int
	}{
		{nil, 200},
		{[]string{"X-Api-Key: ", "Authorization: Bearer " + b.root}, 200},
		{[]string{"X-Api-Key: ", "Authorization: bearer " + b.root}, 200},
		{[]string{"Authorization: Bearer " + b.root}, 200},
		{[]string{"Authorization: Bearer another"}, 400},
		{[]string{"X-Api-Key: ", "Authorization: Basic YTpi"}, 401},
		{[]string{"X-Api-Key: "}, 401},
	} {
		if got := b.do("GET", "/api/v1/whoami", nil, test.headers...); got.status != test.status {
			t.Errorf("%v: %d %s, want %d", test.headers, got.status, got.body, test.status)
		}
	}
	if got := b.do("GET", "/api/v1/whoami?api_key="+b.root, nil, "X-Api-Key: "); got.status != 401 {
		t.Errorf("a key in the URL is taken: %d", got.status)
	}
}

func TestARefusedKeySaysWhy(t *testing.T) {
	b := newBench(t)
	soon := moment.AddDate(1, 0, 0)
	made := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{
		Name: "brief", Grants: []wire.Grant{{Namespace: "pay", Role: "viewer"}}, ExpiresAt: &soon,
	}).is(201))
	b.do("GET", "/api/v1/whoami", nil, "X-Api-Key: "+made.Key).is(200)
	b.clock.Add(366 * 24 * 3600)
	b.do("GET", "/api/v1/whoami", nil, "X-Api-Key: "+made.Key).problem(401, wire.ProblemUnauthenticated, made.ID, "expired")
	b.do("DELETE", "/api/v1/keys/"+made.ID, nil).is(204)
	b.do("GET", "/api/v1/whoami", nil, "X-Api-Key: "+made.Key).problem(401, wire.ProblemUnauthenticated, made.ID, "revoked")
	b.do("GET", "/api/v1/whoami", nil, "X-Api-Key: "+b.root[:len(b.root)-1]+"!").problem(401, wire.ProblemUnauthenticated, "mistyped")
	b.do("GET", "/api/v1/whoami", nil, "X-Api-Key: hello").problem(401, wire.ProblemUnauthenticated, "not known")
}

func TestMintedKeysHaveTheirForm(t *testing.T) {
	id, key := MintKey(bytes.NewReader(make([]byte, 64)))
	if id != strings.Repeat("a", 12) || key != "cfm_aaaaaaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAA_"+keyChecksum("cfm_aaaaaaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAA") {
		t.Errorf("minted %s %s", id, key)
	}
	if mistyped(key) || !mistyped(key[:20]+"B"+key[21:]) {
		t.Error("the checksum does not tell a mistyped key")
	}
	defer func() {
		if recover() == nil {
			t.Error("a key was minted without randomness")
		}
	}()
	MintKey(iotest.ErrReader(errors.New("no randomness")))
}

// Admin rights over one namespace make keys for it and below, and for nothing else.
func TestKeysGrantNoMoreThanTheirMakerHas(t *testing.T) {
	b := newBench(t)
	maker := "X-Api-Key: " + b.key("maker", "teams/pay", "admin", "")
	for _, test := range []struct {
		grant  wire.Grant
		status int
	}{
		{wire.Grant{Namespace: "teams/pay", Role: "admin"}, 201},
		{wire.Grant{Namespace: "teams/pay/eu", Role: "viewer"}, 201},
		{wire.Grant{Namespace: "teams/pay", Role: "viewer", Keys: "db/*"}, 201},
		{wire.Grant{Namespace: "teams/payroll", Role: "viewer"}, 403},
		{wire.Grant{Namespace: "teams", Role: "viewer"}, 403},
		{wire.Grant{Namespace: "/", Role: "viewer"}, 403},
		{wire.Grant{Namespace: "*", Role: "viewer"}, 403},
	} {
		got := b.do("POST", "/api/v1/keys", wire.NewKey{Name: "k", Grants: []wire.Grant{test.grant}}, maker)
		if got.status != test.status {
			t.Errorf("%+v: %d %s, want %d", test.grant, got.status, got.body, test.status)
		}
	}
	narrow := "X-Api-Key: " + b.key("narrow", "teams/pay", "admin", "db/*")
	b.do("POST", "/api/v1/keys", wire.NewKey{Name: "k", Grants: []wire.Grant{{Namespace: "teams/pay", Role: "viewer", Keys: "db/*"}}}, narrow).is(403)
	everything := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{Name: "all", Grants: []wire.Grant{{Namespace: "*", Role: "viewer"}}}).is(201))
	if everything.Grants[0].Namespace != "/" {
		t.Errorf("* grants %q, want /", everything.Grants[0].Namespace)
	}
	b.do("DELETE", "/api/v1/keys/"+everything.ID, nil, maker).is(403)
	if listed := decodeAs[[]wire.APIKey](b.do("GET", "/api/v1/keys", nil, maker).is(200)); len(listed) != 4 {
		t.Errorf("the maker lists %d keys, want its own and the 3 it made, not the narrow one, which takes roles: %+v", len(listed), listed)
	}
	for _, listed := range decodeAs[[]wire.APIKey](b.do("GET", "/api/v1/keys", nil).is(200)) {
		if listed.Key != "" {
			t.Errorf("key %s is listed with its secret", listed.ID)
		}
	}
}

// A node that has not learnt of a key yet waits for the index that came with it.
func TestANewKeyWaitsForTheIndexItCameWith(t *testing.T) {
	b := newBench(t)
	id, key := MintKey(bytes.NewReader(bytes.Repeat([]byte{7}, 64)))
	done := make(chan reply, 1)
	go func() {
		r, err := b.try("GET", "/api/v1/whoami", nil, "X-Api-Key: "+key, "X-Confman-Min-Index: 3")
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	b.waitUntilAwaited()
	_, err := b.node.Submit(t.Context(), events.CreateKey{ID: id, Name: "late", Digest: events.DigestKey(key), Grants: []events.Grant{{Namespace: "pay", Role: events.Viewer}}},
		events.Stamp{Time: b.now(), Actor: "ana"})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.status != 200 || decodeAs[wire.Principal](got).Principal != "late" {
		t.Errorf("%d %s", got.status, got.body)
	}
}
