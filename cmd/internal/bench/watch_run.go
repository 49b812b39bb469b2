package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"confman/api/wire"
	"confman/cmd/internal/cli"
)

// watchRun is one run of the command that measures watches.
type watchRun struct {
	options   watchOptions
	env       cli.Env
	dir       string // for data, on the disk that is measured; gone afterwards
	report    watchReport
	table     watchTable
	start     func(context.Context, watching) (target, error)
	floors    map[floorKey]float64 // rates
	unwatched map[int]float64      // medians of writes, by writers
}

// floorKey is what a floor and what stands on it have in common.
type floorKey struct {
	encoding           string
	connections, batch int
}

// measureWatches does everything that the options ask for and prints it. Watches
// that deviated are its error.
func measureWatches(ctx context.Context, o watchOptions, env cli.Env) (err error) {
	r := &watchRun{options: o, env: env, table: watchTable{io.Discard}}
	r.start = r.startTarget
	if o.output == "table" {
		r.table.w = env.Stdout
	}
	if r.dir, err = os.MkdirTemp(o.data, "confman-bench-"); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	defer os.RemoveAll(r.dir)
	if r.report.Machine, err = thisMachine(env.Version, r.dir); err != nil {
		return err
	}
	served := "leader"
	if o.follower {
		served = "follower"
	}
	r.report.Setup = watchSetup{
		Nodes: o.nodes, Served: served, ValueBytes: o.valueBytes, WarmUp: o.warmUp().Seconds(), Duration: o.duration.Seconds(),
	}
	r.table.begin(r.report.Machine, r.report.Setup)
	return r.all(ctx)
}

// all makes every measurement.
func (r *watchRun) all(ctx context.Context) (wrong error) {
	r.floors, r.unwatched = map[floorKey]float64{}, map[int]float64{}
	for _, w := range r.options.measurements() {
		rows, err := r.one(ctx, w)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", w.name, err), ctx.Err())
		}
		for _, row := range rows {
			r.add(row)
			if row.Deviation != "" {
				wrong = errors.Join(wrong, fmt.Errorf("%s: %s", row.Name, row.Deviation))
			}
		}
	}
	if r.options.output == "json" {
		wrong = errors.Join(wrong, printJSON(r.env.Stdout, r.report))
	}
	return wrong
}

// one is one measurement, on a cluster or a floor of its own: what came before
// would show in its memory.
func (r *watchRun) one(ctx context.Context, w watching) (rows []watchRow, err error) {
	busy, err := busyNow(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{watching: w, options: r.options}
	if s.target, err = r.start(ctx, w); err != nil {
		return nil, err
	}
	defer s.close()
	rows, err = s.run(ctx)
	for i := range rows {
		rows[i].Busy = busy
	}
	return rows, err
}

func (r *watchRun) startTarget(ctx context.Context, w watching) (target, error) {
	o := r.options
	if w.floor {
		return openWatchFloor(ctx, r.env.Stderr, w.encoding, max(w.ahead, 1), o.valueBytes)
	}
	dir, err := os.MkdirTemp(r.dir, "cluster-")
	if err != nil {
		return nil, err
	}
	c, err := startCluster(ctx, r.env.Stderr, o.nodes, o.listen, dir)
	if err != nil {
		return nil, err
	}
	if err := c.settle(ctx); err != nil {
		c.close()
		return nil, err
	}
	return newWatchedCluster(c, o.follower, dir), nil
}

// add notes a row, and how it stands to those before.
func (r *watchRun) add(row watchRow) {
	s := row.Shape
	if flatOut := s.Rate == 0 && s.Watches == 1 && s.Log == 0 && row.Each == nil; flatOut && s.Ahead > 0 {
		r.ofFloor(&row)
	} else if flatOut && s.Batch == 1 {
		if p50 := row.Writes.Latency.P50; s.Connections == 0 {
			r.unwatched[s.Writers] = p50
		} else if before := r.unwatched[s.Writers]; before > 0 {
			row.Unwatched = p50 / before
		}
	}
	r.report.Results = append(r.report.Results, row)
	r.table.row(row)
}

// ofFloor compares a row with its floor, which for writes of several events is
// the bare socket: a library that writes one after another is none.
func (r *watchRun) ofFloor(row *watchRow) {
	key := floorKey{row.Shape.Encoding, row.Shape.Connections, row.Shape.Batch}
	if row.Floor {
		r.floors[key] = row.Deliveries.Rate
		return
	}
	if key.batch > 1 {
		key.encoding = wire.EncodingNDJSON
	}
	if floor := r.floors[key]; floor > 0 {
		row.OfFloor = row.Deliveries.Rate / floor
	}
}
