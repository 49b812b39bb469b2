package modes

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/streams"
)

// What stuck readers may cost a node, each, in bytes; and what is written beside
// them, enough to fill all that is held for a reader.
const (
	stuckMost   = 256 << 10
	kernelMost  = 288 << 10 // twice the send buffer that is asked for, and a packet
	stuffed     = 150
	stuffedSize = 4 << 10
)

// stuck opens streams that nobody reads, and writes much. Beside them others go
// on, and the node lets go of them. It collects its garbage often, so that what it
// takes is what it holds.
func stuck(ctx context.Context, b *Bench) error {
	const readers = 300
	l, err := b.Lab(ctx, lab.Config{Nodes: 1, Env: []string{"GOGC=10"}})
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // what matters has been seen
	if err := l.Form(ctx); err != nil {
		return err
	}
	t, n := &Trial{Lab: l, bench: b}, l.Nodes()[0]
	if err := t.write(ctx, http.MethodPut, "/api/v1/namespaces/"+crowded, "{}"); err != nil {
		return err
	}
	before, err := t.stuff(ctx, "before")
	if err != nil {
		return err
	}
	leave, err := t.sit(ctx, n, readers)
	defer leave()
	if err != nil {
		return err
	}
	c, err := t.crowd(ctx, 3, client.Config{}, n)
	if err != nil {
		return err
	}
	defer c.end()
	now, err := t.stuff(ctx, "beside")
	if err != nil {
		return err
	}
	found := c.verify(ctx, "beside stuck readers")
	queued, err := unsent(n)
	if err != nil {
		return err
	}
	each, held := int64(now-before)/int64(readers), queued/int64(readers)
	b.Logf("%d readers of %s are stuck: %d KiB of memory and %d KiB in the kernel each", readers, n.ID, each>>10, held>>10)
	if each > stuckMost || held > kernelMost || held == 0 {
		found = append(found, says("memory", "%d readers of %s are stuck, each takes %d KiB of memory and %d KiB in the kernel", readers, n.ID, each>>10, held>>10))
	}
	if !b.Quick() {
		found = append(found, t.letGo(ctx, n, readers/4)...)
	}
	b.Report.Judge(fault.ClientSide, "readers that are stuck", readers, found)
	return nil
}

// sit opens streams that nobody reads, until leave.
func (t *Trial) sit(ctx context.Context, n *lab.Node, readers int) (leave func(), err error) {
	var feeds []*streams.Feed
	leave = func() {
		for _, f := range feeds {
			f.Close()
		}
	}
	for i := range readers {
		f, err := streams.Dial(ctx, streams.Call{
			Address: n.Address, Key: t.Key(), Encoding: []string{wire.EncodingSSE, wire.EncodingNDJSON}[i%2],
			Filter: streams.Filter{Namespaces: []string{crowded}}, After: wire.AfterNow, Buffer: 16 << 10, Dial: t.Dial,
		})
		if err != nil {
			return leave, fmt.Errorf("open a stream at %s: %w", n.ID, err)
		}
		if feeds = append(feeds, f); f.Status != http.StatusOK {
			return leave, fmt.Errorf("open a stream at %s: %d %s", n.ID, f.Status, f.Problem.Detail)
		}
	}
	return leave, nil
}

// stuff writes much to the namespace, and returns how much memory its only node has
// in use then, in bytes.
func (t *Trial) stuff(ctx context.Context, what string) (used float64, err error) {
	for i := range stuffed {
		body := fmt.Sprintf(`{"value":"%s-%d-%s"}`, what, i, strings.Repeat("x", stuffedSize))
		if err := t.write(ctx, http.MethodPut, fmt.Sprintf("/api/v1/namespaces/%s/config/large-%d", crowded, i%5), body); err != nil {
			return 0, err
		}
	}
	for _, name := range []string{"go_memstats_heap_alloc_bytes", "go_memstats_stack_inuse_bytes"} {
		bytes, err := t.metric(ctx, t.Nodes()[0], name)
		if err != nil {
			return 0, err
		}
		used += bytes
	}
	return used, nil
}

// letGo waits until a node serves fewer watches by SSE than so many: it gives up those
// that take nothing for 30 s.
func (t *Trial) letGo(ctx context.Context, n *lab.Node, fewer int) []check.Finding {
	err := lab.Await(ctx, n.ID+" lets go of readers that are stuck", func() error {
		serves, err := t.metric(ctx, n, `confman_watches{encoding="sse"}`)
		if err == nil && int(serves) >= fewer {
			err = fmt.Errorf("it serves %v", serves)
		}
		return err
	})
	if err != nil {
		return []check.Finding{says("stuck", "%v", err)}
	}
	return nil
}

// unsent is how much the kernel holds in the connections of a node's clients that
// they have not taken, in bytes.
func unsent(n *lab.Node) (total int64, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/net/tcp", n.PID()))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	_, port, _ := strings.Cut(n.Address, ":")
	number, err := strconv.Atoi(port)
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // sl local remote state tx:rx …, in hexadecimal
		if len(fields) < 5 || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", number)) {
			continue
		}
		queue, _, _ := strings.Cut(fields[4], ":")
		bytes, err := strconv.ParseInt(queue, 16, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", f.Name(), err)
		}
		total += bytes
	}
	return total, nil
}
