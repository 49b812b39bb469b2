package dashboard

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whoever edits a file that task web:vendor makes, or adds one by hand, is told here.
func TestVendoredFilesAreThoseThatWereMade(t *testing.T) {
	for _, folder := range []string{"vendor", "testdata"} {
		content, err := os.ReadFile(filepath.Join(folder, "VERSIONS.json"))
		if err != nil {
			t.Fatal(err)
		}
		var made map[string]struct {
			SHA256   string
			Packages []struct{ Name, Version, Licence, Integrity string }
		}
		if err := json.Unmarshal(content, &made); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := e.Name()
			if name == "VERSIONS.json" {
				continue
			}
			content, err := os.ReadFile(filepath.Join(folder, name))
			if err != nil {
				t.Fatal(err)
			}
			of, known := made[name]
			delete(made, name)
			if sum := sha256.Sum256(content); !known || of.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%s/%s is not what VERSIONS.json says: ./task web:vendor makes both anew", folder, name)
			}
			for _, p := range of.Packages {
				if p.Name == "" || p.Version == "" || p.Licence == "" || !strings.HasPrefix(p.Integrity, "sha512-") {
					t.Errorf("%s/%s is made of %+v: something is missing", folder, name, p)
				}
			}
			if len(of.Packages) == 0 {
				t.Errorf("%s/%s is made of nothing that VERSIONS.json names", folder, name)
			}
		}
		for name := range made {
			t.Errorf("%s/%s is in VERSIONS.json and not here", folder, name)
		}
	}
}
