package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"confman/api/client"
	"confman/api/identity"
)

type transport func(*http.Request) *http.Response

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r), nil }

// The command asks as often as the issuer wants it to, and no longer than the
// code lives (RFC 8628, 3.5).
func TestDevicesAskAsTheIssuerWants(t *testing.T) {
	const given = "given"
	tests := []struct {
		name     string
		code     string   // what the issuer says of the code
		answers  []string // to one question after another; the last one stays
		asked    []int    // seconds after the start
		ended    int
		refused  bool // ends with ExitForbidden
		contains string
	}{
		{"at once", `"interval":2,"expires_in":60`, []string{given}, []int{2}, 2, false, ""},
		{"every five seconds where nothing is said", `"expires_in":60`, []string{"authorization_pending", given}, []int{5, 10}, 10, false, ""},
		{"also where nonsense is said", `"interval":-7,"expires_in":60`, []string{"authorization_pending", given}, []int{5, 10}, 10, false, ""},
		{"slower and slower", `"interval":2,"expires_in":60`, []string{"authorization_pending", "slow_down", "authorization_pending", "slow_down", given}, []int{2, 4, 11, 18, 30}, 30, false, ""},
		{"denied", `"interval":2,"expires_in":60`, []string{"authorization_pending", "access_denied"}, []int{2, 4}, 4, true, "access_denied"},
		{"forgotten", `"interval":4,"expires_in":10`, []string{"authorization_pending"}, []int{4, 8}, 10, true, "nobody entered the code in time"},
		{"expired at the issuer", `"interval":4`, []string{"expired_token"}, []int{4}, 4, true, "expired_token"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var asked []int
				fake := transport(func(r *http.Request) *http.Response {
					w := httptest.NewRecorder()
					w.Header().Set("Content-Type", "application/json")
					_ = r.ParseForm()
					answer := test.answers[min(len(asked), len(test.answers)-1)]
					switch {
					case r.Form.Get("client_id") != "me":
						http.Error(w, `{"error":"invalid_client"}`, 400)
					case r.URL.Path == "/device":
						fmt.Fprintf(w, `{"device_code":"secret","user_code":"AB\u001b[2JCD","verification_uri":"https://issuer/activate",%s}`, test.code)
					case answer == given:
						asked = append(asked, int(time.Since(start).Seconds()))
						fmt.Fprint(w, `{"access_token":"opaque","token_type":"Bearer","expires_in":60,"id_token":"theirs","refresh_token":"more"}`)
					default:
						asked = append(asked, int(time.Since(start).Seconds()))
						w.WriteHeader(400)
						fmt.Fprintf(w, `{"error":%q}`, answer)
					}
					return w.Result()
				})
				ctx := context.WithValue(t.Context(), oauth2.HTTPClient, &http.Client{Transport: fake})
				var stderr strings.Builder
				s := connection{env: Env{Stderr: &stderr}}
				var got session
				err := s.authorizeDevice(ctx, identity.Description{ClientID: "me", DeviceAuthorizationEndpoint: "https://issuer/device", TokenEndpoint: "https://issuer/token"}, &got)
				if diff := cmp.Diff(test.asked, asked); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
				if ended := int(time.Since(start).Seconds()); ended != test.ended {
					t.Errorf("ended after %d seconds, want %d", ended, test.ended)
				}
				if want := "Open https://issuer/activate and enter the code AB\\u001b[2JCD\n"; stderr.String() != want {
					t.Errorf("it said %q", stderr.String())
				}
				if !test.refused {
					want := session{Token: "theirs", RefreshToken: "more", TokenEndpoint: "https://issuer/token", ClientID: "me", ExpiresAt: got.ExpiresAt}
					if diff := cmp.Diff(want, got); diff != "" || err != nil || !got.ExpiresAt.After(start) {
						t.Errorf("%v (-want +got):\n%s", err, diff)
					}
					return
				}
				if exitCode(ctx, err) != ExitForbidden || !strings.Contains(err.Error(), test.contains) || got.Token != "" {
					t.Errorf("exit %d: %v, %+v", exitCode(ctx, err), err, got)
				}
			})
		})
	}
}

// A cluster that is lied to, or lies, does not get a person's token sent in the
// clear.
func TestEndpointsOfAnIssuerAreSafe(t *testing.T) {
	for endpoint, safe := range map[string]bool{
		"https://issuer.example.com/token": true, "http://127.0.0.1:1234/token": true, "http://localhost/token": true, "http://[::1]:1/token": true,
		"http://issuer.example.com/token": false, "http://127.0.0.1.example.com/": false, "ftp://localhost/": false, "file:///etc/passwd": false, "https:///token": false, "": false, "%": false,
	} {
		if err := checkEndpoint(endpoint); (err == nil) != safe {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

func TestIssuersThatDoNotAnswerAreUnavailable(t *testing.T) {
	html := &oauth2.RetrieveError{Response: &http.Response{Status: "502 Bad Gateway"}, Body: []byte("<html>a lot</html>")}
	for _, err := range []error{errors.New("connection refused"), html} {
		if err := aboutIssuer("log in", err); !errors.Is(err, client.ErrUnavailable) || strings.Contains(err.Error(), "html") {
			t.Errorf("%v", err)
		}
	}
}

func TestTokensNameTheirEnd(t *testing.T) {
	for token, want := range map[string]int64{
		"e30.eyJleHAiOjE3Njk4NTQ0MDB9.c2ln":       1769854400,
		"e30.eyJleHAiOjE3Njk4NTQ0MDAuNX0.c2ln":    1769854400, // RFC 7519, 2: may have a fraction
		"e30.e30.c2ln":                            0,
		"opaque":                                  0,
		"e30.!!!.c2ln":                            0,
		"e30.eyJleHAiOiJ0b21vcnJvdyJ9.c2ln":       0,
		"e30.eyJleHAiOjE3Njk4NTQ0MDB9.c2ln.extra": 0,
	} {
		at := expiryOf(token)
		if want == 0 && !at.IsZero() || want != 0 && at.Unix() != want {
			t.Errorf("%s: %v", token, at)
		}
	}
}
