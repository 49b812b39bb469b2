package events

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendWire appends the record as watchers and auditors see it: its event with
// index, position and time in front. The digest of an API key is left out, and
// so are all values unless they are asked for.
func (r Record) AppendWire(dst []byte, values bool) ([]byte, error) {
	body := r.Body
	e, err := r.Event()
	if err != nil {
		return dst, err
	}
	if shown := shownData(e.Data, values); shown != nil {
		e.Data = shown
		if body, err = e.Encode(); err != nil {
			return dst, err
		}
	}
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendUint(dst, r.Index, 10)
	dst = append(dst, `,"position":"`...)
	dst = append(dst, r.Position().String()...)
	dst = append(dst, `","time":"`...)
	dst = r.Time.UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, `",`...)
	return append(dst, body[1:]...), nil
}

// shownData is what is shown of an event's data where that is not all of it, or
// nil.
func shownData(d Data, values bool) Data {
	if key, ok := d.(KeyCreated); ok {
		key.Digest = ""
		return key
	}
	if values {
		return nil
	}
	switch d := d.(type) {
	case ConfigCreated:
		d.JSON = nil
		return d
	case ConfigUpdated:
		d.JSON, d.Previous.JSON = nil, nil
		return d
	case ConfigDeleted:
		d.Previous.JSON = nil
		return d
	}
	return nil
}

// AppendText appends a string as JSON. What is not UTF-8 is replaced.
func AppendText(dst []byte, s string) []byte {
	quoted, err := jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\uFFFD"))
	if err != nil {
		return append(dst, `""`...)
	}
	return quoted
}
