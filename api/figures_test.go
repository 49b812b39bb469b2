package api

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"confman/api/figures"
	"confman/api/wire"
)

// remembered is what a node remembers: a ring of samples and some leaders.
type remembered struct {
	figures.Ring
	leaders []wire.LeaderChange
}

func (r *remembered) LeaderChanges(after time.Time) (found []wire.LeaderChange) {
	for _, c := range r.leaders {
		if c.Time.After(after) {
			found = append(found, c)
		}
	}
	return found
}

func sampled(at time.Time, index uint64) wire.Sample {
	return wire.Sample{Time: at.UTC(), EventIndex: index, Role: wire.MemberFollower, Term: 3}
}

// figuresBench is n1, which remembers two samples, beside n2, which is asked.
func figuresBench(t *testing.T, n2 others) *bench {
	own := &remembered{}
	own.Add(sampled(moment, 7))
	own.Add(sampled(moment.Add(figures.Interval), 9))
	now := time.Now()
	own.leaders = []wire.LeaderChange{{Time: now.Add(-61 * time.Minute), Term: 1, Leader: "n3"}, {Time: now.Add(-time.Minute), Term: 3, Leader: "n2"}}
	return newBench(t, func(c *Config) {
		c.Now, c.Outside.Figures = time.Now, own
		if n2 != nil {
			c.Outside.Members = n2
		}
	})
}

func answering(f wire.Figures) others {
	return func(*http.Request) (*http.Response, error) {
		body, err := json.Marshal(f)
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(body)))}, err
	}
}

func (b *bench) figures(query string, headers ...string) wire.Figures {
	b.t.Helper()
	return decodeAs[wire.Figures](b.do("GET", "/api/v1/cluster/figures"+query, nil, headers...).is(200))
}

// drawn are the samples in short: node, then the event indexes.
func drawn(f wire.Figures) (lines []string) {
	for _, n := range f.Nodes {
		line := n.Node
		for _, s := range n.Samples {
			line += " " + string('0'+rune(s.EventIndex))
		}
		lines = append(lines, line)
	}
	return lines
}

func TestANodeTellsTheFiguresOfAllMembers(t *testing.T) {
	var asked *http.Request
	b := figuresBench(t, func(r *http.Request) (*http.Response, error) {
		asked = r
		return answering(wire.Figures{Nodes: []wire.NodeFigures{{Node: "n2", Samples: []wire.Sample{sampled(moment, 8)}}}})(r)
	})
	f := b.figures("")
	if f.Interval != "10s" || !slices.Equal(drawn(f), []string{"n1 7 9", "n2 8"}) || f.Silent == nil || len(f.Silent) > 0 {
		t.Errorf("%+v", f)
	}
	if len(f.LeaderChanges) != 1 || f.LeaderChanges[0].Term != 3 || f.LeaderChanges[0].Leader != "n2" {
		t.Errorf("leaders of the last hour: %+v", f.LeaderChanges)
	}
	if asked.URL.String() != "http://127.0.0.1:6200/api/v1/cluster/figures?own=true" || asked.Header.Get("X-Api-Key") != b.root {
		t.Errorf("asked %s with %v", asked.URL, asked.Header)
	}
	since := moment.Format(time.RFC3339Nano)
	if got := drawn(b.figures("?since=" + since)); !slices.Equal(got, []string{"n1 9", "n2 8"}) {
		t.Errorf("what is newer: %q", got)
	}
	if asked.URL.Query().Get("since") != since {
		t.Errorf("the member is asked for %s", asked.URL)
	}
	b.do("GET", "/api/v1/cluster/figures?since=yesterday", nil).problem(400, wire.ProblemMalformed, "since")
	b.do("GET", "/api/v1/cluster/figures", nil, by(b.key("a", "pay", "admin", ""))).problem(403, wire.ProblemForbidden)
}

func TestAMemberThatIsAskedForFiguresAsksNobody(t *testing.T) {
	b := figuresBench(t, asking(func(r *http.Request) { t.Errorf("%s was asked", r.URL) }))
	if f := b.figures("?own=true"); !slices.Equal(drawn(f), []string{"n1 7 9"}) || len(f.Silent) > 0 {
		t.Errorf("%+v", f)
	}
}

func TestFiguresNameTheMembersThatDidNotAnswer(t *testing.T) {
	for name, to := range map[string]others{
		"none":   nil,
		"broken": func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
		"an older release": func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 404, Body: http.NoBody}, nil
		},
		"another node": answering(wire.Figures{Nodes: []wire.NodeFigures{{Node: "n3"}}}),
		"all of them":  answering(wire.Figures{Nodes: []wire.NodeFigures{{Node: "n2"}, {Node: "n3"}}}),
		"hangs": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := figuresBench(t, to)
			if f := b.figures(""); !slices.Equal(f.Silent, []string{"n2"}) || !slices.Equal(drawn(f), []string{"n1 7 9"}) {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestANodeThatRemembersNothingSaysSo(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Now = time.Now })
	body := b.do("GET", "/api/v1/cluster/figures?own=true", nil).is(200).body
	if body != `{"interval":"10s","nodes":[{"node":"n1","samples":[]}],"silent":[],"leaderChanges":[]}` {
		t.Error(body)
	}
}
