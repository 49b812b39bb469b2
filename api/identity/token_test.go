package identity_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"confman/api/identity"
	"confman/api/identity/issuertest"
	"confman/events"
)

type claims = map[string]any

func TestTokensOfTheIssuerAreTakenAndNoOthers(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now})
	issuer := issuerOf(t, at, now, func(c *identity.OIDCConfig) { c.DeviceClientID = "confman-cli" })
	in := func(d time.Duration) int64 { return now.Now().Add(d).Unix() }
	foreign := issuertest.NewKey(issuertest.ES256, at.Key().ID)
	tests := []struct {
		name  string
		token string
		says  string // empty: it is taken
	}{
		{name: "a good one", token: at.Token(nil)},
		{name: "of several audiences", token: at.Token(claims{"aud": []string{"x", "confman"}})},
		{name: "of the command line's client", token: at.Token(claims{"aud": "confman-cli"})},
		{name: "of a clock that is a little ahead", token: at.Token(claims{"nbf": in(time.Minute)})},
		{name: "without nbf", token: at.Token(claims{"nbf": nil})},
		{name: "expired", token: at.Token(claims{"exp": in(0)}), says: "expired at 2026-11-23T12:00:00Z"},
		{name: "without an end", token: at.Token(claims{"exp": nil}), says: "never expires"},
		{name: "not yet valid", token: at.Token(claims{"nbf": in(time.Minute + time.Second)}), says: "not valid before 2026-11-23T12:01:01Z"},
		{name: "of another audience", token: at.Token(claims{"aud": "billing"}), says: "not meant for confman or confman-cli"},
		{name: "of no audience", token: at.Token(claims{"aud": nil}), says: "not meant for"},
		{name: "of another issuer", token: at.Token(claims{"iss": "https://evil.example"}), says: "not by " + at.URL},
		{name: "unsigned", token: issuertest.Unsigned(at.Claims(nil)), says: "not signed"},
		{name: "signed with the public key as a secret", token: at.Key().SignHMAC(at.Claims(nil)), says: "not signed with RSA"},
		{name: "signed with a foreign key of the same ID", token: foreign.Sign(at.Claims(nil)), says: "a key that " + at.URL + " publishes"},
		{name: "signed with an unknown key", token: issuertest.NewKey(issuertest.RS256, "x").Sign(at.Claims(nil)), says: "a key that"},
		{name: "of another's claims", token: swapClaims(at.Token(nil), at.Token(claims{"email": "boss@example.com"})), says: "a key that"},
		{name: "garbage", token: "a.b.c", says: "malformed"},
		{name: "nothing", token: "", says: "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			who, err := issuer.Verify(t.Context(), tt.token)
			if tt.says == "" {
				want := identity.Identity{Name: "ann@example.com", Expires: now.Now().Add(time.Hour), Via: identity.ViaOIDC}
				if diff := cmp.Diff(want, who); err != nil || diff != "" {
					t.Fatalf("%v\n%s", err, diff)
				}
				return
			}
			if !errors.Is(err, identity.ErrUnauthenticated) || errors.Is(err, events.ErrUnavailable) || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("%v, want unauthenticated: … %s …", err, tt.says)
			}
			if tt.token != "" && strings.Contains(err.Error(), tt.token) || len(err.Error()) > 200 || !cmp.Equal(who, identity.Identity{}) {
				t.Errorf("%+v, and it says too much: %v", who, err)
			}
		})
	}
}

// swapClaims is a token with the claims of another.
func swapClaims(token, other string) string {
	parts, others := strings.Split(token, "."), strings.Split(other, ".")
	return parts[0] + "." + others[1] + "." + parts[2]
}

func TestNamesAndGroupsAreWhatTheConfiguredClaimsSay(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now})
	byUser := func(c *identity.OIDCConfig) { c.NameClaim = "preferred_username" }
	tests := []struct {
		name   string
		with   func(*identity.OIDCConfig)
		claims claims
		who    string
		groups []string
		says   string
	}{
		{name: "an email", who: "ann@example.com"},
		{name: "an email whose spelling is kept", claims: claims{"email": "Ann@Example.com"}, who: "Ann@Example.com"},
		{name: "verified in words", claims: claims{"email_verified": "true"}, who: "ann@example.com"},
		{name: "an issuer that does not say", claims: claims{"email_verified": nil}, who: "ann@example.com"},
		{name: "not verified", claims: claims{"email_verified": false}, says: "not verified"},
		{name: "not verified, in words", claims: claims{"email_verified": "false"}, says: "not verified"},
		{name: "verified, in a form unheard of", claims: claims{"email_verified": 1}, says: "not verified"},
		{name: "an email like a machine's name", claims: claims{"email": "system"}, says: "without an @"},
		{name: "no email", claims: claims{"email": nil, "name": "ann@example.com"}, says: "no claim email"},
		{name: "an empty email", claims: claims{"email": ""}, says: "empty"},
		{name: "an email that is no string", claims: claims{"email": []string{"a@b"}}, says: "not a string"},
		{name: "a name too long", claims: claims{"email": strings.Repeat("x", 127) + "@b"}, says: "129 bytes"},
		{name: "a name of two lines", claims: claims{"email": "a@b\nc"}, says: "one line"},
		{name: "another claim, which people choose", with: byUser, claims: claims{"preferred_username": "system"}, who: "oidc:system"},
		{
			name: "another prefix", claims: claims{"sub": "7"}, who: "corp:7",
			with: func(c *identity.OIDCConfig) { c.NameClaim, c.NamePrefix = "sub", "corp:" },
		},
		{name: "not the other claim", with: byUser, says: "no claim preferred_username"},
		{name: "groups", claims: claims{"groups": []string{"ops", "dev", "ops"}}, who: "ann@example.com", groups: []string{"dev", "ops"}},
		{name: "one group", claims: claims{"groups": "ops"}, who: "ann@example.com", groups: []string{"ops"}},
		{name: "groups that nobody can name", claims: claims{"groups": []string{"", "a\x00b", "ops"}}, who: "ann@example.com", groups: []string{"ops"}},
		{name: "groups of another form", claims: claims{"groups": []int{1}}, says: "neither a string nor"},
		{
			name: "groups of another claim", claims: claims{"groups": "no", "roles": []string{"yes"}}, who: "ann@example.com", groups: []string{"yes"},
			with: func(c *identity.OIDCConfig) { c.GroupsClaim = "roles" },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			who, err := issuerOf(t, at, now, tt.with).Verify(t.Context(), at.Token(tt.claims))
			if tt.says != "" {
				if !errors.Is(err, identity.ErrUnauthenticated) || !strings.Contains(err.Error(), tt.says) {
					t.Fatalf("%+v %v, want unauthenticated: … %s …", who, err, tt.says)
				}
				return
			}
			if err != nil || who.Name != tt.who || !cmp.Equal(who.Groups, tt.groups) {
				t.Fatalf("%+v %v, want %s in %q", who, err, tt.who, tt.groups)
			}
		})
	}
}

func TestRotatedKeysAreFollowed(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now, Alg: issuertest.RS256})
	issuer := issuerOf(t, at, now, nil)
	first := at.Token(nil)
	if _, err := issuer.Verify(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	at.Rotate(issuertest.ES256)
	now.advance(time.Minute)
	if _, err := issuer.Verify(t.Context(), first); err != nil {
		t.Fatalf("before the new key is heard of: %v", err)
	}
	second := at.Token(nil)
	eventually(t, "the new key is found", func() bool {
		_, err := issuer.Verify(t.Context(), second)
		return err == nil
	})
	eventually(t, "the old key is forgotten", func() bool {
		_, err := issuer.Verify(t.Context(), first)
		return errors.Is(err, identity.ErrUnauthenticated)
	})
}

func TestAKeyThatIsWithdrawnIsForgottenWithinTheHour(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now})
	issuer := issuerOf(t, at, now, nil)
	stolen := at.Key()
	if _, err := issuer.Verify(t.Context(), stolen.Sign(at.Claims(nil))); err != nil {
		t.Fatal(err)
	}
	at.Rotate(issuertest.ES256)
	now.advance(time.Hour)
	if _, err := issuer.Verify(t.Context(), stolen.Sign(at.Claims(nil))); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Fatalf("%v, although no token of another key was shown", err)
	}
}

func TestForgedTokensDoNotMakeTheNodeAskTheIssuerEachTime(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now})
	issuer := issuerOf(t, at, now, nil)
	forger := issuertest.NewKey(issuertest.ES256, "forged")
	for range 20 {
		if _, err := issuer.Verify(t.Context(), forger.Sign(at.Claims(nil))); !errors.Is(err, identity.ErrUnauthenticated) {
			t.Fatal(err)
		}
	}
	if n := at.Requests("/keys"); n != 1 {
		t.Errorf("%d requests for keys", n)
	}
	now.advance(5 * time.Second)
	eventually(t, "5 s later the keys are fetched again", func() bool {
		_, _ = issuer.Verify(t.Context(), forger.Sign(at.Claims(nil)))
		return at.Requests("/keys") == 2
	})
}

func TestANodeStartsWhileTheIssuerIsDownAndSaysSo(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now, Stopped: true})
	issuer := issuerOf(t, at, now, nil)
	unavailable := func() {
		t.Helper()
		_, err := issuer.Verify(t.Context(), at.Token(nil))
		if !errors.Is(err, events.ErrUnavailable) || errors.Is(err, identity.ErrUnauthenticated) || !strings.Contains(err.Error(), at.URL) {
			t.Fatalf("%v, want unavailable", err)
		}
	}
	unavailable()
	at.Resume()
	unavailable() // not asked again at once
	if n := at.Requests("/.well-known/openid-configuration"); n != 0 {
		t.Errorf("asked %d times before the time to retry", n)
	}
	now.advance(time.Second)
	if _, err := issuer.Verify(t.Context(), at.Token(nil)); err != nil {
		t.Fatal(err)
	}

	at.Stop()
	now.advance(time.Hour - time.Second)
	if _, err := issuer.Verify(t.Context(), at.Token(nil)); err != nil {
		t.Errorf("what is known stays good: %v", err)
	}
	now.advance(time.Hour)
	if _, err := issuer.Verify(t.Context(), at.Token(nil)); err != nil {
		t.Errorf("what is known is better than nothing: %v", err)
	}
	now.advance(time.Hour)
	at.Rotate(issuertest.ES256)
	unavailable() // this key might be good
	at.Resume()
	now.advance(time.Minute)
	if _, err := issuer.Verify(t.Context(), at.Token(nil)); err != nil {
		t.Error(err)
	}
}

func TestTokensOfTheFirstMomentAreAllTaken(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now})
	issuer := issuerOf(t, at, now, nil)
	token := at.Token(nil)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			if _, err := issuer.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := at.Requests("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("the issuer was discovered %d times", n)
	}
}

func TestWhoeverLeavesDoesNotWaitForTheIssuer(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now})
	issuer := issuerOf(t, at, now, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := issuer.Verify(ctx, at.Token(nil)); err != nil && !errors.Is(err, events.ErrUnavailable) {
		t.Error(err)
	}
	if _, err := issuer.Verify(t.Context(), at.Token(nil)); err != nil {
		t.Errorf("one that left spoils it for the next: %v", err)
	}
}

func TestAPIKeysDoNotLookLikeTokens(t *testing.T) {
	at := issuertest.Start(t, issuertest.Config{})
	for credential, want := range map[string]bool{
		at.Token(nil):                    true,
		issuertest.Unsigned(claims{}):    true,
		"cfm_abcdefghijkl_ABCDEF_0a1b2c": false,
		"a.b.c":                          false,
		"any.string.ofsixteenbytes":      false,
		"":                               false,
		"..":                             false,
		at.Token(nil) + ".x":             false,
		at.Token(nil) + "=":              false,
	} {
		if got := identity.LooksLikeToken(credential); got != want {
			t.Errorf("%.40q: %t", credential, got)
		}
	}
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	tests := []struct {
		config identity.OIDCConfig
		says   string
	}{
		{identity.OIDCConfig{ClientID: "c"}, "not a URL"},
		{identity.OIDCConfig{Issuer: "https://id.example"}, "client ID"},
		{identity.OIDCConfig{Issuer: "http://id.example", ClientID: "c"}, "not https"},
		{identity.OIDCConfig{Issuer: "https://id.example?x=1", ClientID: "c"}, "more than"},
	}
	for _, tt := range tests {
		if _, err := identity.NewIssuer(tt.config); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v", tt.config, err)
		}
	}
	good := identity.OIDCConfig{Issuer: "https://id.example", ClientID: "c"}
	for redirect, says := range map[string]string{"/auth/callback": "not an absolute URL", "http://conf.example/auth/callback": "not https"} {
		with := good
		with.RedirectURL = redirect
		issuer, err := identity.NewIssuer(with)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := identity.NewLogin(identity.LoginConfig{Issuer: issuer, Sessions: sessionsOf(t, newClock(), nil), Secret: []byte("short")}); err == nil ||
			!strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "5 bytes") {
			t.Errorf("%s: %v", redirect, err)
		}
	}
}
