package crowd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// encoder puts frames on the wire, in one of the ways that a server may choose.
type encoder struct {
	name   string
	encode func(random *rand.Rand, frames []string) []byte
	split  func(each func([]byte)) splitter
}

func encoders() []encoder {
	ndjson := func(_ *rand.Rand, frames []string) []byte { return []byte("\n" + strings.Join(frames, "\n") + "\n") }
	sse := func(random *rand.Rand, frames []string) (all []byte) {
		for _, f := range frames {
			all = fmt.Appendf(all, "event: x\nid: %d-9f3c2a1b\ndata: %s\n\n", random.IntN(100), f)
			if random.IntN(3) == 0 {
				all = append(all, ": still here\n\n"...)
			}
		}
		return all
	}
	lined := func(prefix string) func(each func([]byte)) splitter {
		return func(each func([]byte)) splitter { return &lines{prefix: []byte(prefix), each: each} }
	}
	chunked := func(split func(func([]byte)) splitter) func(func([]byte)) splitter {
		return func(each func([]byte)) splitter { return &chunks{body: split(each)} }
	}
	return []encoder{
		{"ndjson", ndjson, lined("")},
		{"sse", sse, lined("data: ")},
		{"ndjson in chunks", func(r *rand.Rand, frames []string) []byte { return inChunks(r, ndjson(r, frames)) }, chunked(lined(""))},
		{"sse in chunks", func(r *rand.Rand, frames []string) []byte { return inChunks(r, sse(r, frames)) }, chunked(lined("data: "))},
		{"websocket", inMessages, func(each func([]byte)) splitter { return &messages{each: each, pong: func([]byte) {}} }},
	}
}

func inChunks(random *rand.Rand, data []byte) (all []byte) {
	for len(data) > 0 {
		n := min(1+random.IntN(300), len(data))
		all = fmt.Appendf(all, "%x\r\n%s\r\n", n, data[:n])
		data = data[n:]
	}
	return all
}

// inMessages makes text messages, some in several frames, with pings and pongs
// between them.
func inMessages(random *rand.Rand, frames []string) (all []byte) {
	frame := func(first byte, payload string) {
		all = append(all, first)
		switch n := len(payload); {
		case n < 126:
			all = append(all, byte(n))
		case n < 1<<16:
			all = binary.BigEndian.AppendUint16(append(all, 126), uint16(n))
		default:
			all = binary.BigEndian.AppendUint64(append(all, 127), uint64(n))
		}
		all = append(all, payload...)
	}
	for _, f := range frames {
		if random.IntN(4) == 0 {
			cut := random.IntN(len(f))
			frame(opText, f[:cut])
			frame(finBit|opPing, "are you there")
			f = f[cut:]
			frame(finBit|opContinuation, f)
			continue
		}
		frame(finBit|opText, f)
		frame(finBit|opPong, "")
	}
	return all
}

func TestFramesComeOutAsTheyWentInHoweverTheyAreCut(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for _, e := range encoders() {
		for range 100 {
			var frames []string
			for i := range 1 + random.IntN(8) {
				long := []int{10, 115, 116, 117, 600, 65_520, 65_530}[random.IntN(7)]
				frames = append(frames, fmt.Sprintf(`{"n":%d,"x":"%s"}`, i, strings.Repeat("x", long)))
			}
			wire := e.encode(random, frames)
			var got []string
			s := e.split(func(frame []byte) { got = append(got, string(frame)) })
			for rest := wire; len(rest) > 0; {
				n := min(1+random.IntN([]int{3, 700, 200_000}[random.IntN(3)]), len(rest))
				if err := s.feed(slices.Clone(rest[:n])); err != nil {
					t.Fatalf("%s, seed %d: %v", e.name, seed, err)
				}
				rest = rest[n:]
			}
			if !slices.Equal(got, frames) {
				t.Fatalf("%s, seed %d: %d frames, not the %d that went in", e.name, seed, len(got), len(frames))
			}
		}
	}
}

func TestSplittersRefuseWhatIsNoStreamOfFrames(t *testing.T) {
	for _, x := range []struct {
		name  string
		split splitter
		data  string
		end   bool // an orderly one
	}{
		{"a size that is none", &chunks{body: &lines{}}, "xyz\r\n", false},
		{"the last chunk", &chunks{body: &lines{}}, "0\r\n\r\n", true},
		{"a line without end", &lines{}, strings.Repeat("x", maxFrame+1), false},
		{"a masked frame", &messages{}, string(masked(nil, opText, []byte("{}"))), false},
		{"a binary message", &messages{}, "\x82\x01x", false},
		{"a frame without bound", &messages{}, "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", false},
		{"a close frame", &messages{}, "\x88\x05\x03\xe9bye", true},
		{"a close frame without reason", &messages{}, "\x88\x00", true},
	} {
		err := x.split.feed([]byte(x.data + "x"))
		if err == nil || errors.Is(err, io.EOF) != x.end {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

func TestPingIsAnswered(t *testing.T) {
	var answered []byte
	m := &messages{pong: func(payload []byte) { answered = masked(nil, opPong, payload) }}
	if err := m.feed([]byte("\x89\x03abc")); err != nil {
		t.Fatal(err)
	}
	if want := append([]byte{0x8A, 0x83, 0, 0, 0, 0}, "abc"...); !bytes.Equal(answered, want) {
		t.Errorf("%x, want %x", answered, want)
	}
	long := masked(nil, opText, bytes.Repeat([]byte("x"), 300))
	if want := []byte{0x81, 0xFE, 1, 44, 0, 0, 0, 0, 'x'}; !bytes.HasPrefix(long, want) || len(long) != 308 {
		t.Errorf("%x", long[:9])
	}
}
