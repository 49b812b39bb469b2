package modes

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/lab"
)

// crowd is watchers by the SDK, all of the same namespace, from the same position.
type crowd struct {
	lab    *lab.Lab
	from   uint64
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	heard   [][]uint64 // by watcher: indexes of events, as they came
	failed  []error
	retries []time.Time // when a watcher was to connect again
}

// manyWatchers are so many that ten share an SDK client, as those of one program do.
const manyWatchers = 100

// crowd starts watchers. They know some nodes, all if none are named. End it.
func (t *Trial) crowd(ctx context.Context, watchers int, config client.Config, nodes ...*lab.Node) (*crowd, error) {
	at, err := t.position(ctx)
	if err != nil {
		return nil, err
	}
	c := &crowd{lab: t.Lab, heard: make([][]uint64, watchers)}
	digits, _, _ := strings.Cut(at, "-")
	if c.from, err = strconv.ParseUint(digits, 10, 64); err != nil {
		return nil, fmt.Errorf("position %q: %w", at, err)
	}
	config.Key = t.Key()
	config.OnRetry = c.retrying
	ctx, c.cancel = context.WithCancel(ctx)
	var sdk *client.Client
	for i := range watchers {
		if watchers < manyWatchers || i%10 == 0 {
			if sdk, err = t.SDKWith(config, nodes...); err != nil {
				c.end()
				return nil, err
			}
		}
		watcher := sdk
		c.done.Go(func() { c.watch(ctx, i, watcher, at) })
	}
	return c, nil
}

// position is where the cluster stands: a node that leads tells.
func (t *Trial) position(ctx context.Context) (string, error) {
	leader, err := t.Leader(ctx)
	if err != nil {
		return "", err
	}
	now, err := t.Cluster(ctx, leader)
	return now.Position, err
}

func (c *crowd) retrying(_ error, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retries = append(c.retries, time.Now().Add(wait))
}

func (c *crowd) watch(ctx context.Context, who int, sdk *client.Client, after string) {
	for f, err := range sdk.Watch(ctx, client.WatchRequest{Namespaces: []string{crowded}, After: after}) {
		c.mu.Lock()
		switch {
		case err != nil && ctx.Err() == nil:
			c.failed = append(c.failed, fmt.Errorf("watcher %d: %w", who, err))
		case f.Event != nil:
			c.heard[who] = append(c.heard[who], f.Event.Index)
		}
		c.mu.Unlock()
	}
}

// end ends all watchers.
func (c *crowd) end() {
	c.cancel()
	c.done.Wait()
}

// arrive waits until every watcher has what was the newest event of the namespace
// when it was called.
func (c *crowd) arrive(ctx context.Context, what string) []check.Finding {
	log, err := c.log(ctx)
	if err != nil || len(log) == 0 {
		return []check.Finding{says("streams", "%s: nothing to hear of: %v", what, err)}
	}
	last := log[len(log)-1]
	err = lab.Await(ctx, "every watcher has the newest event", func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		late := 0
		for _, heard := range c.heard {
			if len(heard) == 0 || heard[len(heard)-1] < last {
				late++
			}
		}
		if late > 0 {
			return fmt.Errorf("%d of %d have not", late, len(c.heard))
		}
		return nil
	})
	if err != nil {
		return []check.Finding{says("streams", "%s: %v", what, err)}
	}
	return nil
}

// log is the indexes of all events of the namespace since the crowd began.
func (c *crowd) log(ctx context.Context) (log []uint64, err error) {
	leader, err := c.lab.Leader(ctx)
	if err != nil {
		return nil, err
	}
	sdk, err := c.lab.SDK(c.lab.Key(), leader)
	if err != nil {
		return nil, err
	}
	query := client.AuditQuery{Namespace: crowded, Action: "config.*", After: strconv.FormatUint(c.from, 10), Ascending: true}
	for e, err := range sdk.Audit(ctx, query, client.Read{Linearizable: true}) {
		if err != nil {
			return nil, err
		}
		log = append(log, e.Index)
	}
	return log, nil
}

// verify ends the crowd and finds fault with watchers that were not told every
// event once and in order.
func (c *crowd) verify(ctx context.Context, what string) (found []check.Finding) {
	if found = c.arrive(ctx, what); len(found) > 0 {
		return found
	}
	c.end()
	log, err := c.log(ctx)
	if err != nil {
		return []check.Finding{says("streams", "%s: %v", what, err)}
	}
	for _, err := range c.failed {
		found = append(found, says("streams", "%s: %v", what, err))
	}
	for who, heard := range c.heard {
		if len(heard) > len(log) || !slices.Equal(heard, log[:min(len(heard), len(log))]) {
			found = append(found, says("streams", "%s: watcher %d heard %s", what, who, differ(heard, log)))
		}
	}
	return found
}

// differ says where two lists of indexes part.
func differ(got, want []uint64) string {
	for i, index := range got {
		if i >= len(want) || index != want[i] {
			return fmt.Sprintf("%d events, of which number %d is %d; the history has %v", len(got), i+1, index, want[min(i, len(want)):min(i+3, len(want))])
		}
	}
	return fmt.Sprintf("%d of %d events", len(got), len(want))
}

// spread finds fault with watchers that connect again at the same moment.
func (c *crowd) spread() []check.Finding {
	c.mu.Lock()
	defer c.mu.Unlock()
	const moment = 5 * time.Millisecond
	at := map[time.Time]int{}
	most := 0
	for _, again := range c.retries {
		m := again.Truncate(moment)
		at[m]++
		most = max(most, at[m])
	}
	if tries := len(c.retries); tries >= 50 && most > tries/2 {
		return []check.Finding{says("jitter", "%d of %d connections were to be made within %v", most, tries, moment)}
	}
	return nil
}

// text is a string as a value.
func text(s string) wire.PutConfig {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string can be encoded
	}
	return wire.PutConfig{Value: raw, Type: wire.TypeString}
}
