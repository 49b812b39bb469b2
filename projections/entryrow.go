package projections

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"confman/events"
)

// appendEntry appends an entry as JSON, as json.Marshal would, by hand: every
// write makes one on every node.
func appendEntry(dst []byte, e *events.Entry) []byte {
	if dst == nil {
		dst = make([]byte, 0, 320+len(e.Namespace)+len(e.Key)+len(e.Value.JSON)+len(e.Description)+len(e.Comment))
	}
	dst = appendMember(dst, `{"namespace":`, e.Namespace)
	dst = appendMember(dst, `,"key":`, e.Key)
	if e.Value.Type != "" {
		dst = appendMember(dst, `,"value":{"type":`, string(e.Value.Type))
		if e.Value.JSON != nil { // else it was erased
			dst = append(append(dst, `,"value":`...), e.Value.JSON...)
		}
		dst = append(dst, '}')
	}
	if e.Description != "" {
		dst = appendMember(dst, `,"description":`, e.Description)
	}
	for i, tag := range e.Tags {
		name := ","
		if i == 0 {
			name = `,"tags":[`
		}
		dst = appendMember(dst, name, tag)
	}
	if len(e.Tags) > 0 {
		dst = append(dst, ']')
	}
	if e.Comment != "" {
		dst = appendMember(dst, `,"comment":`, e.Comment)
	}
	dst = appendNumber(dst, `,"version":`, e.Version)
	dst = appendMoment(dst, `,"createdAt":`, e.CreatedAt)
	dst = appendMember(dst, `,"createdBy":`, e.CreatedBy)
	dst = appendMoment(dst, `,"updatedAt":`, e.UpdatedAt)
	dst = appendMember(dst, `,"updatedBy":`, e.UpdatedBy)
	dst = appendNumber(dst, `,"created":`, e.Created)
	dst = appendNumber(dst, `,"revision":`, e.Revision)
	if e.Deleted {
		dst = append(dst, `,"deleted":true`...)
	}
	return append(dst, '}')
}

func appendMember(dst []byte, name, text string) []byte {
	dst, err := jsontext.AppendQuote(append(dst, name...), text)
	if err != nil {
		panic(err) // the rules let no text in that is not UTF-8
	}
	return dst
}

func appendNumber(dst []byte, name string, n uint64) []byte {
	return strconv.AppendUint(append(dst, name...), n, 10)
}

func appendMoment(dst []byte, name string, t time.Time) []byte {
	dst = append(append(dst, name...), '"')
	return append(t.UTC().AppendFormat(dst, time.RFC3339Nano), '"')
}
