package api

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
)

// Bounds of a comparison. Beyond either, its answer is that the whole differs.
const (
	maxDifferences = 1000
	maxCompared    = 16 << 20 // bytes read; a deep value is read once for each level that differs
)

// differences lists the places in which two JSON values differ, nil for none; a
// value that is nil is absent.
//
// Objects are compared by member, in whatever order these stand. Of arrays, what
// they begin and end with in common is left out and the rest is compared element
// by element: one that came in or went is one difference, wherever it stands. A
// pointer leads into the old value, the new value, or both, wherever a difference
// has that side. Numbers are the same when they are spelled the same.
func differences(before, after jsontext.Value) []wire.Difference {
	var c comparison
	if c.compare("", before, after); c.tooMuch {
		return []wire.Difference{{Old: []byte(before), New: []byte(after)}}
	}
	return c.found
}

// comparison is one under way.
type comparison struct {
	found   []wire.Difference
	read    int // bytes
	tooMuch bool
}

func (c *comparison) compare(at jsontext.Pointer, before, after jsontext.Value) {
	if c.read += len(before) + len(after); c.read > maxCompared {
		c.tooMuch = true
	}
	switch kind := after.Kind(); {
	case c.tooMuch || bytes.Equal(before, after):
	case kind == '{' && before.Kind() == kind:
		c.objects(at, before, after)
	case kind == '[' && before.Kind() == kind:
		c.arrays(at, before, after)
	case len(c.found) == maxDifferences:
		c.tooMuch = true
	default:
		c.found = append(c.found, wire.Difference{Pointer: string(at), Old: []byte(before), New: []byte(after)})
	}
}

// objects compares the members of the old one in its order, then those that are
// new.
func (c *comparison) objects(at jsontext.Pointer, before, after jsontext.Value) {
	old, names := members(before)
	now, more := members(after)
	for _, name := range names {
		c.compare(at.AppendToken(name), old[name], now[name])
	}
	for _, name := range more {
		if old[name] == nil {
			c.compare(at.AppendToken(name), nil, now[name])
		}
	}
}

func (c *comparison) arrays(at jsontext.Pointer, before, after jsontext.Value) {
	old, now := elements(before), elements(after)
	first := 0
	for first < min(len(old), len(now)) && bytes.Equal(old[first], now[first]) {
		first++
	}
	for len(old) > first && len(now) > first && bytes.Equal(old[len(old)-1], now[len(now)-1]) {
		old, now = old[:len(old)-1], now[:len(now)-1]
	}
	for i := first; i < max(len(old), len(now)) && !c.tooMuch; i++ {
		c.compare(at.AppendToken(strconv.Itoa(i)), elementAt(old, i), elementAt(now, i))
	}
}

func elementAt(list []jsontext.Value, i int) jsontext.Value {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// members are those of an object and their names in order. What is not valid
// ends the list; values are judged when they come in.
func members(object jsontext.Value) (values map[string]jsontext.Value, names []string) {
	values = map[string]jsontext.Value{}
	d := jsontext.NewDecoder(bytes.NewReader(object))
	if _, err := d.ReadToken(); err != nil {
		return values, nil
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			break
		}
		text := name.String()
		value, err := d.ReadValue()
		if err != nil {
			break
		}
		values[text] = value.Clone()
		names = append(names, text)
	}
	return values, names
}

func elements(array jsontext.Value) (list []jsontext.Value) {
	d := jsontext.NewDecoder(bytes.NewReader(array))
	if _, err := d.ReadToken(); err != nil {
		return nil
	}
	for kind := d.PeekKind(); kind != ']' && kind != 0; kind = d.PeekKind() {
		value, err := d.ReadValue()
		if err != nil {
			break
		}
		list = append(list, value.Clone())
	}
	return list
}
