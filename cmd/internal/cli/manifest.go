package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"confman/cmd/internal/formats"
)

// Names of files that sync keeps in its directory beside those it is asked for.
// Keys cannot have them: a name in a key that becomes a path begins with no dot.
const (
	manifestName = ".confman.json"
	viewName     = ".confman-view.json" // the last known values
)

// manifest says which files of a directory are sync's own.
type manifest struct {
	Namespace string            `json:"namespace"`
	Prefix    string            `json:"prefix,omitempty"`
	As        string            `json:"as,omitempty"` // the one file; empty: one for each key
	Position  string            `json:"position"`     // the state that the files are of
	Pending   bool              `json:"pending,omitempty"`
	Files     map[string]string `json:"files"` // SHA-256 of the content, by path
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// of says what a manifest is about.
func (m manifest) of() string {
	text := m.Namespace
	if m.Prefix != "" {
		text += " --prefix " + m.Prefix
	}
	if m.As != "" {
		text += " --as " + m.As
	}
	return text
}

// readManifest reads the manifest of a directory, or begins one; a directory of
// something else is an error.
func readManifest(root *os.Root, as manifest) (manifest, error) {
	as.Files = make(map[string]string)
	data, err := root.ReadFile(manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return as, nil
	}
	if err != nil {
		return as, err
	}
	found := manifest{}
	if err := json.Unmarshal(data, &found); err != nil || found.Namespace == "" {
		return as, fmt.Errorf("%s is damaged; without it all files count as somebody else's", manifestName)
	}
	for name := range found.Files {
		if !fs.ValidPath(name) || strings.HasPrefix(path.Base(name), ".") {
			return as, fmt.Errorf("%s is damaged: it names %q", manifestName, name)
		}
	}
	if found.of() != as.of() {
		return as, fmt.Errorf("it is a copy of %s, not of %s: give each a directory of its own", found.of(), as.of())
	}
	if found.Files == nil {
		found.Files = as.Files
	}
	return found, nil
}

// write replaces the manifest of a directory.
func (m manifest) write(root *os.Root) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return formats.Replace(root, manifestName, append(data, '\n'), 0o600)
}
