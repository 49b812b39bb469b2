package formats

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// tomlDecoder builds a tree from the expressions of a TOML file. The library's decoder has judged the file before, so
// only the values are left to read: it would give numbers as floats and lose the lines.
type tomlDecoder struct {
	parser  unstable.Parser
	root    *node
	current *node // the table that key-value lines go to
	offset  int   // up to here lines are counted
	line    int
}

// decodeTOML reads a TOML 1.0 file.
func decodeTOML(data []byte) (*node, error) {
	var judged map[string]any
	if err := toml.Unmarshal(data, &judged); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, _ := at.Position()
			return nil, wrong(line, "not TOML: %v", err)
		}
		return nil, fmt.Errorf("not TOML: %w", err)
	}
	d := &tomlDecoder{root: newMapping(1), line: 1}
	d.current = d.root
	d.parser.Reset(data)
	for d.parser.NextExpression() {
		if err := d.expression(d.parser.Expression()); err != nil {
			return nil, err
		}
	}
	if err := d.parser.Error(); err != nil {
		return nil, fmt.Errorf("not TOML: %w", err)
	}
	return d.root, nil
}

// expression takes one line or table header.
func (d *tomlDecoder) expression(e *unstable.Node) error {
	switch e.Kind {
	case unstable.Table:
		names, err := d.names(e)
		if err == nil {
			d.current, err = d.descend(d.root, names)
		}
		return err
	case unstable.ArrayTable:
		return d.arrayTable(e)
	case unstable.KeyValue:
		return d.keyValue(d.current, e, 0)
	}
	return nil // a comment
}

// arrayTable begins the next element of an array of tables.
func (d *tomlDecoder) arrayTable(e *unstable.Node) error {
	names, err := d.names(e)
	if err != nil {
		return err
	}
	last := names[len(names)-1]
	parent, err := d.descend(d.root, names[:len(names)-1])
	if err != nil {
		return err
	}
	tables := parent.members[last.text]
	if tables == nil {
		tables = &node{line: last.line, isList: true}
		if err := parent.add(last.line, last.text, tables); err != nil {
			return err
		}
	}
	d.current = newMapping(last.line)
	tables.items = append(tables.items, d.current)
	return nil
}

// tomlName is one part of a dotted name.
type tomlName struct {
	text string
	line int
}

// names returns the parts of the name of e, never none.
func (d *tomlDecoder) names(e *unstable.Node) ([]tomlName, error) {
	var names []tomlName
	for it := e.Key(); it.Next(); {
		part := it.Node()
		if end := int(part.Raw.Offset); end > d.offset {
			d.line += bytes.Count(d.parser.Data()[d.offset:end], []byte("\n"))
			d.offset = end
		}
		if len(names) == maxDepth {
			return nil, wrong(d.line, "nests deeper than %d levels", maxDepth)
		}
		names = append(names, tomlName{string(part.Data), d.line})
	}
	return names, nil
}

// descend returns the table of that name below from, making what is missing. Of an array of tables it takes the last.
func (d *tomlDecoder) descend(from *node, names []tomlName) (*node, error) {
	for _, name := range names {
		next := from.members[name.text]
		if next == nil {
			next = newMapping(name.line)
			if err := from.add(name.line, name.text, next); err != nil {
				return nil, err
			}
		}
		if next.isList && len(next.items) > 0 {
			next = next.items[len(next.items)-1]
		}
		if next.members == nil {
			return nil, wrong(name.line, "name %q is a table here, a value on line %d", name.text, next.line)
		}
		from = next
	}
	return from, nil
}

func (d *tomlDecoder) keyValue(table *node, e *unstable.Node, depth int) error {
	names, err := d.names(e)
	if err != nil {
		return err
	}
	last := names[len(names)-1]
	table, err = d.descend(table, names[:len(names)-1])
	if err != nil {
		return err
	}
	value, err := d.value(e.Value(), last.line, depth+1)
	if err != nil {
		return err
	}
	return table.add(last.line, last.text, value)
}

// value converts a value whose name is on the given line.
func (d *tomlDecoder) value(v *unstable.Node, line, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, wrong(line, "nests deeper than %d levels", maxDepth)
	}
	switch v.Kind {
	case unstable.InlineTable:
		table := newMapping(line)
		for it := v.Children(); it.Next(); {
			if err := d.keyValue(table, it.Node(), depth); err != nil {
				return nil, err
			}
		}
		return table, nil
	case unstable.Array:
		list := &node{line: line, isList: true}
		for it := v.Children(); it.Next(); {
			item, err := d.value(it.Node(), line, depth+1)
			if err != nil {
				return nil, err
			}
			list.items = append(list.items, item)
		}
		return list, nil
	case unstable.Integer, unstable.Float:
		return newNumber(line, string(v.Data))
	case unstable.Bool:
		return newBoolean(line, string(v.Data) == "true"), nil
	}
	return newString(line, string(v.Data)) // strings, dates and times
}
