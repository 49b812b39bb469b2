package settings

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
)

// FuzzFile reads a settings file: what it says it says, or the error names it.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		"data: /var/lib/confman\npeers: [n1=a:1, n2=b:2]\n", "api-key-file: F\n", "data:\n", "data: {a: b}\n", "data: &a x\nlisten: *a\n", "a: 1\na: 2\n", "- x\n", "---\n---\n",
		"listen: !!binary aGk=\n", "data: |\n  x\n", "\ufeffdata: x\n", "\x00", "data: [[[[[", "<<: {data: x}\n", "data: 0x10\ntimeout: 1h\n", "{data: x, listen: y}",
	} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), "confman.yaml")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
		flags.String("data", "", "")
		flags.String("listen", "", "")
		flags.StringSlice("peers", nil, "")
		flags.Duration("timeout", 0, "")
		flags.String("api-key", "", "")
		MarkSecret(flags, "api-key")
		s, err := Load(flags, nil, path)
		if err == nil && s == nil {
			t.Errorf("%q: neither settings nor an error", content)
		}
	})
}
