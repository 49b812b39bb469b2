package formats

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"confman/events"
)

// Entry is one configuration value with its key, in the form the API takes and gives.
type Entry struct {
	Key   string          `json:"key"`
	Type  string          `json:"type"`  // string, number, boolean, json, binary or secret-ref
	Value json.RawMessage `json:"value"` // JSON as the type asks; base64 in a string for binary
}

// Format is a kind of configuration file.
type Format string

// The formats, by the names that --format takes.
const (
	JSON       Format = "json"
	YAML       Format = "yaml"
	TOML       Format = "toml"
	Properties Format = "properties" // Java's
	Env        Format = "env"        // NAME=value lines, as a shell or a container runtime reads them
)

// Formats returns every format, in the order that help texts name them.
func Formats() []Format {
	return []Format{JSON, YAML, TOML, Properties, Env}
}

// ParseFormat returns the format of that name. The error lists them all.
func ParseFormat(name string) (Format, error) {
	if slices.Contains(Formats(), Format(name)) {
		return Format(name), nil
	}
	return "", fmt.Errorf("format %q is not one of %v", name, Formats())
}

// FormatOf tells the format of a file from its name.
func FormatOf(path string) (Format, bool) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json":
		return JSON, true
	case ".yaml", ".yml":
		return YAML, true
	case ".toml":
		return TOML, true
	case ".properties":
		return Properties, true
	case ".env":
		return Env, true
	}
	return "", false
}

// mistake is what is wrong with a file, and on which of its lines, the first being 1. Line 0 is not known.
type mistake struct {
	line int
	text string
}

func (m *mistake) Error() string { return fmt.Sprintf("line %d: %s", m.line, m.text) }

// wrong makes a [mistake].
func wrong(line int, format string, args ...any) error {
	return &mistake{line: line, text: fmt.Sprintf(format, args...)}
}

// in puts the name of the file before an error about its content.
func in(name string, err error) error {
	var m *mistake
	if errors.As(err, &m) && m.line > 0 {
		return fmt.Errorf("%s:%d: %s", name, m.line, m.text)
	} else if m != nil {
		return fmt.Errorf("%s: %s", name, m.text)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Flatten returns the leaves of a file as entries, sorted by key. Name is the file's, for errors, which begin with
// NAME:LINE. See the package comment for the rules. A byte order mark is passed over.
func Flatten(name string, format Format, data []byte) ([]Entry, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%s: not UTF-8; it can only be imported whole", name)
	}
	leaves, err := decode(format, data)
	if err != nil {
		return nil, in(name, err)
	}
	entries, err := collect(leaves)
	if err != nil {
		return nil, in(name, err)
	}
	return entries, nil
}

// decode returns the leaves of a file in its order.
func decode(format Format, data []byte) ([]leaf, error) {
	var root *node
	var err error
	switch format {
	case Properties:
		return decodeProperties(data)
	case Env:
		return decodeEnv(data)
	case JSON:
		root, err = decodeJSON(data)
	case YAML:
		root, err = decodeYAML(data)
	case TOML:
		root, err = decodeTOML(data)
	default:
		return nil, fmt.Errorf("no such format: %q", format)
	}
	if err != nil {
		return nil, err
	}
	return leavesOf(root)
}

// Unflatten returns a file of the given format that holds the entries, in any order. The error names the key that the
// format cannot take, or the two that exclude each other: a key that has a value has no keys below it in a nested
// format. See the package comment for what comes back when the file is flattened again.
func Unflatten(format Format, entries []Entry) ([]byte, error) {
	leaves, err := sortedLeaves(entries)
	if err != nil {
		return nil, err
	}
	switch format {
	case Properties:
		return encodeFlat(leaves, appendProperty)
	case Env:
		if err := nameVariables(leaves, false); err != nil {
			return nil, err
		}
		return encodeFlat(leaves, appendVariable)
	}
	root, err := treeOf(leaves)
	if err != nil {
		return nil, err
	}
	switch format {
	case JSON:
		return encodeJSON(root)
	case YAML:
		return encodeYAML(root)
	case TOML:
		return encodeTOML(root)
	}
	return nil, fmt.Errorf("no such format: %q", format)
}

// sortedLeaves checks entries and returns their values by key.
func sortedLeaves(entries []Entry) ([]leaf, error) {
	leaves := make([]leaf, 0, len(entries))
	for _, e := range entries {
		value, err := nodeOf(e)
		if err != nil {
			return nil, fmt.Errorf("entry %s: %w", e.Key, err)
		}
		leaves = append(leaves, leaf{key: e.Key, value: value})
	}
	slices.SortFunc(leaves, func(a, b leaf) int { return strings.Compare(a.key, b.key) })
	for i := 1; i < len(leaves); i++ {
		if leaves[i].key == leaves[i-1].key {
			return nil, fmt.Errorf("entry %s is given twice", leaves[i].key)
		}
	}
	return leaves, nil
}

// nodeOf checks an entry and returns its value.
func nodeOf(e Entry) (*node, error) {
	if err := events.CheckKey(e.Key); err != nil {
		return nil, err
	}
	value, err := decodeJSON(e.Value)
	if err != nil {
		return nil, err
	}
	switch want := events.ValueType(e.Type); want {
	case events.JSON:
	case events.String, events.SecretRef, events.Binary:
		if value.typ != events.String {
			return nil, fmt.Errorf("type %s with a value that is no JSON string", want)
		}
		value.typ = want
		if want == events.Binary {
			_, err = decodeBase64(value.text())
		}
		return value, err
	case events.Number, events.Boolean:
		if value.typ != want {
			return nil, fmt.Errorf("type %s with the value %.64s", want, e.Value)
		}
	default:
		return nil, fmt.Errorf("unknown type %q", e.Type)
	}
	return value, nil
}

// Bytes returns what a file that holds nothing but this entry has in it: the text of a string, the bytes of a binary
// value, the JSON of anything else.
func (e Entry) Bytes() ([]byte, error) {
	value, err := nodeOf(e)
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", e.Key, err)
	}
	if value.typ != events.Binary {
		return []byte(value.text()), nil
	}
	raw, err := decodeBase64(value.text())
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", e.Key, err)
	}
	return raw, nil
}
