package formats

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"confman/events"
)

// encodeTOML writes a TOML 1.0 file: values first, then tables, both in the order of their names.
func encodeTOML(root *node) ([]byte, error) {
	return appendTOMLTable([]byte{}, "", root)
}

func appendTOMLTable(out []byte, path string, table *node) ([]byte, error) {
	var err error
	for _, name := range table.names {
		if isTable(table.members[name]) {
			continue
		}
		out = append(append(out, tomlKey(name)...), " = "...)
		if out, err = appendTOMLValue(out, table.members[name]); err != nil {
			return nil, fmt.Errorf("TOML %s: %w", joinTOML(path, name), err)
		}
		out = append(out, '\n')
	}
	for _, name := range table.names {
		member := table.members[name]
		if !isTable(member) {
			continue
		}
		below := joinTOML(path, name)
		if hasValues(member) {
			if len(out) > 0 {
				out = append(out, '\n')
			}
			out = append(append(append(out, '['), below...), "]\n"...)
		}
		if out, err = appendTOMLTable(out, below, member); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// isTable tells whether n gets a header of its own. An empty mapping is written as a value.
func isTable(n *node) bool { return len(n.names) > 0 }

// hasValues tells whether the table needs its header, having more than tables in it.
func hasValues(n *node) bool {
	for _, member := range n.members {
		if !isTable(member) {
			return true
		}
	}
	return false
}

func joinTOML(path, name string) string {
	if path == "" {
		return tomlKey(name)
	}
	return path + "." + tomlKey(name)
}

func appendTOMLValue(out []byte, n *node) ([]byte, error) {
	var err error
	switch {
	case n.members != nil:
		out = append(out, '{')
		for i, name := range n.names {
			if i > 0 {
				out = append(out, ", "...)
			}
			out = append(append(out, tomlKey(name)...), " = "...)
			if out, err = appendTOMLValue(out, n.members[name]); err != nil {
				return nil, err
			}
		}
		return append(out, '}'), nil
	case n.isList:
		out = append(out, '[')
		for i, item := range n.items {
			if i > 0 {
				out = append(out, ", "...)
			}
			if out, err = appendTOMLValue(out, item); err != nil {
				return nil, err
			}
		}
		return append(out, ']'), nil
	case n.isNull():
		return nil, errors.New("null, which TOML cannot say")
	case n.typ == events.Number:
		return appendTOMLNumber(out, n.text())
	case n.typ == events.Boolean:
		return append(out, n.text()...), nil
	}
	return appendTOMLString(out, n.text()), nil
}

// appendTOMLNumber refuses what TOML readers may, or do, refuse: its integers have 64 bits, its floats are doubles.
func appendTOMLNumber(out []byte, number string) ([]byte, error) {
	if !strings.ContainsAny(number, ".eE") {
		if _, err := strconv.ParseInt(number, 10, 64); err != nil {
			return nil, fmt.Errorf("%.64s is more than TOML's 64 bits hold", number)
		}
	} else if f, err := strconv.ParseFloat(number, 64); err != nil || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%.64s is more than TOML's floats hold", number)
	}
	return append(out, number...), nil
}

// tomlKey spells one part of a name, quoted unless it is bare.
func tomlKey(name string) string {
	if name != "" && strings.IndexFunc(name, func(r rune) bool { return !isBareName(r) }) < 0 {
		return name
	}
	return string(appendTOMLString(nil, name))
}

// isBareName tells whether r needs no quotes, neither in a TOML name nor in a shell's word.
func isBareName(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-'
}

func appendTOMLString(out []byte, text string) []byte {
	out = append(out, '"')
	for _, r := range text {
		switch {
		case r == '"', r == '\\':
			out = append(out, '\\', byte(r))
		case r == '\n':
			out = append(out, `\n`...)
		case r == '\t':
			out = append(out, `\t`...)
		case r < ' ', r == 0x7f:
			out = fmt.Appendf(out, `\u%04X`, r)
		default:
			out = append(out, string(r)...)
		}
	}
	return append(out, '"')
}
