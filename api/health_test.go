package api

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"confman/api/wire"
	"confman/events"
)

func TestHealthHasItsBytes(t *testing.T) {
	b := newBench(t)
	got := b.do("GET", "/health", nil, "X-Api-Key: ").is(200)
	if !strings.HasPrefix(got.body, `{"status":"healthy","timestamp":"2026-01-23T10:3`) || !strings.HasSuffix(got.body, `.5Z"}`) {
		t.Errorf("health is %s", got.body)
	}
	got = b.do("GET", "/health/ready", nil, "X-Api-Key: ").is(200)
	if !strings.HasPrefix(got.body, `{"status":"ready","timestamp":"2026-01-23T10:3`) ||
		!strings.HasSuffix(got.body, `,"cluster":{"role":"leader","leaderKnown":true,"leader":"http://127.0.0.1:6100/","term":3},"reasons":[],"nodeId":"n1","eventIndex":2,"lag":0,"quorum":true}`) {
		t.Errorf("ready is %s", got.body)
	}
	b.node.stand.Store(&Standing{Role: wire.MemberCandidate, Term: 4, SinceContact: -1, Reasons: []string{"no leader is known"}})
	got = b.do("GET", "/health/ready", nil, "X-Api-Key: ").is(503)
	if !strings.HasPrefix(got.body, `{"status":"not_ready","timestamp":"`) ||
		!strings.Contains(got.body, `,"cluster":{"role":"candidate","leaderKnown":false,"leader":null,"term":4},"reasons":["no leader is known"],`) {
		t.Errorf("not ready is %s", got.body)
	}
	if got := b.do("GET", "/api/v1/namespaces", nil).is(200); got.header.Get(wire.HeaderStaleMs) != "" {
		t.Errorf("a node that never heard from a leader is said to be %s ms stale", got.header.Get(wire.HeaderStaleMs))
	}
}

func TestNamespacesHaveTheirBytes(t *testing.T) {
	b := newBench(t)
	const path = "/api/v1/namespaces/teams/pay"
	made := b.do("PUT", path, `{}`).is(201)
	if !strings.HasPrefix(made.body, `{"path":"teams/pay","description":null,"owner":"ana","createdAt":"2026-01-23T10:3`) ||
		made.header.Get("Location") != "/api/v1/namespaces/teams%2Fpay" {
		t.Errorf("made %s at %s", made.body, made.header.Get("Location"))
	}
	b.do("PUT", path, nil).is(200)
	changed := b.do("PUT", path, `{"description":"Payments","owner":"bob"}`).is(200)
	if !strings.HasPrefix(changed.body, `{"path":"teams/pay","description":"Payments","owner":"bob","createdAt":"2026-01-23T10:3`) {
		t.Errorf("changed %s", changed.body)
	}
	if got := b.do("GET", path, nil).is(200); got.body != changed.body {
		t.Errorf("read %s", got.body)
	}
	if got := b.do("GET", "/api/v1/namespaces", nil).is(200); got.body != "["+changed.body+"]" {
		t.Errorf("listed %s", got.body)
	}
	b.put("teams/pay", "a", "1")
	b.put("teams/pay/eu", "a", "1")
	b.do("DELETE", path, nil).is(204)
	b.do("DELETE", path, nil).problem(404, wire.ProblemNotFound)
	b.do("GET", path, nil).problem(404, wire.ProblemNotFound)
	b.do("GET", entryPath("teams/pay", "a"), nil).is(404)
	b.do("GET", entryPath("teams/pay/eu", "a"), nil).is(200)
}

func TestClusterIsShownAndChanged(t *testing.T) {
	b := newBench(t)
	got := decodeAs[wire.Cluster](b.do("GET", "/api/v1/cluster", nil).is(200))
	if got.ID != "01JTEST" || got.NodeID != "n1" || got.LeaderID != "n1" || len(got.Members) != 2 || got.Members[1].URL != "http://127.0.0.1:6200/" || got.EventIndex != 2 {
		t.Errorf("%+v", got)
	}
	b.do("POST", "/api/v1/cluster/members", `{"id":"n3","address":"10.0.0.3:6100","learner":true}`).is(204)
	b.do("POST", "/api/v1/cluster/members", `{"id":"n4","address":"10.0.0.4:6100"}`).is(204)
	b.do("POST", "/api/v1/cluster/members", `{"id":"n3"}`).is(204)
	b.do("DELETE", "/api/v1/cluster/members/n2", nil).is(204)
	b.do("POST", "/api/v1/cluster/transfer-leader", nil).is(204)
	b.do("POST", "/api/v1/cluster/transfer-leader", `{"to":"n2"}`).is(204)
	if s := decodeAs[wire.Snapshot](b.do("POST", "/api/v1/cluster/snapshot", nil).is(200)); s.NodeID != "n1" || s.Index != 2 {
		t.Errorf("%+v", s)
	}
	want := []string{"add n3 10.0.0.3:6100 learner=true", "add n4 10.0.0.4:6100 learner=false", "promote n3", "remove n2", `transfer ""`, `transfer "n2"`, "snapshot"}
	if asked := b.node.takeAsked(); !slices.Equal(asked, want) {
		t.Errorf("asked %q", asked)
	}
}

func TestASnapshotThatFailsSaysOnWhichNodeAndWhy(t *testing.T) {
	b := newBench(t)
	missing := &fs.PathError{Op: "open", Path: "d/MARKER.tmp", Err: fs.ErrPermission}
	for _, test := range []struct {
		err    error
		status int
		detail string
	}{
		{missing, 500, "n1: open d/MARKER.tmp: permission denied"},
		{fmt.Errorf("%w: %w", events.ErrNoSpace, missing), 507, "n1: disk nearly full: open d/MARKER.tmp: permission denied"},
	} {
		b.node.mu.Lock()
		b.node.refuse = test.err
		b.node.mu.Unlock()
		if p := decodeAs[wire.Problem](b.do("POST", "/api/v1/cluster/snapshot", nil).is(test.status)); p.Detail != test.detail {
			t.Errorf("%d: %q, want %q", test.status, p.Detail, test.detail)
		}
		if p := decodeAs[wire.Problem](b.do("DELETE", "/api/v1/cluster/members/n2", nil).is(test.status)); test.status == 500 && p.Detail != "" {
			t.Errorf("another request tells %q", p.Detail)
		}
	}
}

func TestEveryProblemTypeIsExplained(t *testing.T) {
	b := newBench(t)
	for _, k := range problemKinds() {
		got := b.do("GET", k.uri, nil, "X-Api-Key: ").is(200)
		if !strings.Contains(got.body, k.title) || !strings.Contains(got.body, ".") {
			t.Errorf("%s: %s", k.uri, got.body)
		}
	}
	b.do("GET", "/problems/none", nil, "X-Api-Key: ").problem(404, wire.ProblemNotFound)
}

func TestProfilesAreForRootAdmins(t *testing.T) {
	b := newBench(t)
	if got := b.do("GET", "/debug/pprof/", nil).is(200); !strings.Contains(got.body, "goroutine") {
		t.Errorf("%.100s", got.body)
	}
	b.do("GET", "/debug/pprof/goroutine?debug=1", nil).is(200)
	b.do("GET", "/debug/pprof/cmdline", nil).problem(404, wire.ProblemNotFound)
}

func TestMetricsNameRoutesAndNobody(t *testing.T) {
	b := newBench(t)
	b.put("secret-space", "secret-key", "1")
	b.do("GET", entryPath("secret-space", "secret-key"), nil).is(200)
	b.do("HEAD", entryPath("secret-space", "secret-key"), nil).is(200)
	b.do("GET", entryPath("secret-space", "none"), nil).is(404)
	b.do("GET", "/api/v1/secret-nothing", nil).is(404)
	got := b.do("GET", "/metrics", nil, "X-Api-Key: ").is(200).body
	for _, want := range []string{
		`confman_http_requests_total{code="200",method="GET",route="/api/v1/namespaces/{namespace}/config/{key}"} 2`,
		`confman_http_requests_total{code="404",method="GET",route="/api/v1/namespaces/{namespace}/config/{key}"} 1`,
		`confman_http_requests_total{code="201",method="PUT",route="/api/v1/namespaces/{namespace}/config/{key}"} 1`,
		`confman_http_requests_total{code="404",method="other",route="none"} 1`,
		`confman_http_request_duration_seconds_count{method="PUT",route="/api/v1/namespaces/{namespace}/config/{key}"} 1`,
		`confman_http_requests_in_flight 1`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "secret") || strings.Contains(got, "ana") && strings.Contains(got, `"ana"`) {
		t.Error("a name is a label")
	}
	problems, err := testutil.GatherAndLint(b.server.Registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}
