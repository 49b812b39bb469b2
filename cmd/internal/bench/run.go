package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"confman/cmd/internal/cli"
)

// run is one run of the command.
type run struct {
	options options
	env     cli.Env
	dir     string // for data, on the disk that is measured; gone afterwards
	cluster *cluster
	http    *httpFloor // nil without floors
	report  report
	table   table
}

// measure does everything that the options ask for and prints it.
func measure(ctx context.Context, o options, env cli.Env) (err error) {
	r := &run{options: o, env: env, table: table{io.Discard}}
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
	if err := r.open(ctx); err != nil {
		return errors.Join(err, ctx.Err())
	}
	defer r.close()
	r.report.Setup = setup{
		Nodes: len(r.cluster.nodes), Started: r.cluster.own != nil, ValueBytes: o.valueBytes, Keys: o.keys,
		WarmUp: o.warmUp().Seconds(), Duration: o.duration.Seconds(),
	}
	r.table.begin(r.report.Machine, r.report.Setup)
	for _, clients := range o.clients {
		if err := r.round(ctx, clients); err != nil {
			return err
		}
	}
	if o.output == "json" {
		return printJSON(env.Stdout, r.report)
	}
	return nil
}

// open starts what is measured and writes every key once.
func (r *run) open(ctx context.Context) (err error) {
	o := r.options
	if len(o.addr) > 0 {
		r.cluster = &cluster{nodes: o.addr, key: o.apiKey}
	} else if r.cluster, err = startCluster(ctx, r.env.Stderr, o.nodes, o.listen, filepath.Join(r.dir, "cluster")); err != nil {
		return err
	}
	if !o.noFloors {
		r.http, err = openHTTPFloor(ctx, r.env.Stderr)
	}
	if err == nil {
		err = r.cluster.settle(ctx)
	}
	if err == nil {
		err = r.fill(ctx)
	}
	if err != nil {
		r.close()
	}
	return err
}

func (r *run) close() {
	if r.http != nil {
		r.http.close()
	}
	r.cluster.close()
}

// fill writes every key once.
func (r *run) fill(ctx context.Context) error {
	const writers = 64
	fmt.Fprintf(r.env.Stderr, "writing %d keys\n", r.options.keys)
	work, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for i := range writers {
		work.Go(func() error {
			c, err := newHTTPClient(r.cluster, workload{name: workPut, writes: 1}, r.options.sizes(), i)
			if err != nil {
				return err
			}
			for key := int(next.Add(1)) - 1; key < r.options.keys && err == nil; key = int(next.Add(1)) - 1 {
				err = c.put(ctx, key)
			}
			return errors.Join(err, c.close())
		})
	}
	if err := work.Wait(); err != nil {
		return fmt.Errorf("write the keys: %w", err)
	}
	return nil
}

// round measures everything at one number of clients, the floors first.
func (r *run) round(ctx context.Context, clients int) error {
	var http, bare row
	if !r.options.noFloors {
		var err error
		if http, err = r.floorHTTP(ctx, clients); err != nil {
			return err
		}
		if slices.Contains(r.options.work, workPut) {
			if bare, err = r.floorRaft(ctx, clients); err != nil {
				return err
			}
		}
	}
	for _, w := range r.options.workloads() {
		if err := r.cluster.settle(ctx); err != nil {
			return err
		}
		found, err := r.one(ctx, w, clients, r.cluster.pid(), func(number int) (client, error) {
			return newHTTPClient(r.cluster, w, r.options.sizes(), number)
		})
		if err != nil {
			return err
		}
		if http.Rate > 0 {
			found.OfHTTP = found.Rate / http.Rate
		}
		if bare.Rate > 0 && w.writes == 1 {
			found.OfRaft = found.Rate / bare.Rate
		}
		r.add(found)
	}
	return nil
}

func (r *run) add(found row) {
	r.report.Results = append(r.report.Results, found)
	r.table.row(found)
}

// one is one measurement.
func (r *run) one(ctx context.Context, w workload, clients, pid int, open func(int) (client, error)) (row, error) {
	busy, err := busyNow(ctx)
	if err != nil {
		return row{}, err
	}
	l := load{clients: clients, warmUp: r.options.warmUp(), duration: r.options.duration, open: open, pid: pid}
	found, err := l.run(ctx)
	if err != nil {
		return row{}, fmt.Errorf("%s with %d clients: %w", w.name, clients, err)
	}
	line := newRow(w, clients, found)
	line.Busy = busy
	return line, nil
}

func (r *run) floorHTTP(ctx context.Context, clients int) (row, error) {
	w := workload{name: "bare net/http", floor: true}
	found, err := r.one(ctx, w, clients, r.http.pid(), func(number int) (client, error) {
		return newHTTPClient(&r.http.cluster, w, r.options.sizes(), number)
	})
	if err == nil {
		r.add(found)
	}
	return found, err
}

func (r *run) floorRaft(ctx context.Context, clients int) (found row, err error) {
	dir, err := os.MkdirTemp(r.dir, "raft-")
	if err != nil {
		return row{}, err
	}
	defer os.RemoveAll(dir)
	bare, err := openRaftFloor(ctx, dir)
	if err != nil {
		return row{}, err
	}
	defer func() { err = errors.Join(err, bare.close()) }()
	found, err = r.one(ctx, workload{name: "bare Raft", floor: true}, clients, 0, bare.newClient)
	if err == nil {
		r.add(found)
	}
	return found, err
}

// Names of workloads.
const (
	workPut   = "put"
	workGet   = "get"
	workMixed = "mixed"
)

// writesOf is the share of writes in a workload.
func writesOf(name string) float64 {
	switch name {
	case workPut:
		return 1
	case workMixed:
		return 0.2
	}
	return 0
}

// workloads lists what the options ask for.
func (o options) workloads() (all []workload) {
	for _, name := range o.work {
		w := workload{name: name, writes: writesOf(name)}
		if name == workPut {
			all = append(all, w)
			continue
		}
		for _, w.consistency = range o.consistency {
			all = append(all, w)
		}
	}
	return all
}

func (o options) sizes() data { return data{keys: o.keys, valueBytes: o.valueBytes} }

func (o options) warmUp() time.Duration { return min(time.Second, o.duration/5) }
