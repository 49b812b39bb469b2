package api

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"confman/api/wire"
	"confman/events"
	"confman/streaming/webhooks"
)

// A proposal that Decide lets pass must be one that every node can read: what
// DecodeEntry refuses stops them all, at every start.
func TestNoProposalIsTooLongToBeRead(t *testing.T) {
	b := newGoverned(t)
	b.submit(events.PutEntry{Namespace: "pay/eu", Key: "k", Value: []byte(`1`)})
	schema, err := events.ParseSchema("", []byte(`{"properties":{"k":{"type":"integer"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	b.submit(events.PutSchema{Namespace: "pay/eu", Schema: events.SchemaDoc{Schema: schema}})
	for i := range 600 {
		b.submit(events.PutEntry{Namespace: fmt.Sprintf("pay/eu/n%d", i), Key: "k", Value: []byte(`1`)})
	}
	var c events.Transact
	for i := range events.MaxOperations {
		c.Set = append(c.Set, events.PutEntry{Namespace: "pay", Key: fmt.Sprintf("k%d", i), Value: []byte(`1`)})
	}
	p, err := events.Rules{}.Decide(b.node.State(), c, events.Stamp{Time: b.now(), ID: ulid.Make(), Actor: "eve"})
	if err != nil {
		return
	}
	if _, err := events.DecodeEntry(events.EncodeEntry([]events.Proposal{p})); err != nil {
		t.Errorf("%d guards: %v", len(p.Guards), err)
	}
}

// small is a node that writes 64 KiB at once.
func small(c *Config) { c.Limits.Rules.MaxProposalBytes = 64 << 10 }

// bigDrafts saves drafts of namespace pay, of 2 KiB each.
func (b *bench) bigDrafts(n int, actor string) (changes []string) {
	value := []byte(`"` + strings.Repeat("x", 2048) + `"`)
	for i := range n {
		key := fmt.Sprintf("big%d", i)
		b.submit(events.SaveDraft{Namespace: "pay", Key: key, Content: events.Content{Value: value}, Actor: actor})
		changes = append(changes, `{"namespace":"pay","key":"`+key+`"}`)
	}
	return changes
}

// Drafts are saved one by one, so together they can be more than one step writes.
// Such a request must not be asked for again and again once it is due, and its
// answers must not fill the memory.
func TestARequestThatIsTooLargeIsRefusedWhenItIsSubmitted(t *testing.T) {
	b := newGoverned(t, small)
	changes := b.bigDrafts(33, "ana")
	b.do("POST", "/api/v1/publish-requests", `{"changes":[`+strings.Join(changes, ",")+`]}`).problem(413, wire.ProblemTooLarge)
	b.do("POST", "/api/v1/publish-requests", `{"changes":[`+strings.Join(changes[:20], ",")+`]}`).is(201)
}

// What was small enough when it was submitted may replace larger values by then.
func TestARequestThatIsTooLargeWhenItIsDueIsRejected(t *testing.T) {
	b := newGoverned(t, small)
	changes := b.bigDrafts(25, "ana")
	bob := by(b.key("bob", "pay", "publisher", ""))
	id := b.submitted(b.root, `{"changes":[`+strings.Join(changes, ",")+`],"publishAt":"2026-01-24T00:00:00Z"}`)
	for i := range 25 {
		b.submit(events.PutEntry{Namespace: "pay", Key: fmt.Sprintf("big%d", i), Value: []byte(`"` + strings.Repeat("y", 2048) + `"`)})
	}
	b.do("POST", requestsPath+"/"+id+"/approve", nil, bob).is(200)
	due := events.Stamp{Time: moment.Add(48 * time.Hour), ID: ulid.Make(), Actor: events.System}
	if _, err := b.node.Submit(t.Context(), events.PublishDue{ID: id}, due); err != nil {
		t.Fatalf("it is asked for again at every tick: %v", err)
	}
	if r := decodeAs[wire.PublishRequest](b.do("GET", requestsPath+"/"+id, nil).is(200)); r.State != "rejected" {
		t.Errorf("the request is %s", r.State)
	}
}

// person is the header of somebody who has roles and no grants.
func (b *bench) person(name string) string {
	b.t.Helper()
	k := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{Name: name}).is(201))
	return by(k.Key)
}

// gives replaces the roles of a namespace: "dora editor".
func (b *bench) gives(namespace string, inherit *bool, grants ...string) {
	b.t.Helper()
	roles := events.Roles{Inherit: inherit}
	for _, g := range grants {
		name, role, _ := strings.Cut(g, " ")
		parsed, err := events.ParseRole(role)
		if err != nil {
			b.t.Fatal(err)
		}
		roles.Grants = append(roles.Grants, events.RoleGrant{Role: parsed, Principal: name})
	}
	b.submit(events.PutRoles{Namespace: namespace, Roles: roles})
}

// A key that lends little must not end those that lend more, though they have the
// same principal.
func TestASmallKeyDoesNotRevokeAGreatOne(t *testing.T) {
	b := newGoverned(t)
	make := func(k wire.NewKey) wire.APIKey {
		return decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", k).is(201))
	}
	small := make(wire.NewKey{Name: "ci", Principal: "ana", Grants: []wire.Grant{{Namespace: "pay", Role: "viewer", Keys: "db/*"}}})
	great := make(wire.NewKey{Name: "ana", Grants: []wire.Grant{{Namespace: "/", Role: "admin"}}})
	b.do("DELETE", "/api/v1/keys/"+great.ID, nil, by(small.Key)).problem(403, wire.ProblemForbidden)
	b.do("DELETE", "/api/v1/keys/"+small.ID, nil, by(small.Key)).is(204)
}

// What schemas of namespaces below say of their own values is not for those who
// may only read above.
func TestVerdictsDoNotTellValuesOfNamespacesBelow(t *testing.T) {
	b := newGoverned(t)
	eve, dora := b.person("eve"), b.person("dora")
	b.put("pay", "mode", `"a"`)
	b.put("pay/vault", "pin", `"1234"`)
	b.gives("pay", nil, "eve editor")
	b.gives("pay/vault", new(bool), "dora admin")
	schema := `{"schema":{"if":{"properties":{"mode":{"const":"b"}}},"then":{"properties":{"pin":{"const":"0000"}}}}}`
	b.do("PUT", namespacesPath+"pay/vault/schema", schema, dora).is(200)
	b.do("GET", entryPath("pay/vault", "pin"), nil, eve).is(403)
	for what, r := range map[string]reply{
		"draft":   b.do("PUT", namespacesPath+"pay/drafts/mode", `{"value":"b"}`, eve),
		"write":   b.do("PUT", entryPath("pay", "mode"), `{"value":"b"}`, eve),
		"request": b.do("POST", requestsPath, `{"changes":[{"namespace":"pay","key":"mode","value":"b"}]}`, eve),
	} {
		if strings.Contains(r.body, "1234") {
			t.Errorf("%s: %d %s", what, r.status, r.body)
		}
	}
}

// What is said of a namespace as a whole may quote any of its values.
func TestVerdictsOnTheWholeAreForWhoReadsTheWhole(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "mode", `"a"`)
	b.put("pay", "pin", `"1234"`)
	b.do("PUT", namespacesPath+"pay/schema", `{"schema":{"anyOf":[{"properties":{"pin":{"const":"0000"}}},{"properties":{"mode":{"const":"a"}}}]}}`).is(200)
	eve := by(b.key("eve", "pay", "editor", "mode"))
	if r := b.do("PUT", entryPath("pay", "mode"), `{"value":"b"}`, eve).is(422); strings.Contains(r.body, "1234") {
		t.Error(r.body)
	}
}

// An admin of one namespace does not act under the name of somebody who logs in.
func TestOnlyAnAdminOfEverythingLendsNamesOfPeople(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", `1`)
	mallory := by(b.key("mallory", "pay", "admin", ""))
	for _, name := range []string{"bob@corp.example", "oidc:bob", "spiffe://corp/bob"} {
		b.do("POST", "/api/v1/keys", `{"name":"x","principal":"`+name+`","grants":[{"namespace":"pay","role":"publisher"}]}`, mallory).problem(403, wire.ProblemForbidden)
	}
	b.do("POST", "/api/v1/keys", `{"name":"bot","grants":[{"namespace":"pay","role":"publisher"}]}`, mallory).is(201)
}

// Somebody who approves again and again does not fill the request without end.
func TestReviewsDoNotPileUp(t *testing.T) {
	b := newGoverned(t)
	id := b.submitted(b.root, `{"changes":[{"namespace":"pay","key":"a","value":2},{"namespace":"web","key":"a","value":2}]}`)
	b.gives("pay", nil, "bob publisher")
	b.person("bob")
	b.person("bob")
	var bobs []string
	for k := range b.node.State().APIKeys("") {
		if k.Principal == "bob" {
			bobs = append(bobs, k.ID)
		}
	}
	var err error
	for i := 0; i <= 2*events.MaxReviews && err == nil; i++ {
		now := b.node.State()
		c := events.ApproveRequest{ID: id, By: now.APIKey(bobs[i%2]).Bearer(now)}
		_, err = b.node.Submit(t.Context(), c, events.Stamp{Time: b.now(), ID: ulid.Make(), Actor: "bob"})
	}
	if n := len(b.node.State().Request(id).Reviews); n > events.MaxReviews || n < events.MaxReviews/2 {
		t.Errorf("%d reviews, and then %v", n, err)
	}
}

// Names that differ in case only are not two people.
func TestNamesThatDifferInCaseAreOnePairOfEyes(t *testing.T) {
	b := newGoverned(t)
	two := 2
	b.settings("pay", events.Settings{MinApprovers: &two})
	ann, again, bob, bobAgain := by(b.key("ann@x", "pay", "publisher", "")), by(b.key("Ann@x", "pay", "publisher", "")), by(b.key("bob@x", "pay", "publisher", "")), by(b.key("BOB@x", "pay", "publisher", ""))
	r := decodeAs[wire.PublishRequest](b.do("POST", requestsPath, `{"changes":[{"namespace":"pay","key":"a","value":2}]}`, ann).is(201))
	path := requestsPath + "/" + r.ID
	b.do("POST", path+"/approve", nil, again).problem(403, wire.ProblemForbidden)
	b.do("POST", path+"/approve", nil, bob).is(200)
	if r := decodeAs[wire.PublishRequest](b.do("POST", path+"/approve", nil, bobAgain).is(200)); r.State != "pending_review" {
		t.Errorf("bob approved it twice and it is %s", r.State)
	}
}

// hooks is a node that delivers webhooks.
type hooks struct{ *node }

func (h hooks) Leading() (uint64, bool)          { return 3, true }
func (h hooks) Webhook(id string) events.Webhook { return h.State().Webhook(id) }
func (h hooks) Cut(above, namespace string) bool {
	return !events.RolesReach(h.State(), above, namespace)
}
func (h hooks) Webhooks() iter.Seq[events.Webhook] { return h.State().Webhooks("") }
func (h hooks) Submit(ctx context.Context, c events.Command) error {
	_, err := h.node.Submit(ctx, c, events.Stamp{Time: time.Now(), ID: ulid.Make(), Actor: events.System})
	return err
}

// An admin who is cut off from a namespace below does not get its values by a
// webhook either.
func TestWebhooksDoNotTellWhatIsCutOff(t *testing.T) {
	b := newGoverned(t)
	mallory, dora := b.person("mallory"), b.person("dora")
	b.put("pay", "a", `1`)
	b.put("pay/vault", "other", `1`)
	b.gives("pay", nil, "mallory admin")
	b.gives("pay/vault", new(bool), "dora admin")
	b.do("GET", entryPath("pay/vault", "other"), nil, mallory).is(403)
	b.webhook(`{"url":"https://hooks.example.com/x","namespace":"pay","values":true}`, mallory)
	b.do("PUT", entryPath("pay/vault", "pin"), `{"value":"1234"}`, dora).is(201)
	b.put("pay", "end", `1`)
	told := make(chan string, 10)
	d, err := webhooks.New(webhooks.Config{
		Source: source{b.server}, Node: hooks{b.node}, Wait: b.node.hub.Wait,
		Transport: others(func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			told <- string(body)
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, err
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer func() { cancel(); done.Wait() }()
	done.Go(func() { d.Run(ctx) })
	for body := ""; !strings.Contains(body, `"key":"end"`); body = <-told {
		if strings.Contains(body, "1234") {
			t.Error(body)
		}
	}
}

// A time at the end of the calendar is refused, not an internal error.
func TestTimesBeyondTheCalendarAreRefused(t *testing.T) {
	b := newGoverned(t)
	const late = `"9999-12-31T23:59:59-01:00"`
	b.put("pay", "a", `1`)
	for path, body := range map[string]string{
		"PUT " + namespacesPath + "pay/settings": `{"freezes":[{"from":"2026-01-01T00:00:00Z","until":` + late + `,"reason":"x"}]}`,
		"POST " + requestsPath:                   `{"changes":[{"namespace":"pay","key":"a","value":2}],"publishAt":` + late + `}`,
		"POST /api/v1/keys":                      `{"name":"x","grants":[{"namespace":"pay","role":"viewer"}],"expiresAt":` + late + `}`,
	} {
		method, path, _ := strings.Cut(path, " ")
		if r := b.do(method, path, body); r.status != 400 {
			t.Errorf("%s: %d %s", r.what, r.status, r.body)
		}
	}
}

// Who may watch a namespace does not learn which groups its reviewers are in.
func TestApprovalsDoNotTellTheGroupsOfReviewers(t *testing.T) {
	e := events.Event{ID: ulid.Make(), Actor: "bob", Namespace: "pay", Data: events.RequestApproved{KeyID: "k9", Groups: []string{"layoffs-2027"}, Basis: "00"}}
	body, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	shown, err := events.Record{Index: 7, Body: body}.WithEvent(e).AppendWire(nil, true)
	if err != nil || strings.Contains(string(shown), "layoffs") || strings.Contains(string(shown), "k9") {
		t.Errorf("%v %s", err, shown)
	}
}
