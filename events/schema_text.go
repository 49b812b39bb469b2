package events

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// place is where a value stands in the document that is judged. Nil is the
// whole.
type place struct {
	up   *place
	name string
	nth  int // the index of an item; -1 for a member
}

func (p *place) member(name string) *place { return &place{p, name, -1} }
func (p *place) item(i int) *place         { return &place{p, "", i} }

// String is the JSON pointer.
func (p *place) String() string {
	var tokens []string
	for ; p != nil; p = p.up {
		token := p.name
		if p.nth >= 0 {
			token = strconv.Itoa(p.nth)
		}
		tokens = append(tokens, strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1"))
	}
	var b strings.Builder
	for i := len(tokens) - 1; i >= 0; i-- {
		b.WriteByte('/')
		b.WriteString(tokens[i])
	}
	return b.String()
}

// violations collects fields up to a number, and counts the others.
type violations struct {
	fields    []Field
	max, more int
}

func (v *violations) add(at *place, format string, args ...any) {
	if len(v.fields) == v.max {
		v.more++
		return
	}
	v.fields = append(v.fields, Field{at.String(), fmt.Sprintf(format, args...)})
}

func (v *violations) list() []Field {
	if v.more == 0 {
		return v.fields
	}
	return append(v.fields, Field{"", fmt.Sprintf("and %d more", v.more)})
}

// show spells a value for a message, shortened.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case string:
		return strconv.Quote(shorten(v, 80))
	case json.Number:
		return shorten(string(v), 80)
	case []any:
		return "an array of " + count(len(v), "item")
	case map[string]any:
		return "an object of " + count(len(v), "member")
	}
	return "no JSON value"
}

// showAny spells what is allowed, or the first of it.
func showAny(values []any) string {
	const most = 12
	var list []string
	for i, v := range values {
		if i == most {
			list = append(list, fmt.Sprintf("… (%d in all)", len(values)))
			break
		}
		text := show(v)
		switch v.(type) {
		case []any, map[string]any:
			if raw, err := json.Marshal(v); err == nil {
				text = shorten(string(raw), 80)
			}
		}
		list = append(list, text)
	}
	if len(list) == 1 {
		return list[0]
	}
	return "one of " + strings.Join(list, ", ")
}

func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

func shorten(text string, max int) string {
	if len(text) <= max {
		return text
	}
	for max > 0 && !utf8.RuneStart(text[max]) {
		max--
	}
	return text[:max] + "…"
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case []any:
		return "an array"
	}
	return "an object"
}

func typeNames(types []string) string {
	var names []string
	for _, t := range types {
		switch t {
		case "array", "integer", "object":
			t = "an " + t
		case "boolean", "number", "string":
			t = "a " + t
		}
		names = append(names, t)
	}
	return strings.Join(names, " or ")
}

// formatName names a format, with an example where the name does not say it all.
func formatName(format string) string {
	example := ""
	switch format {
	case "date-time":
		example = "2026-11-22T10:00:00Z"
	case "date":
		example = "2026-11-22"
	case "time":
		example = "10:00:00Z"
	case "duration":
		example = "PT1H30M"
	case "uri", "iri":
		example = "https://example.org/a"
	case "uuid":
		example = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
	case "json-pointer":
		example = "/a/b"
	case "ipv4":
		example = "192.0.2.1"
	case "ipv6":
		example = "2001:db8::1"
	}
	if example == "" {
		return "of format " + format
	}
	return "of format " + format + ", like " + example
}

// String spells the number; with an exponent where it would be long.
func (d decimal) String() string {
	text := d.digits
	switch {
	case d.zero():
		return "0"
	case d.written() > 40:
		text = shorten(text, 40) + "e" + strconv.FormatInt(d.exp, 10)
	case d.exp >= 0:
		text += strings.Repeat("0", int(d.exp))
	default:
		places := int(-d.exp)
		if len(text) <= places {
			text = strings.Repeat("0", places-len(text)+1) + text
		}
		text = text[:len(text)-places] + "." + text[len(text)-places:]
	}
	if d.negative {
		text = "-" + text
	}
	return text
}
