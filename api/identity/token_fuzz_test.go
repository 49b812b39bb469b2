package identity_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"confman/api/identity"
	"confman/api/identity/issuertest"
)

// FuzzTokens verifies what anybody may send as a token: nobody is let in by one
// that the issuer did not sign.
func FuzzTokens(f *testing.F) {
	issuer := issuertest.Start(f, issuertest.Config{})
	judge, err := identity.NewIssuer(identity.OIDCConfig{Issuer: issuer.URL, ClientID: "confman", Now: time.Now, Random: rand.Reader, Log: zerolog.Nop()})
	if err != nil {
		f.Fatal(err)
	}
	good := issuer.Token(nil)
	for _, seed := range []string{
		good, issuertest.Unsigned(issuer.Claims(nil)), good[:len(good)-2], issuer.Token(map[string]any{"exp": 1}), "a.b.c", "..", "eyJhbGciOiJub25lIn0..",
		issuertest.NewKey(issuertest.ES256, "another").Sign(issuer.Claims(nil)), "eyJhbGciOiJIUzI1NiJ9.e30.AAAA",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if !identity.LooksLikeToken(token) {
			return
		}
		who, err := judge.Verify(t.Context(), token)
		if token == good && err != nil {
			t.Errorf("the issuer's own: %v", err)
		}
		if err == nil && who.Name != "ann@example.com" { // base64 has spellings, and a signature has two
			t.Errorf("%q is a token of %+v", token, who)
		}
	})
}
