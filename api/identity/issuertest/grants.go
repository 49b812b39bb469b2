package issuertest

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// login is one that a code was given out for.
type login struct{ redirect, challenge, nonce string }

// device is one that waits for a person.
type device struct {
	userCode string
	verdict  string // empty: none yet
}

// Verdicts of a person on a device.
const (
	approved = "approved"
	denied   = "denied"
)

// Approve lets the device in that shows a user code.
func (i *Issuer) Approve(userCode string) { i.judge(userCode, approved) }

// Deny refuses the device that shows a user code.
func (i *Issuer) Deny(userCode string) { i.judge(userCode, denied) }

func (i *Issuer) judge(userCode, verdict string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, d := range i.devices {
		if d.userCode == userCode {
			d.verdict = verdict
			return
		}
	}
	i.t.Errorf("no device shows the code %q", userCode)
}

// authorize is the login page, at which somebody logs in at once (RFC 6749, 4.1.1;
// RFC 7636, 4.3).
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	switch {
	case q.Get("client_id") != i.config.ClientID:
		http.Error(w, "unknown client", http.StatusBadRequest)
		return
	case err != nil || !back.IsAbs():
		http.Error(w, "redirect_uri is not absolute", http.StatusBadRequest)
		return
	case q.Get("response_type") != "code" || q.Get("state") == "" || q.Get("nonce") == "" ||
		q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" ||
		!slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		http.Error(w, "want a code with openid, state, nonce and PKCE, got "+r.URL.RawQuery, http.StatusBadRequest)
		return
	}
	code := random()
	answer := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {i.URL}}
	i.mu.Lock()
	i.logins[code] = login{q.Get("redirect_uri"), q.Get("code_challenge"), q.Get("nonce")}
	if i.answer != nil {
		i.answer(answer)
	}
	i.mu.Unlock()
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// token redeems a code, or asks whether a device is let in.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	if !i.isClient(r) {
		refuse(w, "invalid_client")
		return
	}
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		i.redeem(w, r)
	case "urn:ietf:params:oauth:grant-type:device_code":
		i.poll(w, r)
	default:
		refuse(w, "unsupported_grant_type")
	}
}

// isClient checks the client's secret. A device is a public client (RFC 8628, 3.1).
func (i *Issuer) isClient(r *http.Request) bool {
	id, secret, basic := r.BasicAuth()
	if basic { // form-encoded within (RFC 6749, 2.3.1)
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	return id == i.config.ClientID && (secret == i.config.ClientSecret || secret == "" && r.PostFormValue("device_code") != "")
}

func (i *Issuer) redeem(w http.ResponseWriter, r *http.Request) {
	code := r.PostFormValue("code")
	i.mu.Lock()
	l, ok := i.logins[code]
	delete(i.logins, code) // once only
	i.mu.Unlock()
	digest := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || l.redirect != r.PostFormValue("redirect_uri") || l.challenge != base64.RawURLEncoding.EncodeToString(digest[:]) {
		refuse(w, "invalid_grant")
		return
	}
	i.give(w, map[string]any{"nonce": l.nonce})
}

// give answers with a token of whoever is signed in.
func (i *Issuer) give(w http.ResponseWriter, more map[string]any) {
	claims := i.Claims(more)
	i.mu.Lock()
	if i.alter != nil {
		i.alter(claims)
	}
	i.mu.Unlock()
	reply(w, http.StatusOK, map[string]any{
		"access_token": random(), "token_type": "Bearer", "expires_in": 3600, "id_token": i.Key().Sign(claims),
	})
}

// deviceAuthorization is RFC 8628, 3.1 and 3.2.
func (i *Issuer) deviceAuthorization(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("client_id") != i.config.ClientID {
		refuse(w, "invalid_client")
		return
	}
	code, d := random(), &device{userCode: random()[:8]}
	i.mu.Lock()
	i.devices[code] = d
	i.mu.Unlock()
	reply(w, http.StatusOK, map[string]any{
		"device_code": code, "user_code": d.userCode, "verification_uri": i.URL + "/activate",
		"verification_uri_complete": i.URL + "/activate?user_code=" + d.userCode, "expires_in": 600, "interval": 1,
	})
}

// poll is RFC 8628, 3.4 and 3.5.
func (i *Issuer) poll(w http.ResponseWriter, r *http.Request) {
	code := r.PostFormValue("device_code")
	i.mu.Lock()
	d, ok := i.devices[code]
	verdict := ""
	if ok {
		verdict = d.verdict
	}
	if verdict != "" {
		delete(i.devices, code)
	}
	i.mu.Unlock()
	switch {
	case !ok:
		refuse(w, "invalid_grant")
	case verdict == "":
		refuse(w, "authorization_pending")
	case verdict == denied:
		refuse(w, "access_denied")
	default:
		i.give(w, nil)
	}
}
