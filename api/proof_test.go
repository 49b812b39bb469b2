package api

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
	"confman/events"
	"confman/events/proof"
	"confman/projections"
)

// notary proves what a node in memory has; what it finds is up to the test.
type notary struct {
	*node
	key   ed25519.PrivateKey
	finds wire.NodeVerification
	asked [2]uint64
	fails error
}

func newNotary(n *node) *notary {
	return &notary{node: n, key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
}

func (n *notary) Verify(_ context.Context, from, to uint64, progress func(uint64)) (wire.NodeVerification, error) {
	n.asked = [2]uint64{from, to}
	progress(from + 1)
	return n.finds, n.fails
}

func (n *notary) SignCheckpoint(ctx context.Context, s events.Stamp) (events.Outcome, error) {
	public := n.key.Public().(ed25519.PublicKey)
	if len(n.State().Cluster().CheckpointKey) == 0 {
		change := events.CheckpointKeyChanged{PublicKey: public, KeyID: events.CheckpointKeyID(public)}
		change.Signature = ed25519.Sign(n.key, change.Signed())
		if _, err := n.Submit(ctx, events.ChangeCheckpointKey{Change: change}, events.Stamp{Time: s.Time, ID: s.ID, Actor: events.System}); err != nil {
			return events.Outcome{}, err
		}
	}
	state := n.State()
	c := events.Checkpoint{Cluster: state.Cluster().ID, Index: state.Index(), Chain: state.Chain(), Time: s.Time.UTC(), KeyID: events.CheckpointKeyID(public)}
	c.Signature = ed25519.Sign(n.key, c.Signed())
	return n.Submit(ctx, events.CheckpointHistory{Checkpoint: c}, s)
}

// proving is a bench with a notary.
func proving(t *testing.T) (b *bench, n *notary) {
	b = newBench(t)
	n = newNotary(b.node)
	b.server.Prover = n
	return b, n
}

// verified are the records of an answer, checked.
func verified(t *testing.T, body string, o proof.Options) proof.Report {
	t.Helper()
	v := proof.NewVerifier(o)
	v.Read(strings.NewReader(body))
	return v.End()
}

func TestTheRecordsProveThemselves(t *testing.T) {
	b, _ := proving(t)
	for i := range 30 {
		b.put("pay", "k", fmt.Sprintf(`"v%d"`, i))
	}
	made := decodeAs[wire.Checkpoint](b.do("POST", "/api/v1/audit/checkpoints", nil).is(201))
	newest := b.node.State().Index()
	for _, tt := range []struct {
		query    string
		from, to uint64
		sealed   uint64
	}{
		{"", 1, newest, made.Index},
		{"from=1&to=1", 1, 1, 0},
		{"from=10&to=20", 10, 20, 0},
		{"from=20", 20, newest, made.Index},
		{"to=" + b.node.State().Position().String(), 1, newest, made.Index},
	} {
		r := b.do("GET", "/api/v1/audit/proof?"+tt.query, nil).is(200)
		got := verified(t, r.body, proof.Options{Trust: nil, Key: made.PublicKey})
		if !got.OK() || got.From != tt.from || got.To != tt.to || got.Sealed != tt.sealed || got.Cluster != b.node.State().Cluster().ID {
			t.Errorf("%q: %+v", tt.query, got)
		}
		if r.header.Get("Content-Type") != wire.MediaNDJSON || r.header.Get("X-Confman-Position") != b.node.State().Position().String() {
			t.Errorf("%q: headers %v", tt.query, r.header)
		}
	}
	b.do("GET", "/api/v1/audit/proof?from=20&to=10", nil).is(400)
	b.do("GET", "/api/v1/audit/proof?from=x", nil).is(400)
	b.do("GET", fmt.Sprintf("/api/v1/audit/proof?to=%d&wait=1ms", newest+1), nil).is(504)

	h, release := b.node.History(newest)
	defer release()
	edge, err := h.Record(14)
	if err != nil {
		t.Fatal(err)
	}
	trim := events.TrimHistory{To: events.Horizon{Oldest: 15, Chain: edge.Chain, Time: edge.Time}}
	if _, err := b.node.Submit(t.Context(), trim, events.Stamp{Time: time.Now(), Actor: events.System}); err != nil {
		t.Fatal(err)
	}
	b.do("GET", "/api/v1/audit/proof?from=14", nil).is(410)
	if r := verified(t, b.do("GET", "/api/v1/audit/proof", nil).is(200).body, proof.Options{}); !r.OK() || r.From != 15 {
		t.Errorf("after a trim: %+v", r)
	}
}

// disturbed does something when a history is read.
type disturbed struct {
	Reader
	do func()
}

func (d *disturbed) History(index uint64) (*projections.History, func()) {
	if do := d.do; do != nil {
		d.do = nil
		do()
	}
	return d.Reader.History(index)
}

// Records that lack what a later event erased do not verify without that event. An
// answer into which an erasure comes is none.
func TestAnErasureBreaksOffAProof(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "db", `"hunter2"`)
	b.put("pay", "db", `"better"`)
	const path = "/api/v1/audit/proof"
	reader := b.server.Reader
	b.server.Reader = &disturbed{reader, func() {
		b.server.Reader = reader
		b.do("POST", erasuresPath, `{"namespace":"pay","key":"db","version":1,"reason":"leaked"}`).is(201)
	}}
	b.do("GET", path, nil).is(503).contains("erased something meanwhile")
	if r := verified(t, b.do("GET", path, nil).is(200).body, proof.Options{}); !r.OK() || r.Erased != 2 {
		t.Errorf("then: %+v", r)
	}
}

func TestCheckpointsAreSignedOnceAndListed(t *testing.T) {
	b, _ := proving(t)
	b.put("pay", "k", `"v"`)
	if r := b.do("GET", "/api/v1/audit/checkpoints", nil).is(200); r.body != "[]" {
		t.Errorf("before any: %s", r.body)
	}
	first := decodeAs[wire.Checkpoint](b.do("POST", "/api/v1/audit/checkpoints", nil, "Idempotency-Key: one").is(201))
	again := b.do("POST", "/api/v1/audit/checkpoints", nil, "Idempotency-Key: one").is(201)
	if decodeAs[wire.Checkpoint](again).Event != first.Event || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the same request again: %s", again.body)
	}
	chain, err := events.ParseChain(first.Chain)
	if err != nil {
		t.Fatal(err)
	}
	if signed := (events.Checkpoint{Cluster: first.Cluster, Index: first.Index, Chain: chain, Time: first.Time, KeyID: first.KeyID, Signature: first.Signature}); !signed.Verify(first.PublicKey) {
		t.Errorf("the signature of %+v is not that of its key", first)
	}
	for range 4 {
		b.do("POST", "/api/v1/audit/checkpoints", nil).is(201)
	}
	var seen []uint64
	next := "/api/v1/audit/checkpoints?limit=2"
	for next != "" {
		r := b.do("GET", next, nil).is(200)
		for _, c := range decodeAs[[]wire.Checkpoint](r) {
			seen = append(seen, c.Event)
		}
		_, link, _ := strings.Cut(r.header.Get("Link"), "<")
		next, _, _ = strings.Cut(link, ">")
	}
	if len(seen) != 5 || seen[4] != first.Event || seen[0] <= seen[1] {
		t.Errorf("listed are the events %v", seen)
	}
	b.do("POST", "/api/v1/audit/checkpoints", nil, "If-Match: *").is(400)
	b.server.Prover = nil
	b.do("POST", "/api/v1/audit/checkpoints", nil).is(409)
	b.do("GET", "/api/v1/audit/verify", nil).is(409)
}

func TestANodeSaysWhatItFoundAtItself(t *testing.T) {
	b, n := proving(t)
	b.put("pay", "k", `"v"`)
	n.finds = wire.NodeVerification{Node: "?", From: 1, To: 3, At: 2, Problem: "event 2: altered"}
	r := b.do("GET", "/api/v1/audit/verify", nil).is(200)
	lines := strings.Split(strings.TrimSpace(r.body), "\n")
	var last wire.NodeVerification
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Node != "n1" || last.OK || last.At != 2 || n.asked != [2]uint64{} {
		t.Errorf("%s, %v, asked for %v", r.body, err, n.asked)
	}
	b.do("GET", "/api/v1/audit/verify?from=2&to=3", nil).is(200)
	if n.asked != [2]uint64{2, 3} {
		t.Errorf("asked for %v", n.asked)
	}
}

// A slow verification says how far it is, and one that fails then is cut off.
func TestAVerificationThatFailsLateIsCutOff(t *testing.T) {
	b, n := proving(t)
	n.fails = events.ErrUnavailable
	server := httptest.NewServer(b.server)
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/api/v1/audit/verify", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Api-Key", b.root)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var line wire.Progress
	d := json.NewDecoder(response.Body)
	if err := d.Decode(&line); err != nil || line.At != 1 || line.To == 0 {
		t.Errorf("%+v, %v", line, err)
	}
	if err := d.Decode(&line); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("it ended with %v", err)
	}
}
