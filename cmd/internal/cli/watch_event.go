package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"confman/api/wire"
)

// eventTable prints events for people, one a line. The columns have fixed widths:
// what comes next is not known.
type eventTable struct {
	w      io.Writer
	lead   string // of each line
	bare   bool   // without values
	headed bool
}

func (t *eventTable) row(cells ...any) error {
	const columns = "%-20s  %8s  %-18s  %-24s  %-24s  %-12s  %s\n"
	if !t.headed {
		t.headed = true
		if _, err := fmt.Fprintf(t.w, t.lead+columns, "TIME", "EVENT", "WHAT", "NAMESPACE", "KEY", "BY", "VALUE"); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(t.w, t.lead+columns, cells...)
	return err
}

func (t *eventTable) entry(e *wire.ConfigEntry) error {
	value := "version " + strconv.FormatUint(e.Version, 10)
	if !t.bare {
		value = valueCell(e.Type, e.Value)
	}
	return t.row(when(e.UpdatedAt), strconv.FormatUint(e.Index, 10), "entry", cell(e.Namespace), cell(e.Key), cell(e.UpdatedBy), value)
}

func (t *eventTable) event(e *wire.Event) error {
	return t.row(when(e.Time), strconv.FormatUint(e.Index, 10), e.Type, cell(e.Namespace), cell(e.Key), cell(e.Actor), t.happened(e))
}

// happened is what an event did to the value: "new", "old → new", "old → deleted".
func (t *eventTable) happened(e *wire.Event) string {
	change, ok := changeOf(e)
	if !ok {
		var compact bytes.Buffer
		if json.Compact(&compact, e.Data) != nil {
			return "-"
		}
		return cell(compact.String())
	}
	value := func(version uint64, valueType string, value json.RawMessage) string {
		text := bareText(value)
		switch {
		case valueType == typeErased:
			return erasedText
		case t.bare || text == nil:
			return "version " + strconv.FormatUint(version, 10)
		}
		return cell(*text)
	}
	now := value(change.Version, change.Type, change.Value)
	if change.Type == "" {
		now = "deleted"
	}
	if change.Previous == nil {
		return now
	}
	return value(change.Previous.Version, change.Previous.Type, change.Previous.Value) + " → " + now
}

// changeOf is the data of an event about a key.
func changeOf(e *wire.Event) (change wire.ConfigChange, ok bool) {
	if !strings.HasPrefix(e.Type, wire.EventsConfig+".") {
		return change, false
	}
	return change, json.Unmarshal(e.Data, &change) == nil
}

// bareText is the text of a value: a string without its quotes, base64 of a
// binary, the JSON of anything else; nil where there is none.
func bareText(value json.RawMessage) *string {
	if value == nil {
		return nil
	}
	var text string
	if json.Unmarshal(value, &text) != nil || string(value) == "null" {
		text = string(value)
	}
	return &text
}

func eventVariables(e *wire.Event) (v variables) {
	v.set(varEvent, e.Type)
	v.set(varNamespace, e.Namespace)
	v.set(varKey, e.Key)
	v.set(varIndex, strconv.FormatUint(e.Index, 10))
	v.set(varPosition, e.Position)
	v.set(varActor, e.Actor)
	v.set(varTime, e.Time.Format(time.RFC3339Nano))
	v.set(varTransaction, e.Transaction)
	v.set(varRequest, e.Request)
	change, ok := changeOf(e)
	if !ok {
		return v
	}
	v.set(varValueType, change.Type)
	v.set(varVersion, strconv.FormatUint(change.Version, 10))
	if text := bareText(change.Value); text != nil {
		v.setValue(varValue, *text)
	}
	if change.Previous != nil {
		if text := bareText(change.Previous.Value); text != nil {
			v.setValue(varOldValue, *text)
		}
	}
	return v
}

func entryVariables(e *wire.ConfigEntry) (v variables) {
	v.set(varEvent, wire.FrameEntry)
	v.set(varNamespace, e.Namespace)
	v.set(varKey, e.Key)
	v.set(varIndex, strconv.FormatUint(e.Index, 10))
	v.set(varPosition, e.Position)
	v.set(varActor, e.UpdatedBy)
	v.set(varTime, e.UpdatedAt.Format(time.RFC3339Nano))
	v.set(varValueType, e.Type)
	v.set(varVersion, strconv.FormatUint(e.Version, 10))
	if text := bareText(e.Value); text != nil {
		v.setValue(varValue, *text)
	}
	return v
}
