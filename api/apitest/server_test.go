package apitest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"confman/api/apitest"
	"confman/api/wire"
)

// ask asks as the admin. The answer is to be closed.
func ask(t *testing.T, s *apitest.Server, path, accept string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(wire.HeaderAPIKey, s.Key)
	request.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// answer is one that was read.
type answer struct {
	status int
	header http.Header
	body   string
}

func get(t *testing.T, s *apitest.Server, path string) answer {
	t.Helper()
	response := ask(t, s, path, "*/*")
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

// lines reads frames until the stream ends.
type lines struct {
	t    *testing.T
	scan *bufio.Scanner
}

func watch(t *testing.T, s *apitest.Server, query string) lines {
	t.Helper()
	response := ask(t, s, "/api/v1/watch"+query, wire.MediaNDJSON)
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", query, response.Status)
	}
	return lines{t, bufio.NewScanner(response.Body)}
}

// next is the next frame that is no progress; ok is false at the end.
func (l lines) next() (f wire.Frame, ok bool) {
	l.t.Helper()
	for l.scan.Scan() {
		f = wire.Frame{}
		if err := json.Unmarshal(l.scan.Bytes(), &f); err != nil {
			l.t.Fatalf("%s: %v", l.scan.Bytes(), err)
		}
		if f.Frame != wire.FrameProgress {
			return f, true
		}
	}
	return f, false
}

func (l lines) mustBe(kind string) wire.Frame {
	l.t.Helper()
	f, ok := l.next()
	if !ok || f.Frame != kind {
		l.t.Fatalf("%+v, %v, want %s", f, ok, kind)
	}
	return f
}

func TestServerServesWhatIsSet(t *testing.T) {
	s := apitest.NewServer(t)
	s.Set("pay", "limit", 100)
	if got := get(t, s, "/api/v1/namespaces/pay/config/limit"); got.status != http.StatusOK || !strings.Contains(got.body, `"value":100,`) {
		t.Errorf("%+v", got)
	}
	w := watch(t, s, "")
	if f := w.mustBe(wire.FrameResumed); f.Head != s.Position() || f.LeaderKnown == nil || !*f.LeaderKnown {
		t.Errorf("%+v, want head %s", f, s.Position())
	}
	index := s.Delete("pay", "limit")
	if f := w.mustBe(wire.FrameEvent); f.Event.Index != index || f.Event.Type != "config.deleted" {
		t.Errorf("%+v, want the deletion at %d", f.Event, index)
	}
}

func TestStreamsGoOnAfterEveryFault(t *testing.T) {
	s := apitest.NewServer(t)
	s.Set("pay", "n", 0)
	at := s.Position()
	for i, fault := range []func(){s.Cut, s.Restart, s.Restart} {
		w := watch(t, s, "?after="+at)
		w.mustBe(wire.FrameResumed)
		s.Set("pay", "n", i+1)
		at = w.mustBe(wire.FrameEvent).Event.Position
		fault()
		if f, ok := w.next(); ok {
			t.Errorf("fault %d: %+v came over a connection that was cut", i, f)
		}
	}
	w := watch(t, s, "?after=start")
	w.mustBe(wire.FrameResumed)
	for i := range 4 {
		if f := w.mustBe(wire.FrameEvent); f.Event.Key != "n" || !strings.Contains(string(f.Event.Data), fmt.Sprintf(`"value":%d`, i)) {
			t.Errorf("%d: %s", i, f.Event.Data)
		}
	}
}

func TestRefusingLastsUntilItIsTakenBack(t *testing.T) {
	s := apitest.NewServer(t)
	s.Refuse(http.StatusServiceUnavailable)
	refused := get(t, s, "/health")
	if refused.status != http.StatusServiceUnavailable || refused.header.Get("Retry-After") == "" || refused.header.Get("Content-Type") != wire.MediaProblem {
		t.Errorf("%+v", refused)
	}
	s.Refuse(0)
	if served := get(t, s, "/health"); served.status != http.StatusOK {
		t.Errorf("%+v", served)
	}
}

func TestTrimmedHistoryIsGone(t *testing.T) {
	s := apitest.NewServer(t)
	s.Set("pay", "n", 1)
	before := s.Position()
	oldest := s.Set("pay", "n", 2)
	s.Set("pay", "n", 3)
	s.Trim(oldest + 1)
	if refused := get(t, s, "/api/v1/watch?after="+before); refused.status != http.StatusGone {
		t.Errorf("%+v, want 410", refused)
	}
	w := watch(t, s, "?after=start")
	if f := w.mustBe(wire.FrameResumed); !strings.HasPrefix(f.After, fmt.Sprint(oldest)+"-") {
		t.Errorf("the oldest position is %s, want %d", f.After, oldest)
	}
	if f := w.mustBe(wire.FrameEvent); f.Event.Index != oldest+1 {
		t.Errorf("the first event is %d, want %d", f.Event.Index, oldest+1)
	}
}
