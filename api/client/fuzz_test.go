package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
)

// FuzzFrames reads what a node, or what sits between, may send as a watch or a
// replay: frames of a kind that is known, in an order that loses nothing, or an
// error.
func FuzzFrames(f *testing.F) {
	for _, seed := range []string{
		`{"frame":"resumed","after":"1-00000000","head":"3-00000000","position":"1-00000000"}` + "\n" +
			`{"frame":"event","prev":1,"position":"2-00000000","event":{"index":2,"position":"2-00000000","type":"config.updated","namespace":"app","key":"k","data":{"value":1}}}` + "\n" +
			`{"frame":"progress","position":"9-00000000"}` + "\n",
		`{"frame":"snapshot","position":"5-00000000"}` + "\n" + `{"frame":"entry","entry":{"namespace":"app","key":"k","value":1,"type":"number","version":1}}` + "\n" + `{"frame":"snapshot-end","position":"5-00000000","entries":1}` + "\n",
		`{"frame":"replay-start","replay":{"from":"1-00000000","to":"2-00000000"}}` + "\n" + `{"frame":"replay","prev":1,"event":{"index":2,"position":"2-00000000"}}` + "\n" + `{"frame":"replay-end"}` + "\n",
		`{"frame":"reset","reason":"compacted"}` + "\n", `{"frame":"goaway"}` + "\n\n\n", `{"frame":"later"}` + "\n" + `{"frame":"goaway"}`, "\n", "null\n", "[]\n", "{\n",
		`{"frame":"event"}` + "\n", `{"frame":"event","event":null}` + "\n", `{"frame":"event","prev":18446744073709551615,"event":{"index":0}}` + "\n",
	} {
		f.Add([]byte(seed))
	}
	known := map[string]bool{
		wire.FrameResumed: true, wire.FrameSnapshot: true, wire.FrameEntry: true, wire.FrameSnapshotEnd: true, wire.FrameEvent: true, wire.FrameProgress: true,
		wire.FrameReset: true, wire.FrameGoaway: true, wire.FrameReplayStart: true, wire.FrameReplay: true, wire.FrameReplayEnd: true,
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		silence := time.NewTimer(time.Hour)
		defer silence.Stop()
		s := &stream{body: io.NopCloser(bytes.NewReader(sent)), silence: silence}
		s.lines = bufio.NewReaderSize(s, 16)
		for _, c := range []*cursor{{after: wire.AfterNow}, {after: wire.AfterSnapshot}, {after: "1-00000000", index: 1}, {past: true}} {
			c.connect()
			last := c.index
			for {
				got, err := s.frame()
				if err != nil {
					if !errors.Is(err, io.EOF) && !errors.Is(err, ErrBadAnswer) {
						t.Errorf("%v", err)
					}
					break
				}
				if !known[got.Frame] {
					t.Errorf("a frame called %q", got.Frame)
				}
				if got.Frame == wire.FrameReset || got.Frame == wire.FrameGoaway || c.admit(got) != nil {
					break
				}
				if c.advance(got); c.index < last {
					t.Errorf("from %d back to %d by %+v", last, c.index, got)
				}
				last = c.index
			}
			s.lines.Reset(bytes.NewReader(sent))
		}
	})
}

// FuzzAnswers reads what a node, or a proxy before it, may answer to a refused
// call: it is an error, of a class that is known, and short.
func FuzzAnswers(f *testing.F) {
	f.Add(409, wire.MediaProblem, `{"type":"/problems/conflict","title":"Conflict","status":409,"detail":"no","errors":[{"pointer":"/a","detail":"b"}]}`, "1")
	f.Add(503, "text/html", "<html>", "Wed, 21 Oct 2015 07:28:00 GMT")
	f.Add(429, wire.MediaJSON, `{}`, "-1")
	f.Add(500, wire.MediaProblem, `{"status":200}`, "99999999999999999999")
	f.Add(404, wire.MediaProblem, "", "")
	c, err := New(Config{Endpoints: []string{"http://127.0.0.1:1"}, Key: "k"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, media, body, retry string) {
		if status < http.StatusBadRequest || status > 599 {
			return
		}
		header := http.Header{"Content-Type": {media}, "Retry-After": {retry}}
		failed := c.problem(answer{status: status, header: header, body: []byte(body), origin: "http://127.0.0.1:1"}, call{what: "ask"})
		if failed == nil || failed.err == nil {
			t.Fatalf("%d is no failure", status)
		}
		if text := failed.err.Error(); len(text) > 2*len(body)+1000 || strings.ContainsRune(text, 0) && !strings.ContainsRune(body, 0) {
			t.Errorf("%d bytes of error: %q", len(text), text)
		}
	})
}
