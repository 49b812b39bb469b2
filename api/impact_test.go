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

	"confman/api/admission"
	"confman/api/wire"
	"confman/events"
)

// others stands for the transport to the other members.
type others func(*http.Request) (*http.Response, error)

func (m others) RoundTrip(r *http.Request) (*http.Response, error) { return m(r) }

// served answers as a member would that serves these watches, two on a page.
func served(watches []wire.Watching) others {
	return func(r *http.Request) (*http.Response, error) {
		rest := watches
		header := http.Header{}
		if r.URL.Query().Get("cursor") != "" {
			rest = rest[2:]
		} else if len(rest) > 2 {
			rest = rest[:2]
			header.Set("Link", `</api/v1/watches?cursor=x>; rel="next"`)
		}
		body, err := json.Marshal(rest)
		return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(string(body)))}, err
	}
}

func impactBench(t *testing.T, to others) *bench {
	return newGoverned(t, func(c *Config) {
		c.Now = time.Now
		if to != nil {
			c.Outside.Members = to
		}
	})
}

func (b *bench) impact(id string, headers ...string) wire.Impact {
	b.t.Helper()
	return decodeAs[wire.Impact](b.do("GET", requestsPath+"/"+id+"/impact", nil, headers...).is(200))
}

// effects are effective changes in short: "pay/eu/a 1>2 inherited".
func effects(changes []wire.EffectiveChange) (lines []string) {
	for _, c := range changes {
		line, old := c.Namespace+"/"+c.Key+" ", ""
		if c.Previous != nil {
			old = string(c.Previous.Value)
		}
		if line += old + ">" + string(c.Value); c.Inherited {
			line += " inherited"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestImpactFollowsInheritance(t *testing.T) {
	b := impactBench(t, nil)
	b.put("pay", "a", `1`)
	b.put("pay", "b", `1`)
	b.put("pay", "gone", `1`)
	b.put("pay/eu", "b", `5`)    // its own
	b.put("pay/eu/de", "c", `1`) // inherits the rest from both
	b.put("pay/cut", "c", `1`)
	b.put("pays", "c", `1`)
	b.settings("pay/cut", events.Settings{Inherit: new(bool)})
	id := b.submitted(b.root, `{"changes":[
		{"namespace":"pay","key":"a","value":2},{"namespace":"pay","key":"b","value":2},{"namespace":"pay","key":"gone","delete":true},
		{"namespace":"pay/eu","key":"a","value":7},{"namespace":"new","key":"k","value":1}]}`)
	got := effects(b.impact(id).Changes)
	want := []string{
		"pay/a 1>2", "pay/eu/a 1>7", "pay/eu/de/a 1>7 inherited",
		"pay/b 1>2",
		"pay/gone 1>", "pay/eu/gone 1> inherited", "pay/eu/de/gone 1> inherited",
		"new/k >1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("effects %q\nwant %q", got, want)
	}
}

func TestImpactTellsWhatKeepsARequestFromBeingPublished(t *testing.T) {
	b := impactBench(t, nil)
	b.put("pay", "a", `1`)
	id := b.submitted(b.root, `{"changes":[{"namespace":"pay","key":"a","value":2}]}`)
	schema, err := events.ParseSchema("", []byte(`{"properties":{"a":{"maximum":1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	b.submit(events.PutSchema{Namespace: "pay", Schema: events.SchemaDoc{Schema: schema}}) // after it was submitted
	three := 3
	b.settings("pay", events.Settings{MinApprovers: &three, Freezes: []events.Freeze{{From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour), Reason: "sales"}}})
	i := b.impact(id)
	if len(i.Errors) != 1 || i.Errors[0].Pointer != "/a" {
		t.Errorf("errors %+v", i.Errors)
	}
	if len(i.Missing) != 1 || i.Missing[0] != (wire.MissingApproval{Namespace: "pay", Key: "a", Need: 3}) {
		t.Errorf("missing %+v", i.Missing)
	}
	if !strings.Contains(i.Frozen, "sales") {
		t.Errorf("frozen %q", i.Frozen)
	}
	b.do("POST", requestsPath+"/"+id+"/withdraw", nil).is(200)
	b.do("GET", requestsPath+"/"+id+"/impact", nil).problem(409, wire.ProblemConflict, "withdrawn")
	b.do("GET", requestsPath+"/01ARZ3NDEKTSV4RRFFQ69G5FAV/impact", nil).problem(404, wire.ProblemNotFound)
}

func TestImpactCountsTheWatchesOfAllMembers(t *testing.T) {
	elsewhere := []wire.Watching{
		{ID: "1", Node: "n2", Principal: "carl", Namespaces: []string{}, Events: "all"},
		{ID: "2", Node: "n2", Principal: "dora", Namespaces: []string{"pay"}, Events: "publish-request"},
		{ID: "3", Node: "n2", Principal: "erik", Namespaces: []string{"pay/eu", "pay"}, Prefix: "a", Events: "namespace,config.updated"},
	}
	var asked *http.Request
	b := impactBench(t, func(r *http.Request) (*http.Response, error) {
		asked = r
		return served(elsewhere)(r)
	})
	b.put("pay", "a", `1`)
	b.put("pay/eu", "x", `1`)
	id := b.submitted(b.root, `{"changes":[{"namespace":"pay","key":"a","value":2},{"namespace":"pay","key":"new","value":1}]}`)
	b.watch("?namespace=pay&key=a").next(wire.FrameResumed)
	b.watch("?namespace=pay&events=config.deleted").next(wire.FrameResumed)
	b.watch("?namespace=pay/eu").next(wire.FrameResumed) // its value changes, by an event elsewhere
	i := b.impact(id)
	if i.Watches != 3 || !slices.Equal(i.Principals, []string{"ana", "carl", "erik"}) || !slices.Equal(i.Nodes, []string{"n1", "n2"}) || len(i.Silent) > 0 {
		t.Errorf("%d watches of %v, of nodes %v, without %v", i.Watches, i.Principals, i.Nodes, i.Silent)
	}
	if asked.URL.Host != "127.0.0.1:6200" || asked.Header.Get("X-Api-Key") != b.root {
		t.Errorf("asked %s with %v", asked.URL, asked.Header)
	}
	if i.Changes[0].Watches != 3 || i.Changes[len(i.Changes)-1].Watches != 1 || len(i.Unwatched) != 0 {
		t.Errorf("changes %+v, unwatched %v", i.Changes, i.Unwatched)
	}
	elsewhere = nil
	if i := b.impact(id); len(i.Unwatched) != 1 || i.Unwatched[0] != (wire.Unwatched{Namespace: "pay", Key: "new"}) {
		t.Errorf("unwatched %+v", i.Unwatched)
	}
}

func TestImpactHasAPlaceForWorkAndNotForMembers(t *testing.T) {
	var gate *admission.Gate
	var full bool
	var taken admission.Pass // all places while a member is asked
	b := newGoverned(t, func(c *Config) {
		c.Now, c.Limits.Admission = time.Now, admission.Config{Reads: 8, Wait: 20 * time.Millisecond}
		c.Outside.Members = asking(func(r *http.Request) {
			if held, _ := gate.Queue(admission.Read).Held(); held != 0 {
				t.Errorf("%d places are held while a member is asked", held)
			}
			if full {
				taken, _ = gate.Enter(r.Context(), admission.Read, "others", 8)
			}
		})
	})
	gate = b.server.gate
	id := b.submitted(b.root, `{"changes":[{"namespace":"pay","key":"a","value":2}]}`)
	b.impact(id)
	full = true
	b.do("GET", requestsPath+"/"+id+"/impact", nil).problem(503, wire.ProblemOverloaded, "--max-reads")
	taken.Leave()
	if held, _ := gate.Queue(admission.Read).Held(); held != 0 || gate.Waiting.Taken() != 0 {
		t.Errorf("in the end %d places are held, %d wait", held, gate.Waiting.Taken())
	}
}

// asking is a member that does not answer, but looks who asks.
func asking(look func(*http.Request)) others {
	return func(r *http.Request) (*http.Response, error) {
		look(r)
		return nil, errors.New("connection refused")
	}
}

func TestImpactNamesTheMembersThatDidNotAnswer(t *testing.T) {
	for name, to := range map[string]others{
		"none":   nil,
		"broken": func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
		"refuses": func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody}, nil
		},
		"hangs": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := impactBench(t, to)
			id := b.submitted(b.root, `{"changes":[{"namespace":"pay","key":"a","value":2}]}`)
			if i := b.impact(id); !slices.Equal(i.Silent, []string{"n2"}) || !slices.Equal(i.Nodes, []string{"n1"}) {
				t.Errorf("nodes %v, silent %v", i.Nodes, i.Silent)
			}
		})
	}
}

func TestImpactShowsNothingThatTheCallerMayNotSee(t *testing.T) {
	b := impactBench(t, served([]wire.Watching{}))
	b.put("pay", "a", `1`)
	b.put("hidden", "secret", `1`)
	editor, stranger := by(b.key("e", "pay", "editor", "a")), by(b.key("s", "elsewhere", "admin", ""))
	b.watch("?namespace=pay").next(wire.FrameResumed)
	id := b.submitted(b.root, `{"changes":[{"namespace":"pay","key":"a","value":2},{"namespace":"hidden","key":"secret","value":3}]}`)
	b.do("GET", requestsPath+"/"+id+"/impact", nil, stranger).problem(404, wire.ProblemNotFound)
	i := b.impact(id, editor)
	if got := effects(i.Changes); !slices.Equal(got, []string{"pay/a 1>2"}) || len(i.Missing) != 1 {
		t.Errorf("effects %q, missing %+v", got, i.Missing)
	}
	if i.Watches != 0 || len(i.Principals) != 0 || len(i.Unwatched) != 0 {
		t.Errorf("an editor hears of %d watches by %v, none on %v", i.Watches, i.Principals, i.Unwatched)
	}
	schema, err := events.ParseSchema("", []byte(`{"properties":{"secret":{"maximum":2},"a":{"maximum":1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	b.submit(events.PutSchema{Namespace: events.Root, Schema: events.SchemaDoc{Schema: schema}})
	if i := b.impact(id); len(i.Errors) != 2 {
		t.Errorf("all errors: %+v", i.Errors)
	}
	for _, e := range b.impact(id, editor).Errors {
		if e.Pointer != "" || strings.Contains(e.Detail, "secret") {
			t.Errorf("an editor hears of %+v", e)
		}
	}
}
