package api

import (
	"net/http"

	"confman/api/identity"
	"confman/events"
)

// login has package identity answer, where people log in at all.
func (x *exchange) login(answer func(*identity.Login, http.ResponseWriter, *http.Request) error) error {
	if x.Identity.Login == nil {
		return &events.Refusal{Kind: events.ErrNotFound, Detail: "nobody logs in here: no issuer is configured (--oidc-issuer); use an API key"}
	}
	x.set("Cache-Control", "no-store")
	return answer(x.Identity.Login, &recorder{x.w, x}, x.r)
}

// beginLogin answers GET /auth/login.
func (x *exchange) beginLogin() error { return x.login((*identity.Login).Begin) }

// finishLogin answers GET /auth/callback.
func (x *exchange) finishLogin() error { return x.login((*identity.Login).Finish) }

// describeLogin answers GET /auth/config.
func (x *exchange) describeLogin() error { return x.login((*identity.Login).Describe) }
