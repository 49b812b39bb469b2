package crowd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"confman/api/wire"
)

// head is what a reader needs of an event frame.
type head struct {
	watch       int
	prev, index uint64
	rest        []byte // the event from its index on
}

// scan reads the head of an event frame whose members come in the order of
// [wire.Frame] and [wire.Event]; anything else is not ok and left to [decode].
func scan(frame []byte) (h head, ok bool) {
	rest, ok := bytes.CutPrefix(frame, []byte(`{"frame":"event",`))
	if !ok {
		return h, false
	}
	if id, named := bytes.CutPrefix(rest, []byte(`"watch":"w`)); named {
		var n uint64
		if n, rest = digits(id); n > maxWatches {
			return h, false
		}
		if rest, ok = bytes.CutPrefix(rest, []byte(`",`)); !ok {
			return h, false
		}
		h.watch = int(n)
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(`"prev":`)); !ok {
		return h, false
	}
	h.prev, rest = digits(rest)
	if rest, ok = bytes.CutPrefix(rest, []byte(`,"event":{"index":`)); !ok {
		return h, false
	}
	h.index, h.rest = digits(rest)
	return h, h.index > 0
}

// digits reads the number that data begins with.
func digits(data []byte) (n uint64, rest []byte) {
	for i, c := range data {
		if c < '0' || c > '9' {
			return n, data[i:]
		}
		n = n*10 + uint64(c-'0')
	}
	return n, nil
}

// decode reads any frame, slowly. For an event frame it returns its head, too.
func decode(data []byte) (f wire.Frame, h head, err error) {
	if err := json.Unmarshal(data, &f); err != nil {
		return f, h, fmt.Errorf("%.60q is not a frame: %w", data, err)
	}
	if f.Watch != "" {
		id, _ := strings.CutPrefix(f.Watch, "w")
		if h.watch, err = strconv.Atoi(id); err != nil {
			return f, h, fmt.Errorf("%.60q is of a watch that was not asked for", data)
		}
	}
	if f.Frame == wire.FrameEvent {
		if f.Event == nil {
			return f, h, fmt.Errorf("%.60q has no event", data)
		}
		h.prev, h.index, h.rest = f.Prev, f.Event.Index, data
	}
	return f, h, nil
}

// indexOf is the event index of a position, 1042-9f3c2a1b.
func indexOf(position string) (uint64, error) {
	number, _, _ := strings.Cut(position, "-")
	index, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a position", position)
	}
	return index, nil
}

// StampBytes is the length of a [Stamp].
const StampBytes = 16

// Stamp writes a time over the first StampBytes of a value. A reader takes the
// lag of an event from it.
func Stamp(value []byte, t time.Time) {
	const hex = "0123456789abcdef"
	ns := uint64(t.UnixNano())
	for i := StampBytes - 1; i >= 0; i-- {
		value[i], ns = hex[ns&0xF], ns>>4
	}
}

// stampOf is the newest stamp in an event: its value's, and not the one of the
// value before.
func stampOf(event []byte) (newest time.Time, ok bool) {
	var ns int64
	for {
		_, value, found := bytes.Cut(event, []byte(`"value":"`))
		if !found || len(value) < StampBytes {
			return time.Unix(0, ns), ns > 0
		}
		if n, err := strconv.ParseInt(string(value[:StampBytes]), 16, 64); err == nil {
			ns = max(ns, n)
		}
		event = value[StampBytes:]
	}
}
