package apitest_test

import (
	"encoding/json"
	"errors"
	"testing"

	"confman/api/apitest"
	"confman/api/client"
	"confman/api/wire"
)

// A test of a program that changes settings which need four eyes: a draft, a
// publish request, somebody else's approval, and then the value is there.
func TestAChangeIsPublishedBySomebodyElse(t *testing.T) {
	server := apitest.NewServer(t)
	server.Set("shop", "limit", 10)
	admin := newClient(t, server, server.Key)
	if _, err := admin.PutSettings(t.Context(), "shop", wire.Settings{RequireApproval: new(true)}, client.Write{}); err != nil {
		t.Fatal(err)
	}
	ann := asSomebody(t, server, admin, "ann", wire.RoleEditor)
	ben := asSomebody(t, server, admin, "ben", wire.RolePublisher)

	value := json.RawMessage(`20`)
	if _, err := ann.Put(t.Context(), "shop", "limit", wire.PutConfig{Value: value}, client.Write{}); !errors.Is(err, client.ErrApprovalRequired) {
		t.Fatalf("a direct write: %v", err)
	}
	draft, err := ann.PutDraft(t.Context(), "shop", "limit", wire.PutDraft{Value: value}, client.Write{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ben.PutDraft(t.Context(), "shop", "limit", wire.PutDraft{Delete: true}, client.Write{IfRevision: new(uint64(0))}); !errors.Is(err, client.ErrConditionFailed) {
		t.Errorf("a draft over somebody else's: %v", err)
	}
	request, err := ann.SubmitRequest(t.Context(), wire.NewRequest{
		Changes: []wire.RequestedChange{{Namespace: "shop", Key: "limit", Revision: draft.Revision}},
	}, client.Write{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ann.PutDraft(t.Context(), "shop", "limit", wire.PutDraft{Value: value}, client.Write{}); !errors.Is(err, client.ErrDraftLocked) {
		t.Errorf("a draft under review: %v", err)
	}
	if _, err := ann.ApproveRequest(t.Context(), request.ID, "", client.Write{}); !errors.Is(err, client.ErrForbidden) {
		t.Errorf("one's own request: %v", err)
	}
	for open, err := range ben.Requests(t.Context(), client.RequestQuery{State: "open"}, client.Read{}) {
		if err != nil || open.ID != request.ID || string(open.Changes[0].Previous.Value) != "10" {
			t.Errorf("what is open: %+v, %v", open, err)
		}
	}
	if request, err = ben.ApproveRequest(t.Context(), request.ID, "fine", client.Write{}); err != nil || request.State != wire.RequestPublished {
		t.Fatalf("%+v, %v", request, err)
	}
	entry, err := ann.Get(t.Context(), "shop", "limit", client.Read{})
	if err != nil || string(entry.Value) != "20" || entry.Version != 2 {
		t.Errorf("%+v, %v", entry, err)
	}
}

// asSomebody is a client of a principal with a role on shop.
func asSomebody(t *testing.T, server *apitest.Server, admin *client.Client, principal, role string) *client.Client {
	t.Helper()
	key, err := admin.CreateKey(t.Context(), wire.NewKey{Name: principal, Grants: []wire.Grant{{Namespace: "shop", Role: role}}}, client.Write{})
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, server, key.Key)
}

func newClient(t *testing.T, server *apitest.Server, key string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Endpoints: []string{server.URL}, Key: key, ReadYourWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
