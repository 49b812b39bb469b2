package identity_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"confman/api/identity"
	"confman/api/identity/issuertest"
)

// post sends a form and reads the answer, as a command line does.
func post(t *testing.T, client *http.Client, to string, form url.Values) (got map[string]any) {
	t.Helper()
	answer, err := client.PostForm(to, form)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestTheDeviceGrantYieldsABearerToken does what a command line does, with nothing
// to go by but /auth/config.
func TestTheDeviceGrantYieldsABearerToken(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now})
	n := startNode(t, at, now, nil)
	var told identity.Description
	if err := json.Unmarshal([]byte(newBrowser(t).get(n.url+"/auth/config").text), &told); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: transport(t)}
	begin := func() (userCode string, poll func() map[string]any) {
		d := post(t, client, told.DeviceAuthorizationEndpoint, url.Values{"client_id": {told.ClientID}, "scope": {"openid email"}})
		return d["user_code"].(string), func() map[string]any {
			return post(t, client, told.TokenEndpoint, url.Values{
				"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {told.ClientID}, "device_code": {d["device_code"].(string)},
			})
		}
	}
	code, poll := begin()
	if got := poll(); got["error"] != "authorization_pending" {
		t.Fatal(got)
	}
	at.Approve(code)
	token, _ := poll()["id_token"].(string)
	if who, err := issuerOf(t, at, now, nil).Verify(t.Context(), token); err != nil || who.Name != "ann@example.com" {
		t.Errorf("%+v %v", who, err)
	}
	if got := poll(); got["error"] != "invalid_grant" {
		t.Errorf("a device code is good once: %v", got)
	}
	code, poll = begin()
	at.Deny(code)
	if got := poll(); got["error"] != "access_denied" {
		t.Error(got)
	}
}
