package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/js"
	"confman/api/wire"
	"confman/cmd/torture/browser"
)

// pages serves testdata/pages and the module from an origin of its own.
func pages(t *testing.T) (origin string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(os.DirFS("testdata/pages")))
	mux.HandleFunc("GET /confman.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(w, js.Module())
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// cuts are what a browser itself writes on the console when a connection breaks.
func cuts() []string { return []string{"net::ERR_", "WebSocket connection to"} }

// rows are the events that a page lists.
func rows(p *browser.Page) (events []wire.Event) {
	return browser.Eval[[]wire.Event](p, `[...document.querySelectorAll('#events li')].map((li) => JSON.parse(li.textContent))`)
}

// listed is how many they are.
const listed = `document.querySelectorAll('#events li').length`

// author writes without a pause, to some nodes only: values, deletions and
// transactions, each settled before the next.
type author struct {
	sdk    *client.Client
	rng    *rand.Rand
	writes atomic.Int64
}

func (a *author) run(ctx context.Context, t *testing.T) {
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	settling := context.WithoutCancel(ctx) // the last one is settled too
	for i := 0; ctx.Err() == nil; i++ {
		tx := a.transaction(i)
		err := settle(settling, fmt.Sprint("author-", i), func(w client.Write) error {
			_, err := a.sdk.Transact(settling, tx, w)
			return err
		})
		if err != nil && !errors.Is(err, client.ErrNotFound) { // of what it deletes
			t.Errorf("write %d: %v", i, err)
		}
		a.writes.Add(1)
		<-pace.C
	}
}

// transaction sets up to four keys, with what escapes badly in their values, or
// deletes one.
func (a *author) transaction(i int) (tx wire.Transaction) {
	const keys = 12
	first := a.rng.IntN(keys)
	if a.rng.IntN(6) == 0 {
		tx.Delete = []wire.DeleteOperation{{Namespace: "app", Key: fmt.Sprint("key-", first)}}
		return tx
	}
	for n := range 1 + a.rng.IntN(4) {
		put := value(fmt.Sprintf("%d-%d\r\n\r\nid: 0\ndata: {}\n\n\"<&\u2028é", i, n))
		tx.Set = append(tx.Set, wire.SetOperation{Namespace: "app", Key: fmt.Sprint("key-", (first+n)%keys), Value: put.Value, Type: put.Type})
	}
	return tx
}

// more waits for some more writes.
func (a *author) more(t *testing.T, writes int64) {
	t.Helper()
	target := a.writes.Load() + writes
	await(t, "more writes", func() error {
		if have := a.writes.Load(); have < target {
			return fmt.Errorf("%d to go", target-have)
		}
		return nil
	})
}

// The pages read from one node, and from no other: each time it is killed their
// streams end, and they must go on when it is back.
func TestPagesMissNothingWhenTheirNodeIsKilled(t *testing.T) {
	chromium := browser.Open(t)
	rng := random(t)
	origin := pages(t)
	c := form(t, plan{args: []string{"--cors-origin", origin}})
	c.namespace("app")
	victim := c.nodes[rng.IntN(len(c.nodes))]
	writer := &author{sdk: c.client(c.key, c.followers(victim)...), rng: rng}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() { writer.run(ctx, t) })
	defer writing.Wait()
	defer stop()

	ticket := c.ticket(victim, c.key, wire.NewTicket{})
	source := victim.url() + ticket.URL + "&after=start"
	module := url.Values{"url": {victim.url()}, "ticket": {ticket.Ticket}}
	cuts := append(cuts(), "status of 503")
	opened := map[string]*browser.Page{
		"EventSource":             chromium.Page(origin+"/eventsource.html?source="+url.QueryEscape(source), cuts...),
		"module over SSE":         chromium.Page(origin+"/module.html?transport=sse&"+module.Encode(), cuts...),
		"module over a WebSocket": chromium.Page(origin+"/module.html?transport=websocket&"+module.Encode(), cuts...),
	}
	for i := range rounds(2, 10) {
		for name, p := range opened {
			p.Await(name+" lists more", fmt.Sprintf("%s > %d", listed, browser.Eval[int](p, listed)+5))
		}
		t.Logf("kill -9 of %s", victim.id)
		victim.kill9()
		writer.more(t, 20+int64(i)*20)
		victim.start()
		c.awaitReady(victim)
		writer.more(t, 10)
	}
	for name, p := range opened {
		p.Await(name+" is back", fmt.Sprintf("%s > %d", listed, browser.Eval[int](p, listed)))
	}
	stop()
	writing.Wait()
	c.compare(opened)
}

// compare holds the lists of pages against the history.
func (c *cluster) compare(opened map[string]*browser.Page) {
	c.t.Helper()
	var want []wire.AuditEvent
	for _, e := range c.oneHistory() {
		if strings.HasPrefix(e.Action, "config.") {
			want = append(want, e)
		}
	}
	for name, p := range opened {
		p.Await(name+" has come to the end", fmt.Sprintf("JSON.parse(document.querySelector('#events li:last-child').textContent).index >= %d", want[len(want)-1].Index))
		got := rows(p)
		for i := range min(len(want), len(got)) {
			if problem := differs(want[i], got[i]); problem != "" {
				c.t.Fatalf("%s: row %d is event %d, want %d: %s", name, i, got[i].Index, want[i].Index, problem)
			}
		}
		if len(got) != len(want) {
			c.t.Errorf("%s lists %d events, the history has %d", name, len(got), len(want))
		}
		c.t.Logf("%s: %d events", name, len(got))
	}
	c.compareViews(opened)
}

// differs says in what an event that a page shows is not that of the history.
func differs(want wire.AuditEvent, got wire.Event) string {
	var data wire.ConfigChange
	if err := json.Unmarshal(got.Data, &data); err != nil {
		return err.Error()
	}
	type identity struct{ position, id, kind, namespace, key, transaction string }
	a := identity{want.Position, want.ID, want.Action, want.Namespace, *want.Key, want.Transaction}
	b := identity{got.Position, got.ID, got.Type, got.Namespace, got.Key, got.Transaction}
	switch {
	case a != b:
		return fmt.Sprintf("%+v, want %+v", b, a)
	case (want.NewValue == nil) != (data.Value == nil):
		return fmt.Sprintf("value %s", data.Value)
	case want.NewValue != nil && text(data.Value) != *want.NewValue:
		return fmt.Sprintf("value %q, want %q", text(data.Value), *want.NewValue)
	}
	return ""
}

// compareViews holds the views of the module against the entries.
func (c *cluster) compareViews(opened map[string]*browser.Page) {
	c.t.Helper()
	var entries []wire.BulkEntry
	if err := c.must(http.StatusOK, c.nodes[0], http.MethodGet, "/api/v1/configs", nil).decode(&entries); err != nil {
		c.t.Fatal(err)
	}
	want := map[string]uint64{}
	for _, e := range entries {
		want[e.Key] = e.Version
	}
	for name, p := range opened {
		if name == "EventSource" {
			continue
		}
		await(c.t, name+" has the entries in its view", func() error { // which has a stream of its own, and reconnects by itself
			got := browser.Eval[map[string]uint64](p, "Object.fromEntries([...live.entries()].map((e) => [e.key, e.version]))")
			if !maps.Equal(got, want) {
				return fmt.Errorf("it has %v, want %v; its status is %v", got, want, browser.Eval[map[string]any](p, "live.status"))
			}
			return nil
		})
		if states := browser.Eval[[]string](p, "states"); len(states) < 3 {
			c.t.Errorf("%s went through %q only: it was never cut", name, states)
		}
	}
}

// reading reads a value in every way that a page has, and says for each what it
// was, or that it was refused.
const reading = `async (module, url, ticket) => {
	const { watch } = await import(module);
	const outcome = {};
	for (const transport of ['sse', 'websocket']) {
		const onState = ({ error }) => { if (error) { outcome[transport] ??= 'refused'; w.close(); } };
		const w = watch({ url, ticket, transport, after: 'start', onState });
		for await (const { event } of w) if (event) { outcome[transport] = event.data.value; break; }
	}
	outcome.eventSource = await new Promise((resolve) => {
		const source = new EventSource(url + '/api/v1/watch?after=start&ticket=' + ticket);
		const end = (what) => { source.close(); resolve(what); };
		source.addEventListener('event', ({ data }) => end(JSON.parse(data).event.data.value));
		source.addEventListener('error', () => end('refused'));
	});
	return outcome;
}`

func TestAPageReadsOnlyWhatItsOriginMay(t *testing.T) {
	chromium := browser.Open(t)
	c := form(t, plan{size: 1})
	n := c.nodes[0]
	c.namespace("app")
	c.must(http.StatusCreated, n, http.MethodPut, entryPath("app", "k"), value("v"))
	ticket := c.ticket(n, c.key, wire.NewTicket{})
	read := func(p *browser.Page) map[string]string {
		return browser.Eval[map[string]string](p, fmt.Sprintf("(%s)('/confman.js', %q, %q)", reading, n.url(), ticket.Ticket))
	}
	own := read(chromium.Page(n.url() + "/"))
	if want := map[string]string{"sse": "v", "websocket": "v", "eventSource": "v"}; !maps.Equal(own, want) {
		t.Errorf("a page of the node's own origin read %v, want %v", own, want)
	}
	other := read(chromium.Page(pages(t)+"/empty.html", append(cuts(), "blocked by CORS policy")...))
	if want := map[string]string{"sse": "refused", "websocket": "refused", "eventSource": "refused"}; !maps.Equal(other, want) {
		t.Errorf("a page of an origin that is not allowed read %v, want %v", other, want)
	}
}
