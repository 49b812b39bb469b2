package modes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"confman/cmd/torture/lab"
)

// Fill writes at the leader until the Raft log has so many more entries.
func (t *Trial) Fill(ctx context.Context, entries uint64) error {
	leader, err := t.Leader(ctx)
	if err != nil {
		return err
	}
	at, err := t.Cluster(ctx, leader)
	if err != nil {
		return err
	}
	if err := t.put(ctx, "/api/v1/namespaces/fill", "{}"); err != nil {
		return fmt.Errorf("fill the log: %w", err)
	}
	const writers = 6 // more would share entries
	var writing sync.WaitGroup
	failed := make([]error, writers)
	for w := range writers {
		writing.Go(func() {
			for i := 0; failed[w] == nil; i++ {
				body := fmt.Sprintf(`{"value":"%d-%d-%d"}`, at.RaftIndex, w, i)
				if err := t.put(ctx, fmt.Sprintf("/api/v1/namespaces/fill/config/fill-%d", (w+writers*i)%500), body); err != nil {
					failed[w] = fmt.Errorf("fill the log: %w", err)
					return
				}
				if i%50 != 0 {
					continue
				}
				if now, err := t.Cluster(ctx, leader); err == nil && now.RaftIndex >= at.RaftIndex+entries {
					return
				}
			}
		})
	}
	writing.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

// put writes at whoever leads, again when nobody does at that moment.
func (t *Trial) put(ctx context.Context, path, body string) error {
	var refused error // for good
	err := lab.Await(ctx, "a write to "+path, func() error {
		leader, err := t.leads(ctx)
		if err != nil {
			return err
		}
		a, err := t.Do(ctx, leader, http.MethodPut, path, body)
		switch {
		case err != nil:
			return err
		case a.Status >= http.StatusInternalServerError || a.Status == http.StatusTemporaryRedirect || a.Status == http.StatusTooManyRequests:
			return errors.New(a.String())
		case a.Status >= http.StatusBadRequest:
			refused = errors.New(a.String())
		}
		return nil
	})
	return errors.Join(err, refused)
}
