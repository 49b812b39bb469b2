package identity

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Description is what a command line needs to log a person in by itself, such as
// with the device authorization grant (RFC 8628): the answer of /auth/config. The
// id_token that it gets is then a bearer token here. Nothing of it is secret.
type Description struct {
	Issuer   string `json:"issuer"`
	ClientID string `json:"clientId"`
	// DeviceAuthorizationEndpoint is missing where the issuer has no such grant.
	DeviceAuthorizationEndpoint string   `json:"deviceAuthorizationEndpoint,omitempty"`
	TokenEndpoint               string   `json:"tokenEndpoint"`
	Scopes                      []string `json:"scopes"`
}

// Describe answers with a [Description].
func (l *Login) Describe(w http.ResponseWriter, r *http.Request) error {
	from, err := l.issuer.discover(r.Context())
	if err != nil {
		return err
	}
	body, err := json.Marshal(Description{
		Issuer: l.issuer.config.Issuer, ClientID: l.issuer.config.DeviceClientID, Scopes: l.issuer.config.Scopes,
		DeviceAuthorizationEndpoint: from.Endpoint().DeviceAuthURL, TokenEndpoint: from.Endpoint().TokenURL,
	})
	if err != nil {
		return fmt.Errorf("describe the issuer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(body) // to whoever has not left
	return nil
}
