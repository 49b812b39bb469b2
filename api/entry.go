package api

import (
	"bytes"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"confman/events"
)

// appendEntry appends a [wire.ConfigEntry] as JSON, by hand, because nothing is
// read more often. namespace is the one that was asked for; with resolve it may
// not be the entry's own, and from says which one answered.
func appendEntry(dst []byte, e *events.Entry, namespace, from string) []byte {
	dst = append(dst, `{"namespace":"`...)
	dst = append(dst, namespace...) // names need no escapes
	dst = append(dst, `","key":"`...)
	dst = append(dst, e.Key...)
	dst = appendValue(append(dst, '"'), e)
	dst = append(dst, `,"index":`...)
	dst = strconv.AppendUint(dst, e.Revision, 10)
	dst = appendText(dst, `,"description":`, e.Description)
	for i, tag := range e.Tags {
		if i == 0 {
			dst = append(dst, `,"tags":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendQuoted(dst, tag)
	}
	if len(e.Tags) > 0 {
		dst = append(dst, ']')
	}
	dst = appendText(dst, `,"comment":`, e.Comment)
	if !e.CreatedAt.IsZero() {
		dst = appendTime(append(dst, `,"createdAt":`...), e.CreatedAt)
	}
	dst = appendText(dst, `,"createdBy":`, e.CreatedBy)
	dst = appendText(dst, `,"from":`, from)
	return append(dst, '}')
}

// appendShown appends an entry of a snapshot, bare without its value.
func appendShown(dst []byte, e *events.Entry, bare bool) []byte {
	if bare {
		without := *e
		without.Value.JSON = nil
		e = &without
	}
	return appendEntry(dst, e, e.Namespace, "")
}

// appendBulk appends a [wire.BulkEntry] as JSON.
func appendBulk(dst []byte, e *events.Entry) []byte {
	dst = append(dst, `{"ns":"`...)
	dst = append(dst, e.Namespace...)
	dst = append(dst, `","key":"`...)
	dst = append(dst, e.Key...)
	dst = appendValue(append(dst, '"'), e)
	dst = append(dst, `,"index":`...)
	dst = strconv.AppendUint(dst, e.Revision, 10)
	return append(dst, '}')
}

// appendValue appends the members from value, where there is one, to updatedBy.
func appendValue(dst []byte, e *events.Entry) []byte {
	switch {
	case e.Value.JSON != nil:
		dst = append(dst, `,"value":`...)
		dst = append(dst, e.Value.JSON...)
	case e.Value.Type == events.Erased:
		dst = append(dst, `,"value":null`...)
	}
	dst = append(dst, `,"type":"`...)
	dst = append(dst, e.Value.Type...)
	dst = append(dst, `","version":`...)
	dst = strconv.AppendUint(dst, e.Version, 10)
	dst = appendTime(append(dst, `,"updatedAt":`...), e.UpdatedAt)
	dst = append(dst, `,"updatedBy":`...)
	return appendQuoted(dst, e.UpdatedBy)
}

func appendTime(dst []byte, t time.Time) []byte {
	dst = t.UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano)
	return append(dst, '"')
}

// appendText appends a member, unless it is empty.
func appendText(dst []byte, member, text string) []byte {
	if text == "" {
		return dst
	}
	return appendQuoted(append(dst, member...), text)
}

func appendQuoted(dst []byte, text string) []byte {
	quoted, err := jsontext.AppendQuote(dst, text)
	if err != nil { // not UTF-8; the rules let no such text in
		return append(dst, `""`...)
	}
	return quoted
}

// appendYAML appends a JSON object as a YAML mapping with one line for each
// member; JSON is YAML (YAML 1.2, 1.3), so the values stay as they are.
func appendYAML(dst []byte, object jsontext.Value) ([]byte, error) {
	members := jsontext.NewDecoder(bytes.NewReader(object))
	if _, err := members.ReadToken(); err != nil {
		return nil, err
	}
	for members.PeekKind() == '"' {
		name, err := members.ReadToken()
		if err != nil {
			return nil, err
		}
		dst = append(append(dst, name.String()...), ": "...)
		value, err := members.ReadValue()
		if err != nil {
			return nil, err
		}
		dst = append(append(dst, value...), '\n')
	}
	return dst, nil
}
