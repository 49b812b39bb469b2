package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/oauth2"

	"confman/api/client"
	"confman/api/identity"
	"confman/api/wire"
)

const loginHelp = `Log in as a person at the issuer that the cluster trusts, so that no API key is
needed. A URL and a code are printed: open the one in a browser, on any machine,
and enter the other. --issuer-token takes a token that you have already, or with
- reads it from stdin.

The login is kept in logins.json beside the contexts, for the context in use, or
for the addresses where there is none; it is sent to those addresses only, and
renewed while the issuer lets it. An API key that is given by flag or variable
wins over a login, a login over the key of a context.`

// codeLife is how long a code lives of which the issuer does not say it.
const codeLife = 15 * time.Minute

func login(env Env) *cobra.Command {
	s := &connection{env: env}
	var pasted string
	cmd := &cobra.Command{
		Use: "login", Short: "Log in as a person", Args: arguments(0, 0), Long: loginHelp,
		Example: "  confman login --context prod\n  my-issuer-cli print-token | confman login --issuer-token -",
	}
	s.reach(cmd)
	s.untimed(cmd)
	cmd.Flags().StringVar(&pasted, "issuer-token", "", "a token of the issuer; - reads it from stdin, where nobody sees it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := s.load(cmd); err != nil {
			return err
		}
		ctx := cmd.Context()
		if s.timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, s.timeout)
			defer cancel()
		}
		got, err := s.obtain(ctx, pasted, cmd.Flags().Changed("issuer-token"))
		if err != nil {
			return err
		}
		who, err := s.whoHas(cmd, got)
		if err != nil {
			return err
		}
		if err := env.changeSessions(func(all map[string]session) error { all[s.login] = got; return nil }); err != nil {
			return err
		}
		s.note("logged in at %s as %s%s", s.login, who.Principal, got.lasts())
		if cmd.Flags().Changed("api-key") {
			s.warn("CONFMAN_API_KEY or --api-key is set: it wins over the login")
		}
		return nil
	}
	return cmd
}

// obtain gets a token from a person or from the issuer.
func (s *connection) obtain(ctx context.Context, pasted string, isPasted bool) (session, error) {
	got := session{Addr: s.addr, Token: strings.TrimSpace(pasted)}
	if !isPasted {
		described, err := s.issuer(ctx)
		if err != nil {
			return session{}, err
		}
		err = s.authorizeDevice(context.WithValue(ctx, oauth2.HTTPClient, issuerClient()), described, &got)
		return got, err
	}
	if pasted == "-" {
		data, err := readAtMost(s.env.Stdin, 1<<20)
		if err != nil {
			return session{}, fmt.Errorf("read the token: %w", err)
		}
		got.Token = strings.TrimSpace(string(data))
	}
	if got.Token == "" || strings.ContainsFunc(got.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return session{}, &ExitError{Code: ExitInvalid, Err: errors.New("that is no token: it is empty, or has characters that no token has")}
	}
	got.ExpiresAt = expiryOf(got.Token)
	return got, nil
}

// whoHas asks the cluster whose token it is; one that it does not take is an
// error.
func (s *connection) whoHas(cmd *cobra.Command, got session) (who wire.Principal, err error) {
	s.session, s.apiKey = &got, ""
	ctx, c, end, err := s.connect(cmd)
	if err != nil {
		return who, err
	}
	defer end()
	return c.WhoAmI(ctx)
}

// issuer asks the cluster where people log in.
func (s *connection) issuer(ctx context.Context) (d identity.Description, err error) {
	var last error
	for _, addr := range s.addr {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(addr, "/")+"/auth/config", http.NoBody)
		if err != nil {
			return d, &ExitError{Code: ExitUsage, Err: fmt.Errorf("setting addr: %w", err)}
		}
		response, err := issuerClient().Do(request)
		if err != nil {
			last = err
			continue
		}
		body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
		_ = response.Body.Close()
		switch {
		case response.StatusCode == http.StatusNotFound:
			return d, &ExitError{Code: ExitNotFound, Err: fmt.Errorf("%s has no issuer to log in at; use an API key", addr)}
		case err == nil && response.StatusCode == http.StatusOK:
			if err := json.Unmarshal(body, &d); err != nil {
				return d, fmt.Errorf("ask %s where to log in: %w", addr, err)
			}
			return d, nil
		}
		last = fmt.Errorf("%s answered %s", addr, response.Status)
	}
	return d, fmt.Errorf("ask where to log in: %w: %w", client.ErrUnavailable, last)
}

// authorizeDevice is the device authorization grant (RFC 8628): a person lets
// this command in, in a browser. It asks with the oauth2.HTTPClient of ctx.
func (s *connection) authorizeDevice(ctx context.Context, d identity.Description, got *session) error {
	if d.DeviceAuthorizationEndpoint == "" {
		return fmt.Errorf("%s lets no devices in; get a token from it some other way and say --issuer-token -", visible(d.Issuer))
	}
	for _, endpoint := range []string{d.DeviceAuthorizationEndpoint, d.TokenEndpoint} {
		if err := checkEndpoint(endpoint); err != nil {
			return err
		}
	}
	config := oauth2.Config{
		ClientID: d.ClientID, Scopes: d.Scopes,
		Endpoint: oauth2.Endpoint{DeviceAuthURL: d.DeviceAuthorizationEndpoint, TokenURL: d.TokenEndpoint, AuthStyle: oauth2.AuthStyleInParams},
	}
	asked, err := config.DeviceAuth(ctx)
	if err != nil {
		return aboutIssuer("ask for a code", err)
	}
	asked.Interval = max(asked.Interval, 0) // 0 is the default, 5 seconds
	if asked.Expiry.IsZero() {
		asked.Expiry = time.Now().Add(codeLife)
	}
	fmt.Fprintf(s.env.Stderr, "Open %s and enter the code %s\n", spelled(asked.VerificationURI, diffWide), visible(asked.UserCode))
	if asked.VerificationURIComplete != "" {
		fmt.Fprintf(s.env.Stderr, "or open %s\n", spelled(asked.VerificationURIComplete, diffWide))
	}
	token, err := config.DeviceAccessToken(ctx, asked)
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("wait for the code to be entered: %w", ctx.Err())
	case err != nil && !time.Now().Before(asked.Expiry):
		return expiredLogin(errors.New("nobody entered the code in time"))
	case err != nil:
		return aboutIssuer("log in", err)
	}
	got.TokenEndpoint, got.ClientID = d.TokenEndpoint, d.ClientID
	got.take(token)
	return nil
}

// checkEndpoint refuses addresses of an issuer at which others could listen.
func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	loopback := u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
	if u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return fmt.Errorf("issuer: %q is not an https address; nothing was sent to it", endpoint)
	}
	return nil
}

func logout(env Env) *cobra.Command {
	s := &connection{env: env}
	cmd := &cobra.Command{
		Use: "logout", Short: "Forget a login", Args: arguments(0, 0),
		Long: "Forget the login of the context in use, or of the addresses. The issuer is not\ntold: a token that was copied is good until it expires.",
	}
	s.reach(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := s.load(cmd); err != nil {
			return err
		}
		known := false
		err := env.changeSessions(func(all map[string]session) error {
			_, known = all[s.login]
			delete(all, s.login)
			return nil
		})
		switch {
		case err != nil:
			return err
		case known:
			s.note("logged out at %s", s.login)
		default:
			s.note("there was no login at %s", s.login)
		}
		return nil
	}
	return cmd
}
