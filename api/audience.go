package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"confman/api/wire"
	"confman/events"
)

// askTimeout is how long other members have to say which watches they serve.
const askTimeout = time.Second

// maxAnswer bounds one page of another member's watches, in bytes.
const maxAnswer = 8 << 20

// audience is who watches now, on all members, as far as the caller may see it:
// what GET /api/v1/watches shows.
type audience struct {
	watches []wire.Watching
	nodes   []string // that answered
	silent  []string // that did not
}

// audience asks all members with the credentials of the caller, who is the same to
// them. The certificate of a client cannot be passed on: to its bearer the other
// members are silent.
func (x *exchange) audience() (a audience) {
	a.watches = x.watchesHere()
	a.nodes = []string{x.NodeID}
	looking, done := x.within(askTimeout)
	defer done()
	status, err := x.Cluster.Status(looking)
	if err != nil {
		x.Log.Debug().Err(err).Str("correlationId", x.correlation).Msg("the members are not known, so their watches are not counted")
		return a
	}
	ctx, cancel := x.within(askTimeout)
	defer cancel()
	var asked sync.WaitGroup
	answers := make([][]wire.Watching, len(status.Members))
	failures := make([]error, len(status.Members))
	for i, m := range status.Members {
		if m.ID != x.NodeID {
			asked.Go(func() { answers[i], failures[i] = x.watchesOf(ctx, m) })
		}
	}
	asked.Wait()
	for i, m := range status.Members {
		switch err := failures[i]; {
		case m.ID == x.NodeID:
		case err != nil:
			x.Log.Debug().Err(err).Str("member", m.ID).Str("correlationId", x.correlation).Msg("watches not told")
			a.silent = append(a.silent, m.ID)
		default:
			a.nodes = append(a.nodes, m.ID)
			a.watches = append(a.watches, answers[i]...)
		}
	}
	slices.Sort(a.nodes)
	return a
}

// watchesHere are the watches of this node that the caller may see.
func (x *exchange) watchesHere() (watches []wire.Watching) {
	for _, w := range x.streams.List() {
		if x.administersAll(w.Filter.Namespaces) {
			watches = append(watches, x.wireWatching(w))
		}
	}
	return watches
}

// watchesOf asks one member, page by page.
func (x *exchange) watchesOf(ctx context.Context, m wire.Member) (all []wire.Watching, err error) {
	if x.Outside.Members == nil {
		return nil, fmt.Errorf("ask member %s: no transport is configured", m.ID)
	}
	next := x.url(m.Address) + "api/v1/watches"
	for next != "" {
		var page []wire.Watching
		if page, next, err = x.watchesAt(ctx, next); err != nil {
			return nil, fmt.Errorf("ask member %s for its watches: %w", m.ID, err)
		}
		all = append(all, page...)
	}
	return all, nil
}

// watchesAt reads one page and the address of the next.
func (x *exchange) watchesAt(ctx context.Context, at string) (page []wire.Watching, next string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, "", err
	}
	for _, name := range []string{"X-Api-Key", "Authorization", "Cookie"} {
		request.Header[name] = x.r.Header[name]
	}
	request.Header.Set(wire.HeaderCorrelationID, x.correlation)
	answer, err := x.Outside.Members.RoundTrip(request)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, "", err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("status %d: %.200s", answer.StatusCode, body)
	}
	link, _, more := strings.Cut(strings.TrimPrefix(answer.Header.Get("Link"), "<"), ">")
	if err := json.Unmarshal(body, &page); err != nil || !more {
		return page, "", err
	}
	target, err := request.URL.Parse(link)
	if err != nil || target.Host != request.URL.Host {
		return nil, "", fmt.Errorf("the link to the next page is %.200q", link)
	}
	return page, target.String(), nil
}

// reached are the watches that would receive a change of an entry.
func (x *exchange) reached(watches []wire.Watching, kind events.Kind, namespace, key string) (indexes []int) {
	for i, w := range watches {
		if selected(w, kind, namespace, key) && x.mayReceive(w, namespace, key) {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// selected reports whether the filter of a watch selects an event.
func selected(w wire.Watching, kind events.Kind, namespace, key string) bool {
	if w.Key != "" && w.Key != key || !strings.HasPrefix(key, w.Prefix) {
		return false
	}
	within := func(n string) bool { return events.Within(namespace, n) }
	if len(w.Namespaces) > 0 && !slices.ContainsFunc(w.Namespaces, within) {
		return false
	}
	return w.Events == wire.EventsAll || slices.ContainsFunc(strings.Split(w.Events, ","), kind.Matches)
}

// mayReceive reports whether whoever watches may read the entry. Of who watches
// without an API key not all is known here; they count.
func (x *exchange) mayReceive(w wire.Watching, namespace, key string) bool {
	if w.KeyID == "" {
		return true
	}
	return x.state.APIKey(w.KeyID).Bearer(x.state).Can(events.Viewer, namespace, key)
}
