package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// past is a node that answers replays as its visits say, and notes what is asked.
type past struct {
	visits
	asked []string // to, and after it what was received last
}

func (p *past) RoundTrip(r *http.Request) (*http.Response, error) {
	now := p.steps[min(len(p.asked), len(p.steps)-1)]
	p.asked = append(p.asked, strings.TrimSpace(r.URL.Query().Get("to")+" "+r.Header.Get("Last-Event-ID")))
	if now.status == http.StatusNoContent {
		return &http.Response{StatusCode: now.status, Header: http.Header{}, Body: http.NoBody}, nil
	}
	if now.status >= 400 {
		return &http.Response{StatusCode: now.status, Header: http.Header{"Content-Type": {wire.MediaProblem}}, Body: io.NopCloser(strings.NewReader(`{"type":"` + now.typ + `"}`))}, nil
	}
	return streaming(io.NopCloser(io.MultiReader(strings.NewReader(now.says), ending{r.Context(), now.silent}))), nil
}

func begins(after, to uint64) string {
	return frame(wire.Frame{Frame: wire.FrameReplayStart, Replay: &wire.Replay{From: place(after), To: place(to), Speed: wire.SpeedMax}})
}

func ends(after, to uint64) string {
	return frame(wire.Frame{Frame: wire.FrameReplayEnd, Replay: &wire.Replay{From: place(after), To: place(to), Speed: wire.SpeedMax}})
}

func replay(prev, index uint64) string {
	return strings.Replace(event(prev, index), `"frame":"event"`, `"frame":"replay"`, 1)
}

func TestReplayYieldsEachEventOnceWhateverTheNodesDo(t *testing.T) {
	first := begins(2, 5) + replay(2, 3) + replay(3, 4)
	rest := visit{says: begins(4, 5) + replay(4, 5) + ends(4, 5)}
	resumed := " | " + place(5) + " " + place(4)
	for _, test := range []struct {
		name        string
		steps       []visit
		want, asked string
	}{
		{"nothing wrong", []visit{{says: first + replay(4, 5) + ends(2, 5)}}, "3 4 5 end", ""},
		{"nothing matches", []visit{{says: begins(2, 5) + ends(2, 5)}}, "end", ""},
		{"hung up between two frames", []visit{{says: first}, rest}, "3 4 5 end", resumed},
		{"cut in the middle of a line", []visit{{says: first + replay(4, 5)[:40]}, rest}, "3 4 5 end", resumed},
		{"cut before the end", []visit{{says: first + replay(4, 5)}, {status: 204}}, "3 4 5", " | " + place(5) + " " + place(5)},
		{"cut before the beginning", []visit{{says: ""}, {says: first + replay(4, 5) + ends(2, 5)}}, "3 4 5 end", " | "},
		{"an event twice", []visit{{says: first + replay(3, 4)}, rest}, "3 4 5 end", resumed},
		{"a gap", []visit{{says: first + replay(5, 6)}, rest}, "3 4 5 end", resumed},
		{"a frame of the present", []visit{{says: first + event(4, 5)}, rest}, "3 4 5 end", resumed},
		{"a watch", []visit{{says: first}, {says: frame(wire.Frame{Frame: wire.FrameResumed, After: place(4)})}, rest}, "3 4 5 end", resumed + resumed},
		{"progress", []visit{{says: first + progress(4)}, rest}, "3 4 p4 5 end", resumed},
		{"goaway", []visit{{says: first + goaway()}, rest}, "3 4 5 end", resumed},
		{"not ready", []visit{{status: 503}, {says: first + replay(4, 5) + ends(2, 5)}}, "3 4 5 end", " | "},
		{"silence", []visit{{says: first, silent: true}, rest}, "3 4 5 end", resumed},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &past{visits: visits{steps: test.steps}}
			c := newClient(t, client.Config{Endpoints: []string{"http://n1", "http://n2"}, HTTP: &http.Client{Transport: p, Timeout: time.Second}})
			var got []string
			for f, err := range c.Replay(t.Context(), client.ReplayOptions{From: "3"}) {
				if err != nil {
					t.Fatalf("%s: %v", test.name, err)
				}
				switch f.Frame {
				case wire.FrameReplayStart:
				case wire.FrameReplay:
					got = append(got, fmt.Sprint(f.Event.Index))
				case wire.FrameReplayEnd:
					got = append(got, "end")
				default:
					got = append(got, told(f))
				}
			}
			if got, asked := strings.Join(got, " "), strings.Join(p.asked, " | "); got != test.want || asked != test.asked {
				t.Errorf("%s: %s, asked %q, want %s, asked %q", test.name, got, asked, test.want, test.asked)
			}
		})
	}
}

func TestAReplayThatCannotGoOnSaysWhy(t *testing.T) {
	for _, test := range []struct {
		step visit
		want error
	}{
		{visit{says: begins(2, 5) + reset(wire.ReasonCompacted)}, client.ErrCompacted},
		{visit{says: begins(2, 5) + reset(wire.ReasonRevoked)}, client.ErrUnauthenticated},
		{visit{status: http.StatusGone, typ: wire.ProblemCompacted}, client.ErrCompacted},
		{visit{status: http.StatusBadRequest, typ: wire.ProblemMalformed}, client.ErrInvalid},
	} {
		p := &past{visits: visits{steps: []visit{test.step}}}
		c := newClient(t, client.Config{Endpoints: []string{"http://n1"}, HTTP: &http.Client{Transport: p}})
		var last error
		for _, err := range c.Replay(t.Context(), client.ReplayOptions{}) {
			last = err
		}
		if !errors.Is(last, test.want) {
			t.Errorf("%+v ends with %v, want %v", test.step, last, test.want)
		}
		if strings.Contains(last.Error(), "watch") || !strings.HasPrefix(last.Error(), "replay: ") {
			t.Errorf("%+v ends with %v, which was a replay", test.step, last)
		}
	}
}
