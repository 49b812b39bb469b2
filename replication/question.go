package replication

import (
	"context"
	"io"
	"net/http"
	"sync"
)

// Answerer answers one question of other members, which [AskMembers] asks by its
// name in Config.Questions. What it is asked comes as JSON, and what it returns is
// sent as JSON; both have a megabyte at most.
type Answerer func(asked []byte) (any, error)

// answerer reads a question and has it answered.
func answerer(a Answerer) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		asked, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, refusal(http.StatusBadRequest, "the question is not readable: %v", err)
		}
		return a(asked)
	}
}

// AskMembers asks all other members one question at once. It returns the answers of
// those that gave one in time, and the IDs of the others, both in no order. A node
// that is not part of a cluster has nobody to ask.
func AskMembers[A any](ctx context.Context, n *Node, name string, question any) (answers []A, silent []string) {
	e := n.engine.Load()
	if e == nil {
		return nil, nil
	}
	var asked sync.WaitGroup
	var mu sync.Mutex
	for _, s := range e.servers() {
		if string(s.ID) == n.config.ID {
			continue
		}
		asked.Go(func() {
			var a A
			err := n.ask.call(ctx, string(s.Address), pathQuestions+name, question, &a)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				n.config.Log.Debug().Err(err).Str("member", string(s.ID)).Str("question", name).Msg("a member does not answer")
				silent = append(silent, string(s.ID))
				return
			}
			answers = append(answers, a)
		})
	}
	asked.Wait()
	return answers, silent
}
