package formats

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"confman/events"
)

// jsonDecoder reads one JSON value, counting lines.
type jsonDecoder struct {
	tokens *jsontext.Decoder
	data   []byte
	offset int // up to here lines are counted
	line   int
}

// decodeJSON reads a file that is one JSON value (RFC 8259), with every name once.
func decodeJSON(data []byte) (*node, error) {
	d := &jsonDecoder{tokens: jsontext.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
	root, err := d.value(0)
	if err == nil {
		if _, err = d.tokens.ReadToken(); errors.Is(err, io.EOF) {
			return root, nil
		} else if err == nil {
			return nil, wrong(d.here(), "more text after the end of the value")
		}
	}
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("empty, not JSON")
	case errors.As(err, &syntax):
		line := 1 + bytes.Count(data[:min(int(syntax.ByteOffset), len(data))], []byte("\n"))
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return nil, wrong(line, "name %q is given twice", syntax.JSONPointer.LastToken())
		}
		return nil, wrong(line, "not JSON: %v", syntax.Err)
	}
	return nil, err
}

// here returns the line of the token that was read last.
func (d *jsonDecoder) here() int {
	end := int(d.tokens.InputOffset())
	d.line += bytes.Count(d.data[d.offset:end], []byte("\n"))
	d.offset = end
	return d.line
}

// value reads the next value.
func (d *jsonDecoder) value(depth int) (*node, error) {
	if depth > maxDepth {
		return nil, wrong(d.here(), "nests deeper than %d levels", maxDepth)
	}
	switch d.tokens.PeekKind() {
	case '{':
		return d.mapping(depth)
	case '[':
		return d.list(depth)
	}
	raw, err := d.tokens.ReadValue()
	if err != nil {
		return nil, err
	}
	line := d.here()
	switch raw.Kind() {
	case '"':
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return nil, fmt.Errorf("unquote %s: %w", raw, err)
		}
		return newString(line, string(text))
	case '0':
		return &node{line: line, typ: events.Number, value: raw.Clone()}, nil
	case 't', 'f':
		return newBoolean(line, raw.Kind() == 't'), nil
	}
	return newNull(line), nil
}

func (d *jsonDecoder) mapping(depth int) (*node, error) {
	if _, err := d.tokens.ReadToken(); err != nil {
		return nil, err
	}
	n := newMapping(d.here())
	for d.tokens.PeekKind() != '}' {
		token, err := d.tokens.ReadToken()
		if err != nil {
			return nil, err
		}
		name, line := token.String(), d.here()
		member, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		member.line = line
		if err := n.add(line, name, member); err != nil {
			return nil, err
		}
	}
	_, err := d.tokens.ReadToken()
	return n, err
}

func (d *jsonDecoder) list(depth int) (*node, error) {
	if _, err := d.tokens.ReadToken(); err != nil {
		return nil, err
	}
	n := &node{line: d.here(), isList: true}
	for d.tokens.PeekKind() != ']' {
		item, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	_, err := d.tokens.ReadToken()
	return n, err
}

// encodeJSON writes indented JSON with a newline at its end.
func encodeJSON(root *node) ([]byte, error) {
	out := jsontext.Value(root.json(nil))
	if err := out.Indent(jsontext.WithIndent("  ")); err != nil {
		return nil, fmt.Errorf("indent JSON: %w", err)
	}
	return append(out, '\n'), nil
}
