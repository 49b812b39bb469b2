package modes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/load"
	"confman/cmd/torture/streams"
)

// Trial is a cluster under load.
type Trial struct {
	*lab.Lab
	Load    *load.Load
	Journal *fault.Journal

	bench   *Bench
	began   time.Time
	vitals  map[string]check.Vitals // before the load
	term    uint64
	loaded  time.Time
	renewed int // nodes that were put in the place of others
}

// Trial forms a cluster and puts it under load. What the configs leave out is the
// bench's. Close it.
func (b *Bench) Trial(ctx context.Context, c lab.Config, work load.Config) (_ *Trial, err error) {
	t := &Trial{Journal: &fault.Journal{}, bench: b, began: time.Now(), vitals: map[string]check.Vitals{}}
	if t.Lab, err = b.Lab(ctx, c); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	if err := t.Form(ctx); err != nil {
		return nil, fmt.Errorf("form a cluster: %w", err)
	}
	for _, n := range t.Nodes() {
		if t.vitals[n.ID], err = check.Measure(ctx, t.Lab, n); err != nil {
			return nil, err
		}
	}
	if work.Seed == 0 {
		work.Seed = b.Seed
	}
	if t.Load, err = load.Start(ctx, t.Lab, work); err != nil {
		return nil, fmt.Errorf("start the load: %w", err)
	}
	t.loaded = time.Now()
	t.term, err = t.maxTerm(ctx)
	b.Logf("%d nodes are up and under load", len(t.Nodes()))
	return t, err
}

// maxTerm is the highest Raft term that a node knows.
func (t *Trial) maxTerm(ctx context.Context) (term uint64, err error) {
	for _, n := range t.Nodes() {
		r, err := t.Ready(ctx, n)
		if err != nil {
			return 0, err
		}
		term = max(term, r.Cluster.Term)
	}
	return term, nil
}

// Close ends the load and the cluster.
func (t *Trial) Close() error {
	if t.Load != nil {
		t.Load.Close()
	}
	return t.Lab.Close()
}

// Calm lets the load run for a while with nothing wrong.
func (t *Trial) Calm(ctx context.Context, long time.Duration) {
	select {
	case <-time.After(long):
	case <-ctx.Done():
	}
}

// Strike makes a fault as [fault.Journal.Strike] does, and measures how long
// nobody could write.
func (t *Trial) Strike(ctx context.Context, f fault.Fault, during func(fault.Injury) error) (e fault.Entry, gap time.Duration, err error) {
	e, err = t.Journal.Strike(ctx, t.Lab, f, t.bench.RNG, during)
	t.struck(e)
	if err != nil {
		return e, 0, err
	}
	gap = t.Load.Record.Gap(e.From, e.To)
	t.bench.Logf("%s (%s): %.1f s, longest write gap %v, ready %v after healing", f.Name, strings.Join(e.Nodes, ", "),
		e.Healed.Sub(e.From).Seconds(), gap.Round(time.Millisecond), e.To.Sub(e.Healed).Round(time.Millisecond))
	t.bench.Report.fault(e, gap)
	return e, gap, nil
}

// struck finds fault with nodes that ended by themselves.
func (t *Trial) struck(e fault.Entry) {
	for _, ended := range e.Ended {
		t.bench.Report.Violate(check.Finding{Check: "processes", Says: fmt.Sprintf("%s ended by itself during %q", ended, e.Fault)})
	}
}

// judging is how long it may take to judge the operations on one register.
const judging = time.Minute

// Verify ends the load, which every node must be ready for, and checks all that
// was promised. Its error is that something could not be checked; what is wrong is
// in the report.
func (t *Trial) Verify(ctx context.Context) error {
	r, record := t.bench.Report, t.Load.Record
	if err := t.AwaitReady(ctx, t.Nodes()...); err != nil {
		return err
	}
	t.Load.Stop()
	r.counted(record.Counts())
	r.Violate(record.Violations()...)
	if term, err := t.maxTerm(ctx); err == nil {
		r.note(func(r *Report) { r.Elections += int(term - t.term) })
	}
	found, position, err := check.Agree(ctx, t.Lab)
	if err != nil {
		r.Violate(check.Finding{Check: "C3", Says: err.Error()})
		return nil //nolint:nilerr // that they do not agree is the finding
	}
	r.Judge("C3", "chain of all nodes", len(t.Nodes()), found)
	n := t.Nodes()[t.bench.RNG.IntN(len(t.Nodes()))]
	h, err := check.Audit(ctx, t.Lab, n)
	if err != nil {
		return err
	}
	chained, err := check.Chain(ctx, t.Lab, n, position)
	if err != nil {
		return err
	}
	r.Judge("C2", "events in the chain", len(h), append(chained, h.Dense()...))
	r.Judge("C2", "acknowledged writes", len(record.Acked()), h.Kept(record.Acked()))
	r.Judge("C8", "published requests", len(record.Published()), h.Live(record.Published()))
	r.Judge("C1", "operations on registers", len(record.Operations()), check.Linearizable(h.Settled(load.Registers, record.Operations()), judging, t.Dir()))
	t.verifyTold(ctx, h)
	return t.verifyNodes(ctx, n, h)
}

// verifyTold checks what streams and reads told.
func (t *Trial) verifyTold(ctx context.Context, h check.History) {
	r, record := t.bench.Report, t.Load.Record
	log, err := streams.NewLog(h)
	if err != nil {
		return // a hole, and C2 has found it
	}
	all, late := t.Load.Watched(ctx, log)
	for _, says := range late {
		r.Violate(check.Finding{Check: "C4", Says: says})
	}
	frames := 0
	for _, s := range all {
		for _, leg := range s.Legs {
			frames += len(leg.Frames)
		}
	}
	r.Judge("C4", "frames of streams", frames, check.Streams(log, all, t.breaks(), log.Head()))
	r.Judge("C5", "local reads and reads of the past", len(record.Reads()), check.Reads(log, record.Reads()))
}

// verifyNodes checks what the nodes are like when it is over.
func (t *Trial) verifyNodes(ctx context.Context, n *lab.Node, h check.History) error {
	r := t.bench.Report
	events, err := check.Events(ctx, t.Lab, n, uint64(len(h)))
	if err != nil {
		return err
	}
	r.Judge("C8", "events about review", len(events), check.FourEyes(events, load.Governed, load.Approvers))
	said, err := check.Logs(t.Lab, t.windows())
	if err != nil {
		return err
	}
	r.Judge("C7", "logs", len(t.Nodes()), said)
	t.HTTP().CloseIdleConnections() // each is a goroutine of a node
	wear, leaks, err := check.Leaks(ctx, t.Lab, t.vitals)
	if err != nil {
		return err
	}
	r.Judge("C6", "nodes' goroutines, descriptors and memory", len(wear), leaks)
	r.note(func(r *Report) { r.Wear = append(r.Wear, wear...) })
	return nil
}

// breaks are the times in which streams may end without a word.
func (t *Trial) breaks() (all []streams.Break) {
	for _, e := range t.Journal.Entries() {
		for _, id := range e.Nodes {
			all = append(all, streams.Break{Node: id, Told: e.Told, From: e.From, To: e.To})
		}
	}
	return all
}

// after is how long what a fault broke may be complained about.
const after = 10 * time.Second

// windows are the times in which nodes may log errors.
func (t *Trial) windows() []check.Window {
	all := []check.Window{{From: t.began, To: t.loaded}}
	for _, e := range t.Journal.Entries() {
		all = append(all, check.Window{From: e.From, To: e.To.Add(after)})
	}
	return all
}
