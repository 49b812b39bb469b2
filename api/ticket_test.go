package api

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"confman/api/wire"
	"confman/streaming"
)

// ticketFor asks for a ticket as the admin, unless a header says otherwise.
func (b *bench) ticketFor(body string, headers ...string) wire.Ticket {
	b.t.Helper()
	return decodeAs[wire.Ticket](b.do("POST", watchPath+"/tickets", body, headers...).is(201))
}

const noKey = "X-Api-Key: "

func TestTicketOpensItsOneWatchEverywhere(t *testing.T) {
	b := newWatchBench(t)
	b.put("pay", "db/url", `"v"`)
	b.put("other", "x", `"v"`)
	made := b.do("POST", watchPath+"/tickets", `{"namespace":"pay","prefix":"db/","values":"none"}`).is(201)
	lent := decodeAs[wire.Ticket](made)
	if lent.URL != watchPath+"?ticket="+lent.Ticket || made.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%+v %v", lent, made.header)
	}
	if d := time.Until(lent.ExpiresAt); d < 12*time.Hour-time.Minute || d > 12*time.Hour {
		t.Errorf("it is good for %s", d)
	}
	if len(lent.Ticket) > 200 || strings.ContainsAny(lent.Ticket, "+/=&?%") {
		t.Errorf("a ticket of %d characters: %s", len(lent.Ticket), lent.Ticket)
	}
	another, err := New(Config{ // of the same cluster, over the same history
		Writer: b.node, Reader: b.node, Cluster: b.node, Hub: b.node.hub, NodeID: "n2", Registry: prometheus.NewRegistry(),
		Now: time.Now, NewID: b.server.NewID, Random: b.server.Random, Web: b.server.Web,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []*Server{b.server, another} {
		if _, err := node.tickets.open(lent.Ticket, time.Now()); err != nil {
			t.Errorf("%s: %v", node.NodeID, err)
		}
	}
	s := b.watchURL(lent.URL+"&after=start", noKey)
	s.next(wire.FrameResumed)
	if f := s.next(wire.FrameEvent); f.Event.Key != "db/url" || strings.Contains(f.raw, "value") {
		t.Errorf("%s", f.raw)
	}
	for _, same := range []string{"&namespace=pay", "&prefix=db/&values=none", "&events=config"} {
		b.watchURL(lent.URL+same, noKey).next(wire.FrameResumed)
	}
	for _, other := range []string{"&namespace=pay/eu", "&namespace=pay&namespace=other", "&prefix=", "&events=all", "&values="} {
		b.do("GET", lent.URL+other, nil, noKey).problem(403, wire.ProblemForbidden, "another filter")
	}
	everything := b.ticketFor(``)
	b.watchURL(everything.URL, noKey).next(wire.FrameResumed)
	b.do("GET", everything.URL+"&namespace=pay", nil, noKey).problem(403, wire.ProblemForbidden)
}

func TestTicketsAreRefusedWithTheReason(t *testing.T) {
	b := newWatchBench(t)
	made := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{Name: "v", Grants: []wire.Grant{{Namespace: "pay", Role: "viewer"}}}).is(201))
	viewer := "X-Api-Key: " + made.Key
	good := b.ticketFor(`{"namespace":["pay"]}`, viewer)
	altered := func(at int) string {
		raw, err := base64.RawURLEncoding.DecodeString(good.Ticket)
		if err != nil {
			t.Fatal(err)
		}
		raw[at] ^= 1
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	stranger, err := newTickets([]byte("the secret of another cluster"))
	if err != nil {
		t.Fatal(err)
	}
	seal := func(k tickets, lent ticket) string {
		sealed, err := k.seal(lent)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	later := time.Now().Add(time.Hour)
	pay := streaming.Filter{Namespaces: []string{"pay"}}
	tests := []struct {
		name, ticket, says string
	}{
		{"format", altered(0), "altered"},
		{"signature", altered(5), "altered"},
		{"expiry", altered(ticketHeader), "altered"},
		{"filter", altered(ticketText + 16), "altered"},
		{"cut", good.Ticket[:len(good.Ticket)-4], "cut off"},
		{"empty", "", "altered"},
		{"no base64", "a b", "altered"},
		{"of another cluster", seal(stranger, ticket{made.ID, later, pay}), "another cluster"},
		{"late", seal(b.server.tickets, ticket{made.ID, time.Now(), pay}), "expired at"},
		{"of nobody", seal(b.server.tickets, ticket{"nobody", later, pay}), "not known"},
	}
	for _, test := range tests {
		got := b.do("GET", watchPath+"?ticket="+strings.ReplaceAll(test.ticket, " ", "%20"), nil, noKey)
		if got.status != 401 || !strings.Contains(got.body, test.says) {
			t.Errorf("%s: %d %s, want 401 %s", test.name, got.status, got.body, test.says)
		}
	}
	for _, path := range []string{"/api/v1/whoami", "/api/v1/configs", "/api/v1/watches"} {
		b.do("GET", path+"?ticket="+good.Ticket, nil, noKey).problem(401, wire.ProblemUnauthenticated)
	}
	b.do("POST", watchPath+"/tickets?ticket="+good.Ticket, `{}`, noKey).problem(401, wire.ProblemUnauthenticated)
	b.do("POST", watchPath+"/tickets", `{"namespace":"other"}`, viewer).problem(403, wire.ProblemForbidden)
	b.do("POST", watchPath+"/tickets", `{"namespace":"a//b"}`, viewer).problem(400, wire.ProblemMalformed, `"pointer":"/namespace"`)
	b.do("POST", watchPath+"/tickets", `{"prefix":"`+strings.Repeat("p", 600)+`"}`, viewer).problem(400, wire.ProblemMalformed, "/prefix")
	long := `["` + strings.Repeat("pay/"+strings.Repeat("n", 60)+`","`, 12) + `pay"]`
	for i := range 12 {
		long = strings.Replace(long, "nnn\"", "nn"+string(rune('a'+i))+"\"", 1)
	}
	b.do("POST", watchPath+"/tickets", `{"namespace":`+long+`}`, viewer).problem(413, wire.ProblemTooLarge, "at most 1000")

	s := b.watchURL(good.URL, noKey)
	s.next(wire.FrameResumed)
	b.do("DELETE", "/api/v1/keys/"+made.ID, nil).is(204)
	if f := s.next(wire.FrameReset); f.Reason != wire.ReasonRevoked {
		t.Error(f.raw)
	}
	b.do("GET", good.URL, nil, noKey).problem(401, wire.ProblemUnauthenticated, "revoked")
}

// A ticket does not outlive the key that it came from, and its streams end with
// it.
func TestTicketEndsWithItsKey(t *testing.T) {
	b := newWatchBench(t, func(c *Config) { c.Limits.Ticket = 1500 * time.Millisecond })
	soon := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	brief := newWatchBench(t)
	made := decodeAs[wire.APIKey](brief.do("POST", "/api/v1/keys", wire.NewKey{
		Name: "v", Grants: []wire.Grant{{Namespace: "pay", Role: "viewer"}}, ExpiresAt: &soon,
	}).is(201))
	if lent := brief.ticketFor(``, "X-Api-Key: "+made.Key); !lent.ExpiresAt.Equal(soon) {
		t.Errorf("it expires at %s, its key at %s", lent.ExpiresAt, soon)
	}
	s := b.watchURL(b.ticketFor(``).URL, noKey)
	s.next(wire.FrameResumed)
	if f := s.next(wire.FrameReset); f.Reason != wire.ReasonExpired || !strings.Contains(f.Detail, "ticket") {
		t.Error(f.raw)
	}
}

func TestATicketBindsTheOpsOfItsWebSocket(t *testing.T) {
	b := newWatchBench(t)
	s := b.connect(strings.TrimPrefix(b.ticketFor(`{"namespace":"pay"}`).URL, watchPath), noKey)
	if f := s.next(wire.FrameResumed); f.Watch != "" {
		t.Error(f.raw)
	}
	s.send(`{"op":"watch","id":"same","namespace":"pay"}`)
	s.next(wire.FrameResumed)
	s.send(`{"op":"watch","id":"silent"}`)
	s.next(wire.FrameResumed)
	s.send(`{"op":"watch","id":"other","namespace":"other"}`)
	if f := s.next(wire.FrameReset); f.Reason != wire.ReasonForbidden || f.Watch != "other" {
		t.Error(f.raw)
	}
	b.put("other", "k", "1")
	b.put("pay", "k", "1")
	seen := map[string]bool{}
	for range 3 {
		f := s.next(wire.FrameEvent)
		if seen[f.Watch] = true; f.Event.Namespace != "pay" {
			t.Errorf("watch %s shows %s", f.Watch, f.raw)
		}
	}
	if len(seen) != 3 {
		t.Errorf("%v", seen)
	}
}

// Whatever comes in the place of a ticket is refused, not believed, and what is
// sealed comes out as it went in.
func FuzzTicketsOpenOnlyWhatTheySealed(f *testing.F) {
	k, err := newTickets([]byte("a secret of the cluster"))
	if err != nil {
		f.Fatal(err)
	}
	now := time.Unix(1_790_000_000, 0)
	f.Add("pay", "db/", []byte("AQ"))
	f.Fuzz(func(t *testing.T, namespace, prefix string, stranger []byte) {
		if _, err := k.open(string(stranger), now); err == nil {
			t.Errorf("%q is a ticket", stranger)
		}
		want := ticket{"k", now.Add(time.Minute).UTC(), streaming.Filter{Namespaces: []string{namespace}, Prefix: prefix}}
		if want.filter.Check() != nil {
			return
		}
		sealed, err := k.seal(want)
		if err != nil {
			return
		}
		got, err := k.open(sealed, now)
		if err != nil || got.keyID != want.keyID || !got.expires.Equal(want.expires) || formatFilter(got.filter).Encode() != formatFilter(want.filter).Encode() {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	})
}
