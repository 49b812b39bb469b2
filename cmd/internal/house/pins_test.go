package house

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// pins are the versions that the rules of this house were tried with. A leading
// ≥ allows later patches and minor versions of the same major one.
var pins = map[string]string{
	"github.com/hashicorp/raft":      "v1.8.0",
	"github.com/hashicorp/raft-wal":  "v0.4.2",  // go get falls back to v0.4.0, which corrupts logs
	"github.com/dgraph-io/badger/v4": "≥v4.9.6", // before it, deleted keys came back
	"go.etcd.io/bbolt":               "v1.4.3",
}

// replaced: raft v1.8 asks for go-metrics v0.7, which dropped what raft-wal
// needs of it.
const replaced = "github.com/hashicorp/go-metrics => github.com/hashicorp/go-metrics v0.6.1"

func TestPins(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	required, replacements := readMod(string(content))
	for module, pin := range pins {
		if got := required[module]; !satisfies(got, pin) {
			t.Errorf("go.mod requires %s %s, want %s", module, got, pin)
		}
	}
	metrics := false
	for _, r := range replacements {
		metrics = metrics || r == replaced
		for module := range pins {
			if strings.HasPrefix(r, module+" ") {
				t.Errorf("go.mod replaces a pinned module: %s", r)
			}
		}
	}
	if !metrics {
		t.Errorf("go.mod does not say: replace %s", replaced)
	}
}

// readMod reads the required versions and the replacements of a go.mod file.
func readMod(content string) (required map[string]string, replacements []string) {
	required = map[string]string{}
	block := ""
	for line := range strings.Lines(content) {
		line, _, _ = strings.Cut(line, "//")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
			continue
		case words[0] == ")":
			block = ""
			continue
		case len(words) == 2 && words[1] == "(":
			block = words[0]
			continue
		}
		directive := block
		if directive == "" {
			directive, words = words[0], words[1:]
		}
		switch {
		case directive == "require" && len(words) == 2:
			required[words[0]] = words[1]
		case directive == "replace":
			replacements = append(replacements, strings.Join(words, " "))
		}
	}
	return required, replacements
}

func satisfies(version, pin string) bool {
	least, atLeast := strings.CutPrefix(pin, "≥")
	if !atLeast {
		return version == pin
	}
	got, want := numbers(version), numbers(least)
	if got == nil || got[0] != want[0] {
		return false
	}
	return got[1] > want[1] || got[1] == want[1] && got[2] >= want[2]
}

// numbers are the three of a released version, nil of any other.
func numbers(version string) (n []int) {
	for part := range strings.SplitSeq(strings.TrimPrefix(version, "v"), ".") {
		i, err := strconv.Atoi(part)
		if err != nil {
			return nil
		}
		n = append(n, i)
	}
	if len(n) != 3 {
		return nil
	}
	return n
}

func TestVersionsThatSatisfyAPin(t *testing.T) {
	for _, tt := range []struct {
		version, pin string
		want         bool
	}{
		{"v1.8.0", "v1.8.0", true},
		{"v1.8.1", "v1.8.0", false},
		{"", "v1.8.0", false},
		{"v4.9.6", "≥v4.9.6", true},
		{"v4.9.10", "≥v4.9.6", true},
		{"v4.10.0", "≥v4.9.6", true},
		{"v4.9.5", "≥v4.9.6", false},
		{"v4.8.9", "≥v4.9.6", false},
		{"v5.0.0", "≥v4.9.6", false},
		{"", "≥v4.9.6", false},
		{"v4.9.7-0.20260101000000-abcdefabcdef", "≥v4.9.6", false},
	} {
		if got := satisfies(tt.version, tt.pin); got != tt.want {
			t.Errorf("%q for %q: %v", tt.version, tt.pin, got)
		}
	}
}

func TestGoModIsRead(t *testing.T) {
	required, replacements := readMod("module m\n\ngo 1.26.0\n\nreplace a => b v1.0.0\n\nrequire c v1.2.3 // indirect\n\nrequire (\n\td v2.0.0\n)\n")
	if len(required) != 2 || required["c"] != "v1.2.3" || required["d"] != "v2.0.0" || len(replacements) != 1 || replacements[0] != "a => b v1.0.0" {
		t.Errorf("read %v and %v", required, replacements)
	}
}
