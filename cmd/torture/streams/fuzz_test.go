package streams

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

// FuzzEventStream reads server-sent events as a client without the SDK does, with
// any mix of line ends.
func FuzzEventStream(f *testing.F) {
	for _, seed := range []string{
		"event: progress\nid: 1-00000000\ndata: {\"frame\":\"progress\",\"position\":\"1-00000000\"}\n\n", "data: {\r\ndata: }\r\n\r\n", ": comment\n\n", "data\n\n", "id: 1\r\r",
		"retry: 10\nevent: resumed\ndata: {\"frame\":\"resumed\"}\n\nevent: x\ndata: {}\n\n", "\ufeffdata: {}\n\n", "data: null\n\n", "data: {\"frame\":\"event\",\"event\":null}\n\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		feed := &Feed{sse: true, lines: bufio.NewReader(strings.NewReader(sent))}
		for {
			if _, err := feed.nextEvent(); err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, ErrMalformed) {
					t.Errorf("%v", err)
				}
				return
			}
		}
	})
}
