package streaming

import (
	"encoding/binary"
	"strconv"

	"confman/events"
)

// Encodings of a connection.
const (
	SSE       = "sse"       // HTML standard, server-sent events
	NDJSON    = "ndjson"    // a JSON object on each line
	WebSocket = "websocket" // RFC 6455, a text message for each frame
)

// Kinds of frames.
const (
	frameResumed     = "resumed"
	frameSnapshot    = "snapshot"
	frameEntry       = "entry"
	frameSnapshotEnd = "snapshot-end"
	frameEvent       = "event"
	frameProgress    = "progress"
	frameReset       = "reset"
	frameGoaway      = "goaway"
	frameReplayStart = "replay-start"
	frameReplay      = "replay"
	frameReplayEnd   = "replay-end"
)

// output collects frames until they are written, all with one write.
type output struct {
	encoding string
	buf      []byte
	begun    int // where the payload of the frame being written begins
}

// headerRoom is kept for the header of a WebSocket frame, the longest one.
const headerRoom = 10

// begin begins a frame. id is where a client can resume that has taken it; empty
// where it cannot.
func (o *output) begin(kind, watch, id string) {
	switch o.encoding {
	case SSE:
		o.text("event: ", kind)
		if id != "" {
			o.text("\nid: ", id)
		}
		o.text("\ndata: ")
	case WebSocket:
		o.begun = len(o.buf)
		o.buf = append(o.buf, make([]byte, headerRoom)...)
	}
	o.text(`{"frame":"`, kind, `"`)
	if watch != "" {
		o.text(`,"watch":"`, watch, `"`) // the characters of IDs need no escapes
	}
}

// end ends a frame.
func (o *output) end() {
	o.buf = append(o.buf, '}')
	switch o.encoding {
	case SSE:
		o.text("\n\n")
	case NDJSON:
		o.text("\n")
	case WebSocket:
		payload := len(o.buf) - o.begun - headerRoom
		var header [headerRoom]byte
		h := appendHeader(header[:0], opText, payload)
		copy(o.buf[o.begun:], h)
		copy(o.buf[o.begun+len(h):], o.buf[o.begun+headerRoom:])
		o.buf = o.buf[:o.begun+len(h)+payload]
	}
}

// text appends what needs no escapes.
func (o *output) text(parts ...string) {
	for _, p := range parts {
		o.buf = append(o.buf, p...)
	}
}

func (o *output) number(member string, n uint64) {
	o.text(`,"`, member, `":`)
	o.buf = strconv.AppendUint(o.buf, n, 10)
}

func (o *output) position(member string, p events.Position) {
	o.text(`,"`, member, `":"`, p.String(), `"`)
}

// quoted appends a member with any text.
func (o *output) quoted(member, value string) {
	if value != "" {
		o.text(`,"`, member, `":`)
		o.buf = events.AppendText(o.buf, value)
	}
}

// event appends the frame of an event, now or, in a replay, of the past.
func (o *output) event(kind, watch string, i *item, bare bool, prev uint64, more bool) error {
	wire, err := i.wire(bare)
	if err != nil {
		return err
	}
	id := ""
	if o.encoding == SSE {
		id = i.record.Position().String()
	}
	o.begin(kind, watch, id)
	o.number("prev", prev)
	o.text(`,"event":`)
	o.buf = append(o.buf, wire...)
	if more {
		o.text(`,"more":true`)
	}
	o.end()
	return nil
}

// ended appends the frame that ends a watch. at is how far it is; the zero value
// when it never began.
func (o *output) ended(watch string, why *End, at events.Position) {
	o.begin(frameReset, watch, "")
	o.quoted("reason", why.Reason)
	o.quoted("detail", why.Detail)
	if at != (events.Position{}) {
		o.position("position", at)
	}
	if why.Reason == ReasonCompacted {
		o.position("oldest", why.Oldest)
		o.position("newest", why.Newest)
	}
	o.end()
}

// goaway appends the frame that asks the client to go on elsewhere.
func (o *output) goaway(reason, detail string) {
	o.begin(frameGoaway, "", "")
	o.quoted("reason", reason)
	o.quoted("detail", detail)
	o.end()
}

// Goaway is a stream of server-sent events that is over before it began: a client
// that only knows how to connect again does so. Any other status than 200 would
// stop an EventSource for good.
func Goaway(reason, detail string, random func(int64) int64) []byte {
	o := &output{encoding: SSE, buf: []byte(Retry(random))}
	o.goaway(reason, detail)
	return o.buf
}

// Opcodes of WebSocket frames, and the flag of a message's last (RFC 6455, 5.2).
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	finBit  = 0x80
)

// appendHeader appends the header of an unmasked frame that is a whole message.
func appendHeader(dst []byte, opcode byte, payload int) []byte {
	dst = append(dst, finBit|opcode)
	switch {
	case payload < 126:
		return append(dst, byte(payload))
	case payload < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(payload))
	}
	return binary.BigEndian.AppendUint64(append(dst, 127), uint64(payload))
}
