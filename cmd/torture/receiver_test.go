package torture

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// receiver is endpoints of webhooks, each at a path of its own, that misbehave.
type receiver struct {
	t         *testing.T
	server    *httptest.Server
	endpoints map[string]*endpoint
	over      chan struct{} // closed at the end
}

// endpoint is where one webhook goes.
type endpoint struct {
	name    string
	hook    wire.Webhook
	secrets []given
	lost    bool // the answer with a secret got lost

	mu     sync.Mutex // guards the fields below
	rng    *rand.Rand
	well   bool // it has stopped to misbehave
	behave manners
	visits []visit
}

// given is a secret that the endpoint was given, for the events after one.
type given struct {
	secret string
	after  uint64 // 0: for all
	only   bool   // those before it are over
	asked  time.Time
}

// visit is a request as it came.
type visit struct {
	id, timestamp, signature string
	body                     []byte
	index                    uint64 // of the event, as the body says
	at                       time.Time
	status                   int // 0: it was never answered
}

// manners say how an endpoint answers its nth request: with a status, or with 0
// by a broken connection, or not at all.
type manners func(n int, rng *rand.Rand) (status int, hang bool)

func newReceiver(t *testing.T, rng *rand.Rand, all map[string]manners) *receiver {
	r := &receiver{t: t, endpoints: map[string]*endpoint{}, over: make(chan struct{})}
	for name, m := range all {
		r.endpoints[name] = &endpoint{name: name, behave: m, rng: rand.New(rand.NewPCG(rng.Uint64(), 0))}
	}
	r.server = httptest.NewServer(r)
	t.Cleanup(r.server.Close)
	t.Cleanup(func() { close(r.over) }) // first
	return r
}

// ServeHTTP takes what webhooks send.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	e := r.endpoints[strings.TrimPrefix(q.URL.Path, "/")]
	if e == nil {
		r.t.Errorf("%s %s: there is nothing", q.Method, q.URL)
		return
	}
	a := visit{id: q.Header.Get("Webhook-Id"), timestamp: q.Header.Get("Webhook-Timestamp"), signature: q.Header.Get("Webhook-Signature"), at: time.Now()}
	var err error
	if a.body, err = io.ReadAll(q.Body); err != nil {
		return // whoever sent it died in the middle of it
	}
	var said struct{ Data wire.Event }
	if err := json.Unmarshal(a.body, &said); err != nil || said.Data.ID != a.id {
		r.t.Errorf("%s was sent %.200q with the id %s: %v", e.name, a.body, a.id, err)
	}
	a.index = said.Data.Index
	status, hang := e.take(a)
	if hang {
		select {
		case <-q.Context().Done():
		case <-r.over:
		}
		return
	}
	switch {
	case status == 0:
		panic(http.ErrAbortHandler) // the connection breaks
	case status >= 300 && status < 400:
		w.Header().Set("Location", r.server.URL+"/trap")
	}
	w.WriteHeader(status)
}

// take notes an arrival and decides upon its answer.
func (e *endpoint) take(a visit) (status int, hang bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if status = http.StatusOK; !e.well {
		status, hang = e.behave(len(e.visits), e.rng)
	}
	if a.status = status; hang {
		a.status = 0
	}
	e.visits = append(e.visits, a)
	return status, hang
}

func (e *endpoint) recover() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.well = true
}

func (e *endpoint) got() []visit {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.visits[:len(e.visits):len(e.visits)]
}

// rotate gives the webhook another secret. When the answer is lost, so is the
// secret, and there is another.
func (e *endpoint) rotate(c *cluster, overlap string) {
	c.t.Helper()
	sdk := c.client(c.key)
	for range 5 {
		var meta client.Meta
		var now wire.Webhook
		asked := time.Now()
		err := settle(c.t.Context(), fmt.Sprint("rotate-", time.Now().UnixNano()), func(w client.Write) (err error) {
			w.Meta = &meta
			now, err = sdk.RotateWebhookSecret(c.t.Context(), e.hook.ID, wire.RotateSecret{Overlap: overlap}, w)
			return err
		})
		if err == nil {
			e.secrets = append(e.secrets, given{now.Secret, meta.Index, overlap == "0s", asked})
			return
		}
		e.lost = true
		c.t.Logf("rotate the secret of %s: %v", e.name, err)
	}
	c.t.Fatalf("%s has no new secret", e.name)
}

// signed reports whether an arrival bears the signature of a secret, as Standard
// Webhooks 1.0.0 has it.
func (a visit) signed(secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", a.id, a.timestamp, a.body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for one := range strings.FieldsSeq(a.signature) {
		if hmac.Equal([]byte(one), []byte(want)) {
			return true
		}
	}
	return false
}

// checkSignature holds an arrival against the secrets that its endpoint was given.
func (e *endpoint) checkSignature(a visit) error {
	seconds, err := strconv.ParseInt(a.timestamp, 10, 64)
	if age := a.at.Sub(time.Unix(seconds, 0)); err != nil || age < -time.Second || age > 5*time.Minute {
		return fmt.Errorf("event %d: its timestamp %q is %v old: %w", a.index, a.timestamp, age, err)
	}
	known := false
	for i, s := range e.secrets {
		good := a.signed(s.secret)
		known = known || good
		over := false
		ending := false
		for _, later := range e.secrets[i+1:] {
			over = over || later.only && a.index > later.after
			ending = ending || later.only && a.at.After(later.asked)
		}
		switch {
		case over && good:
			return fmt.Errorf("event %d is signed with secret %d, which is over", a.index, i)
		case a.index > s.after && !ending && !e.lost && !good:
			return fmt.Errorf("event %d is not signed with secret %d, given after event %d", a.index, i, s.after)
		}
	}
	if !known {
		return fmt.Errorf("event %d has no signature of %d secrets: %q", a.index, len(e.secrets), a.signature)
	}
	return nil
}

// taken reports whether the endpoint has said that it has the event.
func (a visit) taken() bool { return a.status >= 200 && a.status < 300 }

// check holds what arrived against what the log has for the endpoint: each event
// came, for the first time in the order of the log and when the one before it
// was taken, and every time the same.
func (e *endpoint) check(want []wire.Event) (problems []error) {
	first, taken := map[string]visit{}, map[uint64]bool{}
	var order []uint64
	for _, a := range e.got() {
		if err := e.checkSignature(a); err != nil {
			problems = append(problems, err)
		}
		before, known := first[a.id]
		if !known {
			if n := len(order); n > 0 && !taken[order[n-1]] {
				problems = append(problems, fmt.Errorf("event %d came and event %d was not taken", a.index, order[n-1]))
			}
			first[a.id] = a
			order = append(order, a.index)
		} else if string(before.body) != string(a.body) {
			problems = append(problems, fmt.Errorf("event %d came as %q and as %q", a.index, before.body, a.body))
		}
		taken[a.index] = taken[a.index] || a.taken()
	}
	for i := range max(len(order), len(want)) {
		if i >= len(order) || i >= len(want) || order[i] != want[i].Index || first[want[i].ID].index != want[i].Index {
			problems = append(problems, fmt.Errorf("of %d events %d arrived; from the %dth on they are %v, want %v",
				len(want), len(order), i, tail(order, i), tail(indexes(want), i)))
			break
		}
	}
	return problems[:min(10, len(problems))]
}

func indexes(of []wire.Event) (all []uint64) {
	for _, e := range of {
		all = append(all, e.Index)
	}
	return all
}

// tail is a few from a place on.
func tail(all []uint64, from int) []uint64 {
	return all[min(from, len(all)):min(from+5, len(all))]
}
