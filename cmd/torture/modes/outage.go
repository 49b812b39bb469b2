package modes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"confman/api/client"
	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
)

const (
	knownPath = "/api/v1/namespaces/known"
	known     = "known" // the namespace of views
	starts    = "view starts from its file while the cluster is down"
	isLive    = "view is live again after the cluster is"
)

// outage kills the cluster under a view, and starts others meanwhile: they answer
// with what was last known to be good, and say that it may be old.
func (t *Trial) outage(ctx context.Context) error {
	for _, put := range [][2]string{{knownPath, "{}"}, {knownPath + "/config/k", `{"value":"good"}`}} {
		if err := t.write(ctx, http.MethodPut, put[0], put[1]); err != nil {
			return err
		}
	}
	t.bench.Report.Promise(starts, 0, time.Second)
	t.bench.Report.Promise(isLive, 0, 10*time.Second)
	file := filepath.Join(t.Dir(), "view")
	open, err := t.view(ctx, client.ViewConfig{File: file, StaleAfter: time.Second}, nil)
	if err != nil {
		return err
	}
	defer open.Close() //nolint:errcheck // its file is another's
	saved, err := t.view(ctx, client.ViewConfig{File: file + "-saved"}, nil)
	if err != nil {
		return err
	}
	err = lab.Await(ctx, "the views have the entry", func() error { // a follower may have been behind
		return wrong(append(shows(open, client.SourceLive, "good", false), shows(saved, client.SourceLive, "good", false)...))
	})
	if err = errors.Join(err, saved.Close()); err != nil {
		return err
	}
	var found []check.Finding
	var late *client.View
	_, _, err = t.Strike(ctx, allKilled(), func(fault.Injury) error {
		began := time.Now()
		if late, err = t.view(ctx, client.ViewConfig{File: file + "-saved"}, nil); err != nil {
			found = append(found, says("last known good", "no view while the cluster is down: %v", err))
			return nil //nolint:nilerr // it is what was found
		}
		t.bench.Report.Measure(starts, time.Since(began))
		found = append(found, shows(late, client.SourceFile, "good", true)...)
		found = append(found, t.defaults(ctx)...)
		found = append(found, t.backoff(ctx)...)
		found = append(found, shows(open, client.SourceLive, "good", true)...)
		return nil
	})
	if err != nil {
		return err
	}
	began := time.Now()
	if err := t.write(ctx, http.MethodPut, knownPath+"/config/k", `{"value":"newer"}`); err != nil {
		return err
	}
	for _, v := range []*client.View{open, late} {
		err := within(ctx, 20*time.Second, "a view is live again", func() error {
			return wrong(shows(v, client.SourceLive, "newer", false))
		})
		if t.bench.Report.Measure(isLive, time.Since(began)); err != nil {
			found = append(found, says("last known good", "%v", err))
		}
	}
	t.bench.Report.Judge(fault.ClientSide, "views of a cluster that is down", 3, found)
	t.bench.Logf("views outlived the cluster")
	return late.Close()
}

// view opens a view, by a client of its own, of the namespace unless another is
// named.
func (t *Trial) view(ctx context.Context, config client.ViewConfig, onRetry func(error, time.Duration)) (*client.View, error) {
	if config.Namespace == "" {
		config.Namespace = known
	}
	sdk, err := t.SDKWith(client.Config{Key: t.Key(), OnRetry: onRetry})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return sdk.View(ctx, config)
}

// shows finds fault with what a view says, and what it says of it.
func shows(v *client.View, source, value string, stale bool) []check.Finding {
	status := v.Status()
	e, _ := v.Get("k")
	if status.Source != source || status.Stale != stale || (status.Err != nil) != stale || string(e.Value) != fmt.Sprintf("%q", value) {
		return []check.Finding{says("last known good", "a view says %s, source %s, stale %v, %v; wanted %q, %s, %v", e.Value, status.Source, status.Stale, status.Err, value, source, stale)}
	}
	return nil
}

// wrong is the first finding as an error.
func wrong(found []check.Finding) error {
	if len(found) == 0 {
		return nil
	}
	return errors.New(found[0].String())
}

// defaults opens a view that has no file.
func (t *Trial) defaults(ctx context.Context) []check.Finding {
	v, err := t.view(ctx, client.ViewConfig{Defaults: map[string]json.RawMessage{"k": json.RawMessage(`"default"`)}, DefaultsAfter: 300 * time.Millisecond}, nil)
	if err != nil {
		return []check.Finding{says("last known good", "no view of defaults while the cluster is down: %v", err)}
	}
	defer v.Close() //nolint:errcheck // it has no file
	return shows(v, client.SourceDefaults, "default", true)
}

// What a client may do that nobody answers.
const (
	knocking  = 5 * time.Second
	mostTries = 25 // in that time; with pauses of 50, 100, 200 … ms on average there are about 8
)

// backoff has clients find nobody: each waits longer and longer, and no two the
// same.
func (t *Trial) backoff(ctx context.Context) (found []check.Finding) {
	const clients = 20
	var mu sync.Mutex
	waits := make([][]time.Duration, clients)
	ctx, cancel := context.WithTimeout(ctx, knocking)
	defer cancel()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			v, err := t.view(ctx, client.ViewConfig{}, func(_ error, wait time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				waits[i] = append(waits[i], wait)
			})
			if err == nil {
				_ = v.Close() // it has no file
			}
		})
	}
	all.Wait()
	var first, late []time.Duration
	for i, own := range waits {
		if len(own) < 3 || len(own) > mostTries {
			found = append(found, says("backoff", "client %d tried %d times in %v", i, len(own), knocking))
			continue
		}
		first, late = append(first, own[0]), append(late, slices.Max(own))
		if slices.Max(own) > 5*time.Second {
			found = append(found, says("backoff", "client %d waits %v", i, slices.Max(own)))
		}
	}
	slices.Sort(first)
	short, _ := summary(first)
	long, _ := summary(late)
	if different := len(slices.Compact(first)); different < clients/2 {
		found = append(found, says("jitter", "%d clients waited %d different times at first", clients, different))
	}
	if long < 4*short {
		found = append(found, says("backoff", "clients waited %v at first, and %v at most (medians)", short, long))
	}
	return found
}
