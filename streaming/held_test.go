package streaming

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"confman/events"
)

// What a client that takes nothing costs beside the kernel's buffer is the one
// write that it does not take: less than writeBytes of frames, and one more event,
// which holds the value that there was and the new one.
func TestTheWriteThatAClientDoesNotTakeIsBounded(t *testing.T) {
	const (
		value = 2 * 64 << 10
		frame = value + 1<<10
		most  = (writeBytes + frame) * 5 / 4 // as append grows a buffer
	)
	for _, encoding := range []string{SSE, NDJSON, WebSocket} {
		t.Run(encoding, func(t *testing.T) {
			h := newHistory(t, HubConfig{})
			small := func(namespace string, events int) {
				for i := range events {
					h.commit(put(namespace, fmt.Sprint("small-", i), strings.Repeat("x", 1000)))
				}
			}
			small("a", 24) // a turn's worth
			small("b", 24)
			small("c", 1)
			h.commit(put("c", "large-1", strings.Repeat("x", value)), put("c", "large-2", strings.Repeat("x", value)))
			s := newStreams(t, h, Limits{})
			c, err := s.Connect(Caller{Principal: "alice", Rights: &caller{}}, encoding)
			if err != nil {
				t.Fatal(err)
			}
			for _, namespace := range []string{"a", "b", "c"} {
				sub := Subscription{ID: namespace, Filter: Filter{Namespaces: []string{namespace}}, Start: Start{Position: events.Chain{}.At(0)}}
				if err := c.Watch(t.Context(), sub); err != nil {
					t.Fatal(err)
				}
			}
			var all strings.Builder
			largest := 0
			c.serve(session{write: func(frames []byte) error {
				largest = max(largest, len(frames))
				if len(frames) > writeBytes+frame || cap(frames) > most || most > 256<<10 {
					t.Errorf("a write of %d KiB in a buffer of %d KiB", len(frames)>>10, cap(frames)>>10)
				}
				if all.Write(frames); strings.Contains(all.String(), `"large-2"`) {
					return net.ErrClosed
				}
				return nil
			}})
			c.Close()
			if largest < most*3/4 {
				t.Errorf("at most %d KiB at once: this tests nothing", largest>>10)
			}
			if n := strings.Count(all.String(), `"more":true`); n != 1 {
				t.Errorf("%d events say that their transaction goes on, want the first large one", n)
			}
		})
	}
}
