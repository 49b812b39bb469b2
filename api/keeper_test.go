package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
	"confman/events"
)

// shelf keeps nothing; what becomes of it is up to the test.
type shelf struct {
	node    *node
	content string
	steps   uint64
	fails   error
	step    func()
}

func (s *shelf) Rebuild(_ context.Context, progress func(at, to uint64)) error {
	for i := range s.steps {
		s.step()
		progress(i+1, s.steps)
	}
	return s.fails
}

func (s *shelf) Backup(_ context.Context, w io.Writer, _ uint64, begin func(events.Position)) error {
	begin(s.node.State().Position())
	_, err := io.WriteString(w, s.content)
	return errors.Join(err, s.fails)
}

func keeping(t *testing.T) (*bench, *shelf) {
	b := newBench(t)
	s := &shelf{node: b.node, step: func() {}}
	b.server.Keeper = s
	return b, s
}

func TestARebuildSaysHowFarItIsAndHowItEnded(t *testing.T) {
	b, s := keeping(t)
	b.put("pay", "k", `"v"`)
	now := time.Now()
	b.server.Now = func() time.Time { return now }
	s.steps, s.step = 5, func() { now = now.Add(600 * time.Millisecond) }
	r := b.do("POST", "/api/v1/cluster/rebuild", nil).is(200)
	want := []string{
		`{"at":1,"to":5}`, `{"at":3,"to":5}`, `{"at":5,"to":5}`,
		`{"node":"` + b.server.NodeID + `","position":"` + b.node.State().Position().String() + `","seconds":3,"ok":true}`,
	}
	if got := strings.Split(strings.TrimSpace(r.body), "\n"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q", got)
	}
	if got := r.header.Get("Content-Type"); got != wire.MediaNDJSON {
		t.Errorf("media type %s", got)
	}

	s.fails = errors.New("event 4 is not what the chain says")
	r = b.do("POST", "/api/v1/cluster/rebuild", nil).is(200)
	if !strings.Contains(r.body, `"ok":false,"problem":"event 4 is not what the chain says"`) {
		t.Errorf("got %s", r.body)
	}
	s.steps, s.fails = 0, &events.Refusal{Kind: events.ErrConflict, Detail: "being rebuilt already"}
	if r := b.do("POST", "/api/v1/cluster/rebuild", nil).is(409); r.header.Get("Retry-After") != "1" {
		t.Errorf("headers %v", r.header)
	}
	b.server.Keeper = nil
	b.do("POST", "/api/v1/cluster/rebuild", nil).is(409)
	b.do("GET", "/api/v1/cluster/backup", nil).is(409)
}

func TestABackupNamesItsPositionAndBreaksOffIfItIsNotWhole(t *testing.T) {
	b, s := keeping(t)
	b.put("pay", "k", `"v"`)
	s.content = strings.Repeat("all of it ", 20_000)
	r := b.do("GET", "/api/v1/cluster/backup", nil).is(200)
	if r.body != s.content || r.header.Get("X-Confman-Position") != b.node.State().Position().String() || r.header.Get("Content-Type") != wire.MediaBinary {
		t.Errorf("%d bytes, headers %v", len(r.body), r.header)
	}
	s.fails = errors.New("a table is damaged")
	asked, err := http.NewRequest(http.MethodGet, b.url+"/api/v1/cluster/backup", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	asked.Header.Set("X-Api-Key", b.root)
	answer, err := http.DefaultClient.Do(asked)
	if err == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	if err == nil {
		t.Error("the answer that is not whole ended as if it were")
	}
}
