package identity

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

// FuzzSealedCookies opens what browsers send back: only what was sealed opens, and
// only for what it was sealed for.
func FuzzSealedCookies(f *testing.F) {
	secret := bytes.Repeat([]byte("k"), 32)
	always := rand.NewChaCha8([32]byte{}) // every worker of a fuzzer has to seal the same
	ours, err := newSealer(secret, "session", always)
	if err != nil {
		f.Fatal(err)
	}
	other, err := newSealer(secret, "login", always)
	if err != nil {
		f.Fatal(err)
	}
	was := session{ID: "1", Name: "ann", Groups: []string{"ops"}, Begun: 1, Expires: 2}
	good, err := ours.seal(was)
	if err != nil {
		f.Fatal(err)
	}
	foreign, err := other.seal(was)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{good, foreign, good[:len(good)-1], good + "A", "", "AQ", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cookie string) {
		var s session
		switch err := ours.open(cookie, &s); {
		case cookie == good && (err != nil || s.Name != was.Name):
			t.Errorf("its own: %+v, %v", s, err)
		case cookie != good && !errors.Is(err, errSeal):
			t.Errorf("%q opens as %+v, %v", cookie, s, err)
		}
	})
}
