package sealing

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"
)

// FuzzOpen opens files that may be sealed: what comes out of one that is was put
// into it.
func FuzzOpen(f *testing.F) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	plain := bytes.Repeat([]byte("confman rows\n"), 10)
	var sealed bytes.Buffer
	w, err := Seal(&sealed, []age.Recipient{id.Recipient()})
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{sealed.Bytes(), sealed.Bytes()[:len(sealed.Bytes())-1], sealed.Bytes()[:60], plain, []byte(magic), nil, []byte(magic + "-> X25519 \n--- \n")} {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := Open(path, []age.Identity{id})
		if err != nil {
			return
		}
		defer file.Close()
		got, err := io.ReadAll(file)
		if want := content; !file.Sealed && !bytes.Equal(got, want) || file.Sealed && err == nil && !bytes.Equal(got, plain) {
			t.Errorf("%q is read as %q, %v", content, got, err)
		}
	})
}

// FuzzKeys reads what people give as keys: no error tells a secret one.
func FuzzKeys(f *testing.F) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{id.String(), id.Recipient().String(), "# comment\n\n" + id.String(), "age1pq1", "AGE-PLUGIN-", "ssh-ed25519 AAAA", "", "\xff"} {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), "keys")
	secret := []byte(id.String()[len(secretPrefix):])
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, public := ReadRecipients(path)
		_, private := ReadIdentities(path)
		_, given := Recipients([]string{text})
		for _, err := range []error{public, private, given} {
			if err != nil && bytes.Contains([]byte(err.Error()), secret) {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}
