package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"confman/api/wire"
)

// askTimeout is how long other members have to answer a question.
const askTimeout = time.Second

// maxAnswer bounds one page of another member's answer, in bytes.
const maxAnswer = 8 << 20

// reported is what another member said.
type reported[T any] struct {
	member string // its ID
	answer T
	err    error // it is silent
}

// askMembers asks all other members at once, with the credentials of the caller, who
// is the same to them. The certificate of a client cannot be passed on: to its bearer
// the other members are silent. When it is not known who they are, nobody is asked.
func askMembers[T any](x *exchange, ask func(context.Context, wire.Member) (T, error)) (answers []reported[T]) {
	looking, done := x.within(askTimeout)
	defer done()
	status, err := x.Cluster.Status(looking)
	if err != nil {
		x.Log.Debug().Err(err).Str("correlationId", x.correlation).Msg("the members are not known, so they are not asked")
		return nil
	}
	ctx, cancel := x.within(askTimeout)
	defer cancel()
	var asked sync.WaitGroup
	answers = make([]reported[T], 0, len(status.Members))
	for _, m := range status.Members {
		if m.ID == x.NodeID {
			continue
		}
		answers = append(answers, reported[T]{member: m.ID})
		to := &answers[len(answers)-1]
		asked.Go(func() { to.answer, to.err = ask(ctx, m) })
	}
	asked.Wait()
	for _, a := range answers {
		if a.err != nil {
			x.Log.Debug().Err(a.err).Str("member", a.member).Str("correlationId", x.correlation).Msg("a member did not answer")
		}
	}
	return answers
}

// askMember reads what a member answers to GET at an address, and the address of the
// next page; "" when there is none.
func (x *exchange) askMember(ctx context.Context, at string, into any) (next string, err error) {
	if x.Outside.Members == nil {
		return "", fmt.Errorf("ask %s: no transport is configured", at)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"X-Api-Key", "Authorization", "Cookie"} {
		request.Header[name] = x.r.Header[name]
	}
	request.Header.Set(wire.HeaderCorrelationID, x.correlation)
	answer, err := x.Outside.Members.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d: %.200s", answer.StatusCode, body)
	}
	link, _, more := strings.Cut(strings.TrimPrefix(answer.Header.Get("Link"), "<"), ">")
	if err := json.Unmarshal(body, into); err != nil || !more {
		return "", err
	}
	target, err := request.URL.Parse(link)
	if err != nil || target.Host != request.URL.Host {
		return "", fmt.Errorf("the link to the next page is %.200q", link)
	}
	return target.String(), nil
}
