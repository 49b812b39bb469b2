package server

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"confman/api/wire"
)

// collector takes spans as an OpenTelemetry collector does.
type collector struct {
	*httptest.Server
	mu     sync.Mutex // guards the fields below
	spans  []span
	bodies []string
}

type span struct {
	Node         string // of its resource
	TraceID      string `json:"traceId"`
	SpanID       string `json:"spanId"`
	ParentSpanID string `json:"parentSpanId"`
	Name         string `json:"name"`
	Kind         int    `json:"kind"`
	Start        string `json:"startTimeUnixNano"`
	End          string `json:"endTimeUnixNano"`
}

func collect(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = c.take(r, body)
		}
		if err != nil {
			t.Error(err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, "{}")
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) take(r *http.Request, body []byte) error {
	var sent struct {
		ResourceSpans []struct {
			Resource struct {
				Attributes []struct {
					Key   string
					Value struct{ StringValue string }
				}
			}
			ScopeSpans []struct{ Spans []span }
		}
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return err
	}
	if r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
		return fmt.Errorf("%s of %s", r.URL.Path, r.Header.Get("Content-Type"))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bodies = append(c.bodies, string(body))
	for _, of := range sent.ResourceSpans {
		node := ""
		for _, a := range of.Resource.Attributes {
			if a.Key == "service.instance.id" {
				node = a.Value.StringValue
			}
		}
		for _, by := range of.ScopeSpans {
			for _, s := range by.Spans {
				s.Node = node
				c.spans = append(c.spans, s)
			}
		}
	}
	return nil
}

const (
	aTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	aParent = "00f067aa0ba902b7"
)

func TestAWriteThroughAFollowerIsOneTraceFromEndToEnd(t *testing.T) {
	to := collect(t)
	c := start(t, 3, func(o *Options) {
		o.HTTP.Forward = true
		o.Tracing = TraceOptions{Endpoint: to.URL, Ratio: 0} // the caller has decided
	})
	leader, others := c.leader()
	const put = "PUT /api/v1/namespaces/{namespace}/config/{key}"
	c.do("PUT", others[0].url+"/api/v1/namespaces/pay/config/db.password?secret=in-a-query", `{"value":"hunter2-the-value"}`,
		"X-Api-Key: "+adminKey, "Traceparent: 00-"+aTrace+"-"+aParent+"-01").is(t, http.StatusCreated)
	parents := map[string]string{ // span: its parent, and where
		others[0].id + " " + put: "", others[0].id + " forward": others[0].id + " " + put, leader.id + " " + put: others[0].id + " forward",
	}
	for _, step := range []string{"decide", "queue", "raft", "fold", "publish"} {
		parents[leader.id+" "+step] = leader.id + " " + put
	}
	c.eventually("all spans are sent", func() error {
		c.flush()
		if got := len(to.named(aTrace)); got < len(parents) {
			return fmt.Errorf("%d of %d: %q", got, len(parents), slices.Sorted(maps.Keys(to.named(aTrace))))
		}
		return nil
	})
	spans := to.named(aTrace)
	for name, s := range spans {
		parent, expected := parents[name]
		want := spans[parent].SpanID
		if parent == "" {
			want = aParent
		}
		if !expected || s.ParentSpanID != want {
			t.Errorf("span %q has the parent %q, want %q (%s)", name, s.ParentSpanID, want, parent)
		}
		if s.End < s.Start {
			t.Errorf("span %q ends at %s before it begins at %s", name, s.End, s.Start)
		}
	}
	var steps []string
	for _, step := range []string{"decide", "queue", "raft", "fold", "publish"} {
		steps = append(steps, spans[leader.id+" "+step].Start)
	}
	if !slices.IsSorted(steps) {
		t.Errorf("the steps begin at %q", steps)
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	for _, body := range to.bodies {
		for _, secret := range []string{"hunter2", adminKey, "in-a-query"} {
			if strings.Contains(body, secret) {
				t.Errorf("%q was sent", secret)
			}
		}
	}
}

// flush has the nodes send the spans that are over.
func (c *started) flush() {
	c.t.Helper()
	for _, n := range c.nodes {
		if err := n.running.traces.provider.ForceFlush(c.t.Context()); err != nil {
			c.t.Error(err)
		}
	}
}

// named is a trace by node and name.
func (c *collector) named(trace string) map[string]span {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string]span{}
	for _, s := range c.spans {
		if s.TraceID == trace {
			found[s.Node+" "+s.Name] = s
		}
	}
	return found
}

func TestAWebhookIsToldItsTrace(t *testing.T) {
	to, heard := collect(t), make(chan string, 16)
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { heard <- r.Header.Get("Traceparent") }))
	t.Cleanup(endpoint.Close)
	c := start(t, 1, func(o *Options) {
		o.Webhooks.Allowed = []string{"127.0.0.0/8"}
		o.Tracing = TraceOptions{Endpoint: to.URL, Ratio: 1}
	})
	url := c.nodes[0].url + "/api/v1/namespaces/pay"
	c.do("PUT", url, `{}`, "X-Api-Key: "+adminKey).is(t, http.StatusCreated)
	c.do("POST", c.nodes[0].url+"/api/v1/webhooks", `{"name":"w","namespace":"pay","url":"`+endpoint.URL+`/a-token-in-a-path"}`, "X-Api-Key: "+adminKey).is(t, http.StatusCreated)
	wrote := c.do("PUT", url+"/config/k", `{"value":"v"}`, "X-Api-Key: "+adminKey).is(t, http.StatusCreated)
	if id := wrote.header.Get(wire.HeaderCorrelationID); len(id) != 32 {
		t.Errorf("the correlation ID is %q, want that of the trace", id)
	}
	told := strings.Split(<-heard, "-")
	if len(told) != 4 {
		t.Fatalf("the endpoint was told %q", told)
	}
	c.eventually("the delivery is traced", func() error {
		c.flush()
		if s := to.named(told[1])["n1 webhook"]; s.SpanID != told[2] {
			return fmt.Errorf("%+v, the endpoint was told %q", s, told)
		}
		return nil
	})
	to.mu.Lock()
	defer to.mu.Unlock()
	if all := strings.Join(to.bodies, "\n"); strings.Contains(all, "a-token-in-a-path") {
		t.Error("the URL of a webhook was sent to the collector")
	}
}

// Anybody may send it, and it would wait in memory for a collector that is slow.
func TestAMethodThatIsNoneIsNotTraced(t *testing.T) {
	to := collect(t)
	traces, err := newTracing(TraceOptions{Endpoint: to.URL, Ratio: 1}, "n1", Env{})
	if err != nil {
		t.Fatal(err)
	}
	endless := strings.Repeat("A", 30_000)
	followed := traces.server(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) }))
	followed.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(endless, "/api/v1/whoami", nil))
	traces.close()
	to.mu.Lock()
	defer to.mu.Unlock()
	if all := strings.Join(to.bodies, "\n"); !strings.Contains(all, `"_OTHER"`) || strings.Contains(all, "AAAA") {
		t.Errorf("sent: %.600s", all)
	}
}

func TestTraceOptionsAreRefusedByName(t *testing.T) {
	for _, tt := range []struct {
		o    TraceOptions
		want string
	}{
		{TraceOptions{}, ""},
		{TraceOptions{Endpoint: "http://localhost:4318", Ratio: 0.1}, ""},
		{TraceOptions{Ratio: 2}, "--trace-ratio 2"},
		{TraceOptions{Endpoint: "localhost:4318"}, "--otlp-endpoint"},
		{TraceOptions{Endpoint: "https://user:secret@collector"}, "OTEL_EXPORTER_OTLP_HEADERS"},
	} {
		err := tt.o.validate()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v, want %q", tt.o, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret@") {
			t.Errorf("%v shows a password", err)
		}
	}
}
