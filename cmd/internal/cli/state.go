package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"confman/api/wire"
	"confman/cmd/internal/formats"
)

// filter is what a watch is of. A position only says how far one came together
// with what was looked at on the way.
type filter struct {
	Namespaces []string `json:"namespaces,omitempty"` // sorted; none: all that the key may see
	Key        string   `json:"key,omitempty"`
	Prefix     string   `json:"prefix,omitempty"`
	Events     string   `json:"events"`
}

func newFilter(namespaces []string, key, prefix, events string) filter {
	namespaces = slices.Sorted(slices.Values(namespaces))
	if slices.Contains(namespaces, wire.Root) {
		namespaces = nil
	}
	return filter{Namespaces: slices.Compact(namespaces), Key: key, Prefix: prefix, Events: events}
}

// String is the filter as one would write it on the command line.
func (f filter) String() string {
	text := strings.Join(f.Namespaces, " ")
	if text == "" {
		text = "everything"
	}
	if f.Key != "" {
		text += " --key " + f.Key
	}
	if f.Prefix != "" {
		text += " --prefix " + f.Prefix
	}
	if f.Events != wire.EventsConfig {
		text += " --events " + f.Events
	}
	return text
}

// stateFile remembers how far a watch came, so that the next one goes on there.
type stateFile struct {
	path  string
	saved savedState
}

type savedState struct {
	Watch    filter `json:"watch"`
	Position string `json:"position"` // everything up to it is handled
}

// openState reads the state file of a watch. One that does not exist is begun by
// the first save; one of another watch is an error.
func openState(path string, of filter) (*stateFile, error) {
	s := &stateFile{path: path, saved: savedState{Watch: of}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	var found savedState
	if err := json.Unmarshal(data, &found); err != nil || found.Position == "" {
		return nil, fmt.Errorf("state %s: this is not how far a watch came; remove it to begin anew", path)
	}
	if found.Watch.String() != of.String() {
		return nil, fmt.Errorf("state %s is of the watch of %s, not of %s: give each watch a file of its own", path, found.Watch, of)
	}
	s.saved.Position = found.Position
	return s, nil
}

// position is where to go on, empty at the first time.
func (s *stateFile) position() string { return s.saved.Position }

// save replaces the file at once, readable by its owner only.
func (s *stateFile) save(position string) error {
	if position == s.saved.Position {
		return nil
	}
	s.saved.Position = position
	data, err := json.Marshal(s.saved)
	if err != nil {
		return fmt.Errorf("state %s: %w", s.path, err)
	}
	root, err := os.OpenRoot(filepath.Dir(s.path))
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	defer root.Close()
	if err := formats.Replace(root, filepath.Base(s.path), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("state %s: %w", s.path, err)
	}
	return nil
}
