package formats

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"confman/events"
)

// maxDepth bounds how deeply mappings and lists of a file may nest. A key has at most 256 names.
const maxDepth = 256

// node is one value of a nested file: a mapping (members is not nil), a list (isList), or a scalar as JSON.
type node struct {
	line    int
	names   []string // of the members, in the file's order
	members map[string]*node
	isList  bool
	items   []*node
	typ     events.ValueType // of a scalar; json for null
	value   jsontext.Value   // of a scalar
}

// leaf is one future entry. Line is where its name stands, 0 outside a file.
type leaf struct {
	key   string
	line  int
	value *node
}

func newMapping(line int) *node { return &node{line: line, members: make(map[string]*node)} }

// newString refuses text that no string entry can hold.
func newString(line int, text string) (*node, error) {
	if strings.IndexByte(text, 0) >= 0 {
		return nil, wrong(line, "a string with a NUL character; the file can only be imported whole")
	}
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		return nil, wrong(line, "a string that is not UTF-8")
	}
	return &node{line: line, typ: events.String, value: quoted}, nil
}

// newNumber takes the spelling of a number without what JSON does not have: a plus sign, underscores between digits.
func newNumber(line int, text string) (*node, error) {
	spelling := strings.TrimPrefix(strings.ReplaceAll(text, "_", ""), "+")
	if !isNumber(spelling) {
		return nil, wrong(line, "the number %s has no JSON spelling; write it in decimal, or quote it to make it a string", text)
	}
	return &node{line: line, typ: events.Number, value: jsontext.Value(spelling)}, nil
}

// isNumber tells whether text is a number in JSON.
func isNumber(text string) bool {
	v := jsontext.Value(text)
	return text != "" && strings.IndexByte("-0123456789", text[0]) >= 0 && v.IsValid()
}

func newBoolean(line int, truth bool) *node {
	value := jsontext.Value("false")
	if truth {
		value = jsontext.Value("true")
	}
	return &node{line: line, typ: events.Boolean, value: value}
}

func newNull(line int) *node {
	return &node{line: line, typ: events.JSON, value: jsontext.Value("null")}
}

func (n *node) isNull() bool { return n.typ == events.JSON }

// decodeBase64 reads the text of a binary value.
func decodeBase64(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("binary value: %w", err)
	}
	return raw, nil
}

// add puts a member into a mapping.
func (n *node) add(line int, name string, member *node) error {
	if earlier, ok := n.members[name]; ok {
		return wrong(line, "name %q is given twice, first on line %d", name, earlier.line)
	}
	n.names = append(n.names, name)
	n.members[name] = member
	return nil
}

// text is the bare value: the text of a string, the JSON of anything else.
func (n *node) text() string {
	if len(n.value) == 0 || n.value[0] != '"' {
		return string(n.json(nil))
	}
	text, err := jsontext.AppendUnquote(nil, n.value)
	if err != nil {
		panic(fmt.Sprintf("formats: a scalar that is not JSON: %v", err))
	}
	return string(text)
}

// json appends the value as JSON without white space.
func (n *node) json(dst []byte) []byte {
	switch {
	case n.members != nil:
		dst = append(dst, '{')
		for i, name := range n.names {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst, _ = jsontext.AppendQuote(dst, name) // decoders let only UTF-8 through
			dst = append(dst, ':')
			dst = n.members[name].json(dst)
		}
		return append(dst, '}')
	case n.isList:
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.json(dst)
		}
		return append(dst, ']')
	default:
		return append(dst, n.value...)
	}
}

// leavesOf returns the leaves of a file's top mapping in its order.
func leavesOf(root *node) ([]leaf, error) {
	if root.members == nil {
		return nil, wrong(root.line, "a mapping is needed at the top to make keys of its names; the file can only be imported whole")
	}
	return appendLeaves(nil, "", root)
}

func appendLeaves(leaves []leaf, prefix string, n *node) ([]leaf, error) {
	for _, name := range n.names {
		member := n.members[name]
		key := prefix + name
		switch {
		case len(key) > events.MaxKeyBytes:
			return nil, wrong(member.line, "name %.64q cannot be a key: with the names above it has more than %d bytes", name, events.MaxKeyBytes)
		case strings.Contains(name, "/"):
			return nil, wrong(member.line, "name %q has a slash, which divides the names in a key; the file can only be imported whole", name)
		}
		if len(member.names) == 0 {
			leaves = append(leaves, leaf{key: key, line: member.line, value: member})
			continue
		}
		var err error
		if leaves, err = appendLeaves(leaves, key+"/", member); err != nil {
			return nil, err
		}
	}
	return leaves, nil
}

// collect makes sorted entries of the leaves of a file.
func collect(leaves []leaf) ([]Entry, error) {
	entries := make([]Entry, 0, len(leaves))
	lines := make(map[string]int, len(leaves))
	for _, l := range leaves {
		if err := events.CheckKey(l.key); err != nil {
			return nil, wrong(l.line, "name %q cannot be a key: %v", l.key, err)
		}
		if earlier, ok := lines[l.key]; ok {
			return nil, wrong(l.line, "name %q is given twice, first on line %d", l.key, earlier)
		}
		lines[l.key] = l.line
		typ := l.value.typ
		if l.value.isList || l.value.members != nil {
			typ = events.JSON
		}
		entries = append(entries, Entry{Key: l.key, Type: string(typ), Value: json.RawMessage(l.value.json(nil))})
	}
	sortEntries(entries)
	return entries, nil
}

func sortEntries(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
}

// treeOf builds the mapping that sorted leaves came from.
func treeOf(leaves []leaf) (*node, error) {
	keys := make(map[string]bool, len(leaves))
	for _, l := range leaves {
		keys[l.key] = true
	}
	root := newMapping(0)
	for _, l := range leaves {
		if above := valueAbove(keys, l.key); above != "" {
			return nil, fmt.Errorf("entries %s and %s: a key cannot have a value and keys below it", above, l.key)
		}
		at := root
		names := strings.Split(l.key, "/")
		for _, name := range names[:len(names)-1] {
			if at.members[name] == nil {
				if err := at.add(0, name, newMapping(0)); err != nil {
					return nil, err
				}
			}
			at = at.members[name]
		}
		if err := at.add(0, names[len(names)-1], l.value); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// valueAbove returns the key above this one that is among keys, "" when there is none.
func valueAbove(keys map[string]bool, key string) string {
	for i := range len(key) {
		if key[i] == '/' && keys[key[:i]] {
			return key[:i]
		}
	}
	return ""
}

// encodeFlat writes one line or more for each leaf.
func encodeFlat(leaves []leaf, appendLine func([]byte, string, string) ([]byte, error)) ([]byte, error) {
	out := []byte{}
	for _, l := range leaves {
		if l.value.isNull() {
			return nil, fmt.Errorf("entry %s is null, which this format cannot say", l.key)
		}
		var err error
		if out, err = appendLine(out, l.key, l.value.text()); err != nil {
			return nil, fmt.Errorf("entry %s: %w", l.key, err)
		}
	}
	return out, nil
}
