package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/streams"
)

// pastReaders replay, export and read the past while it goes away.
type pastReaders struct {
	c      *cluster
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	whole   int        // replays that came to their end
	reset   int        // that said why they could not
	gone    int        // requests answered with 410
	read    int        // states of the past
	wrong   []string
	answers map[string]string // first answer for each state
}

func (c *cluster) startPastReaders(rng *rand.Rand) *pastReaders {
	ctx, cancel := context.WithCancel(c.t.Context())
	p := &pastReaders{c: c, cancel: cancel, answers: map[string]string{}}
	for i, n := range c.nodes {
		own := rand.New(rand.NewPCG(rng.Uint64(), 0))
		encoding := []string{wire.EncodingNDJSON, wire.EncodingSSE}[i%2]
		p.done.Go(func() { p.repeat(ctx, func() { p.replay(ctx, n, encoding, own) }) })
		states := rand.New(rand.NewPCG(rng.Uint64(), 0))
		p.done.Go(func() { p.repeat(ctx, func() { p.state(n, states) }) })
	}
	return p
}

func (p *pastReaders) repeat(ctx context.Context, do func()) {
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for ctx.Err() == nil {
		do()
		<-pace.C
	}
}

func (p *pastReaders) note(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *pastReaders) fail(format string, args ...any) {
	p.note(func() { p.wrong = append(p.wrong, fmt.Sprintf(format, args...)) })
}

// replay reads one from the oldest event on, slowly, and checks that what it is
// told has no gap up to a reset.
func (p *pastReaders) replay(ctx context.Context, n *node, encoding string, rng *rand.Rand) {
	r := p.c.replay(n, encoding, "events", "all", "speed", strconv.Itoa(1+rng.IntN(20)), "max_pause", "3ms")
	f, err := streams.Dial(ctx, r.call)
	if err != nil {
		if ctx.Err() == nil {
			p.fail("replay at %s: %v", n.id, err)
		}
		return
	}
	defer f.Close()
	if f.Status == http.StatusGone {
		p.note(func() { p.gone++ })
		return
	}
	f.Patience = patience
	before := uint64(0) // the last event told
	for {
		frame, err := f.Next()
		switch kind := frame.Frame.Frame; {
		case ctx.Err() != nil:
			return
		case err != nil:
			p.fail("replay at %s broke off after event %d: status %d, %v", n.id, before, f.Status, err)
			return
		case kind == wire.FrameReplay && before > 0 && frame.Event.Index != before+1:
			p.fail("replay at %s: event %d after %d", n.id, frame.Event.Index, before)
			return
		case kind == wire.FrameReplay:
			before = frame.Event.Index
		case kind == wire.FrameReset && frame.Reason == wire.ReasonCompacted:
			p.note(func() { p.reset++ })
			return
		case kind == wire.FrameReset:
			p.fail("replay at %s: %v %s", n.id, frame, frame.Detail)
			return
		case kind == wire.FrameReplayEnd && !strings.HasPrefix(frame.Replay.To, fmt.Sprint(before, "-")):
			p.fail("replay at %s ends with event %d, and was to end with %s", n.id, before, frame.Replay.To)
			return
		case kind == wire.FrameReplayEnd:
			if _, err := f.Next(); !errors.Is(err, io.EOF) {
				p.fail("replay at %s: after its end: %v", n.id, err)
			}
			p.note(func() { p.whole++ })
			return
		}
	}
}

// state reads the list of a namespace as of a recent event. It is what it was
// when it was read first, or gone.
func (p *pastReaders) state(n *node, rng *rand.Rand) {
	a, err := p.c.get(n, "/health/ready")
	var ready wire.Ready
	if err == nil {
		err = a.decode(&ready)
	}
	if err != nil {
		p.fail("%s: %v", n.id, err)
		return
	}
	at := 1 + ready.EventIndex - min(ready.EventIndex, rng.Uint64N(3*kept/2))
	path := fmt.Sprintf("/api/v1/namespaces/teams/pay/config?at=%d&resolve=%v", at, rng.IntN(2) == 0)
	if a, err = p.c.get(n, path); err != nil {
		p.fail("%s at %s: %v", path, n.id, err)
		return
	}
	got := a.header.Get(wire.HeaderPosition) + "\n" + string(a.body)
	p.note(func() {
		want, seen := p.answers[path]
		switch {
		case a.status == http.StatusGone && a.problem() == wire.ProblemCompacted:
			p.gone++
		case a.status == http.StatusNotFound && !seen, a.status == http.StatusGatewayTimeout: // not yet
		case a.status != http.StatusOK:
			p.wrong = append(p.wrong, fmt.Sprintf("%s at %s: %v", path, n.id, a))
		case !seen:
			p.answers[path] = got
			p.read++
		case got != want:
			p.wrong = append(p.wrong, fmt.Sprintf("%s at %s: %.300s\nand before: %.300s", path, n.id, got, want))
		default:
			p.read++
		}
	})
}

// awaitTrimmed waits until what is the newest event now is no longer kept.
func (c *cluster) awaitTrimmed() {
	c.t.Helper()
	newest := indexOf(c.t, c.positionNow())
	await(c.t, "the history begins later", func() error {
		a, err := c.get(c.leader(), "/api/v1/audit?limit=1")
		if err != nil {
			return err
		}
		if oldest := a.header.Get("X-Confman-Oldest"); oldest == "" || indexOf(c.t, oldest) <= newest {
			return fmt.Errorf("at %q, want it after %d", oldest, newest)
		}
		return nil
	})
}

func TestRetentionBreaksNoReaderOfThePastWithoutSayingSo(t *testing.T) {
	t.Parallel() // like the next: most of it is waiting
	rng := random(t)
	c := form(t, plan{args: append(calm().args, "--retention-events", fmt.Sprint(kept), "--retention-watch", "0s")})
	tr := c.startTraffic(3, 4*time.Millisecond, rng)
	tr.more(100)
	a, ctx := c.audience(rng, c.nodes...)
	a.narrow = c.mint("narrow", narrow()...).Key
	a.seat(ctx, 4, 1)
	p := c.startPastReaders(rng)
	for range rounds(1, 20) {
		c.awaitTrimmed()
		tr.more(50)
	}
	tr.end()
	a.calm()
	a.single(5)
	a.verify()
	p.cancel()
	p.done.Wait()
	for _, wrong := range p.wrong[:min(5, len(p.wrong))] {
		t.Error(wrong)
	}
	if p.gone == 0 || p.read == 0 || p.whole+p.reset == 0 {
		t.Error("not everything happened that this is about")
	}
	t.Logf("%d replays to their end, %d reset, %d states read, %d answers 410, %d wrong", p.whole, p.reset, p.read, p.gone, len(p.wrong))
}

func TestRetentionGivesTheDiskItsSpaceBack(t *testing.T) {
	t.Parallel()
	rng := random(t)
	c, made := prepareGrown(t, rng, 6*grownEvents(), plan{size: 1, args: []string{"--retention-events", "2000", "--retention-watch", "0s"}})
	n := c.nodes[0]
	views := filepath.Join(n.dir, "views")
	before := treeBytes(t, views)
	n.start()
	c.awaitReady(n)
	keep := slices.Max([]uint64{before / 2, 8 << 20})
	await(t, "the views are smaller", func() error {
		a, err := c.get(n, "/api/v1/audit?limit=1&order=asc")
		if err != nil {
			return err
		}
		if now := treeBytes(t, views); now > keep {
			return fmt.Errorf("%d bytes, %d before, oldest kept %s of %d", now, before, a.header.Get("X-Confman-Oldest"), made.Head.Index)
		}
		return nil
	})
	t.Logf("%d events, %d MiB on disk, now %d MiB", made.Head.Index, before>>20, treeBytes(t, views)>>20)
	n.kill9()
	n.start()
	c.awaitReady(n)
	h := c.historyOf(n)
	for i, e := range h {
		if i > 0 && e.Index != h[i-1].Index+1 {
			t.Fatalf("event %d follows %d", e.Index, h[i-1].Index)
		}
	}
	if uint64(len(h)) < 2000 || uint64(len(h)) > made.Head.Index/2 {
		t.Errorf("%d events are kept", len(h))
	}
}
