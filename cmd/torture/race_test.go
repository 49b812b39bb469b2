package torture

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"confman/api/client"
	"confman/api/wire"
)

// racers write to one thing on condition that it is as they know it, each through
// a node of its own.
type racers struct {
	// write puts a value if the thing still has a tag, and returns its new tag.
	write func(by *client.Client, text string, tag uint64) (now uint64, err error)
	// read reads the value.
	read func(at *client.Client) (text string, err error)
}

// race has one writer per node write at once, and returns the tag after it.
func (r racers) race(t *testing.T, writers []*client.Client, round int, tag uint64) (next uint64) {
	t.Helper()
	texts, tags, errs := make([]string, len(writers)), make([]uint64, len(writers)), make([]error, len(writers))
	var start, done sync.WaitGroup
	start.Add(1)
	for i, w := range writers {
		texts[i] = fmt.Sprintf("round %d by %d", round, i)
		done.Go(func() {
			start.Wait()
			tags[i], errs[i] = r.write(w, texts[i], tag)
		})
	}
	start.Done()
	done.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("round %d: %q and %q were both written over %d", round, texts[winner], texts[i], tag)
		case err == nil:
			winner = i
		case !errors.Is(err, client.ErrConditionFailed):
			t.Fatalf("round %d by %d: %v, want it to fail by its condition", round, i, err)
		}
	}
	if winner < 0 {
		t.Fatalf("round %d: nobody wrote over %d: %v", round, tag, errs)
	}
	if got, err := r.read(writers[round%len(writers)]); err != nil || got != texts[winner] {
		t.Fatalf("round %d: there is %q, %v; %q was written", round, got, err, texts[winner])
	}
	return tags[winner]
}

func TestOfWritersWithOneConditionAtDifferentNodesExactlyOneWins(t *testing.T) {
	c := form(t, calm())
	c.namespace("app")
	ctx := t.Context()
	var writers []*client.Client
	for _, n := range c.nodes {
		writers = append(writers, c.client(c.key, n))
	}
	things := map[string]racers{
		"entry": {
			write: func(by *client.Client, text string, tag uint64) (uint64, error) {
				e, err := by.Put(ctx, "app", "k", value(text), client.Write{IfVersion: &tag})
				return e.Version, err
			},
			read: func(at *client.Client) (string, error) {
				e, err := at.Get(ctx, "app", "k", client.Read{Linearizable: true})
				return text(e.Value), err
			},
		},
		"draft": {
			write: func(by *client.Client, text string, tag uint64) (uint64, error) {
				d, err := by.PutDraft(ctx, "app", "k", wire.PutDraft{Value: value(text).Value, Type: wire.TypeString}, client.Write{IfRevision: &tag})
				return d.Revision, err
			},
			read: func(at *client.Client) (string, error) {
				d, err := at.Draft(ctx, "app", "k", client.Read{Linearizable: true})
				return text(d.Value), err
			},
		},
		"schema": {
			write: func(by *client.Client, text string, tag uint64) (uint64, error) {
				s, err := by.PutSchema(ctx, "app", wire.PutSchema{Schema: json.RawMessage(fmt.Sprintf(`{"title":%q}`, text))}, client.Write{IfRevision: &tag})
				return s.Index, err
			},
			read: func(at *client.Client) (string, error) {
				s, err := at.Schema(ctx, "app", false, client.Read{Linearizable: true})
				return strings.TrimSuffix(strings.TrimPrefix(string(s.Schema), `{"title":"`), `"}`), err
			},
		},
	}
	for name, thing := range things {
		t.Run(name, func(t *testing.T) {
			tag := uint64(0)
			for round := range rounds(200, 2000) {
				tag = thing.race(t, writers, round, tag)
			}
		})
	}
}
