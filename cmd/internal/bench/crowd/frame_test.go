package crowd

import (
	"encoding/json"
	"testing"
	"time"

	"confman/api/wire"
)

// eventFrame is an event frame as a server makes it.
func eventFrame(t testing.TB, watch string, prev, index uint64, value string) []byte {
	t.Helper()
	data, err := json.Marshal(wire.ConfigChange{
		Value: json.RawMessage(`"` + value + `"`), Type: wire.TypeString, Version: 7,
		Previous: &wire.PreviousVersion{Value: json.RawMessage(`"00000000000000ff"`), Version: 6},
	})
	if err != nil {
		t.Fatal(err)
	}
	frame, err := json.Marshal(wire.Frame{Frame: wire.FrameEvent, Watch: watch, Prev: prev, Event: &wire.Event{
		Index: index, Position: "1042-9f3c2a1b", ID: "01J", Type: "config.updated", Namespace: "a", Key: "b", Data: data,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func TestHeadOfAnEventFrameIsReadWithoutDecodingIt(t *testing.T) {
	at := time.Unix(0, 1_763_800_000_123_456_789)
	stamp := make([]byte, StampBytes)
	Stamp(stamp, at)
	for watch, number := range map[string]int{"": 0, "w0": 0, "w4999": 4999} {
		frame := eventFrame(t, watch, 1037, 1042, string(stamp)+"xx")
		h, ok := scan(frame)
		if !ok || h.prev != 1037 || h.index != 1042 || h.watch != number {
			t.Errorf("%s: %+v, %v", frame, h, ok)
		}
		if got, ok := stampOf(h.rest); !ok || !got.Equal(at) {
			t.Errorf("%s: stamp %v, %v", frame, got, ok)
		}
		_, slow, err := decode(frame)
		if err != nil || slow.prev != h.prev || slow.index != h.index || slow.watch != h.watch {
			t.Errorf("decoded it is %+v, %v; scanned %+v", slow, err, h)
		}
	}
}

func TestFramesOfAnotherShapeAreLeftToTheDecoder(t *testing.T) {
	for frame, wrong := range map[string]bool{
		`{"event":{"index":1042},"prev":1037,"frame":"event"}`:               false,
		`{"frame": "event", "prev": 1037, "event": {"index": 1042}}`:         false,
		`{"frame":"event","prev":1037,"event":{"id":"x","index":1042}}`:      false,
		`{"frame":"progress","position":"1042-9f3c2a1b"}`:                    false,
		`{"frame":"event","prev":1037}`:                                      true,
		`{"frame":"event","watch":"other","prev":1,"event":{"index":2}}`:     true,
		`{"frame":"event","watch":"w99999999","prev":1,"event":{"index":2}}`: false, // whose it is is seen to elsewhere
		`{"frame":"event","prev":1037,"event":`:                              true,
		``:                                                                   true,
	} {
		if h, ok := scan([]byte(frame)); ok && !wrong {
			t.Errorf("%s: scanned as %+v", frame, h)
		}
		f, h, err := decode([]byte(frame))
		if (err != nil) != wrong {
			t.Errorf("%s: %v", frame, err)
		}
		if err == nil && f.Frame == wire.FrameEvent && h.watch == 0 && (h.prev != 1037 || h.index != 1042) {
			t.Errorf("%s: %+v", frame, h)
		}
	}
}

func TestEventWithoutAStampHasNoLag(t *testing.T) {
	for _, event := range []string{``, `,"data":{"value":1}`, `,"data":{"value":"short"}`, `,"data":{"value":"not hexadecimal digits"}`} {
		if at, ok := stampOf([]byte(event)); ok {
			t.Errorf("%s: %v", event, at)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	frame := eventFrame(b, "", 1037, 1042, "000000000000000000")
	b.SetBytes(int64(len(frame)))
	for b.Loop() {
		if _, ok := scan(frame); !ok {
			b.Fatal("not scanned")
		}
	}
}
