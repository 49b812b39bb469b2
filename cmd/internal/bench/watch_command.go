package bench

import (
	"fmt"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"confman/api/wire"
	"confman/cmd/internal/cli"
)

const watchHelp = `Measure watches: how fast events reach those who watch, how late, and what it
costs those who write.

Each measurement starts a cluster of its own, its data on the disk of --data, and
watches at one of its nodes. Flat out (--rate 0), the writers stay at most --ahead
writes ahead of what all have read; with --ahead 0 they do not look. Before it
comes its floor: the same frames, as long, made by a process that only sends
them, through the bare socket (ndjson), net/http (sse) or coder/websocket, each
write by itself. A node that joins what is waiting can be faster than its floor.

Every watch is checked: each event once, in order, none missing. When one
deviates, the figures are printed and the exit code is 1.

--log N writes N events first and measures how fast all catch up with them.
--idle measures what a connection costs on which nothing happens. --stall N stops
reading N of the connections for --stall-for. --suite measures all that there is
a target for, some of it with ten times the --connections; minutes.`

// watchOptions are the settings of the command.
type watchOptions struct {
	shape      watching
	encodings  []string
	suite      bool
	follower   bool
	valueBytes int
	duration   time.Duration
	nodes      int
	listen     string
	data       string
	noFloors   bool
	output     string
}

// watchCommand is the command that measures watches.
func watchCommand(env cli.Env) *cobra.Command {
	var o watchOptions
	cmd := &cobra.Command{Use: "watch", Short: "Measure watches, and what they stand on beside it", Long: watchHelp, Args: cobra.NoArgs}
	o.flags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.validate(); err != nil {
			return &cli.ExitError{Code: cli.ExitUsage, Err: err}
		}
		return measureWatches(cmd.Context(), o, env)
	}
	return cmd
}

func (o *watchOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.shape.connections, "connections", 1000, "how many watch; 0: none, to compare the writers")
	f.IntVar(&o.shape.watches, "watches", 1, "of each connection, more than one on a WebSocket only")
	f.StringSliceVar(&o.encodings, "encoding", []string{wire.EncodingWebSocket, wire.EncodingSSE, wire.EncodingNDJSON}, "of the watches, one after another")
	f.IntVar(&o.shape.writers, "writers", 1, "how many write at once, each its own keys")
	f.IntVar(&o.shape.batch, "batch", 1, "events of one write: more than one are a transaction")
	f.Float64Var(&o.shape.rate, "rate", 0, "events a second of all writers together; 0: flat out")
	f.IntVar(&o.shape.ahead, "ahead", 4, "writes ahead of the readers, flat out; 0: the writers do not wait for them")
	f.IntVar(&o.shape.log, "log", 0, "events to write first and then catch up with")
	f.BoolVar(&o.shape.idle, "idle", false, "measure the memory of connections on which nothing happens")
	f.IntVar(&o.shape.stall, "stall", 0, "how many connections stop reading for a while")
	f.DurationVar(&o.shape.stallFor, "stall-for", suiteStallFor, "for how long")
	f.BoolVar(&o.suite, "suite", false, "measure everything; --connections, --ahead, --log, --stall-for and the flags below hold")
	f.BoolVar(&o.follower, "follower", false, "watch at a follower, not at the leader")
	f.IntVar(&o.valueBytes, "value-bytes", 256, "size of a value")
	f.DurationVar(&o.duration, "duration", 5*time.Second, "of each measurement, after a fifth of it, at most 1s, to warm up")
	f.IntVar(&o.nodes, "nodes", 3, "of the cluster, 1 or 3")
	f.StringVar(&o.listen, "listen", "127.0.0.1:16100", "address of its first node; the others are 100 and 200 ports above")
	f.StringVar(&o.data, "data", ".", "directory on the disk to measure; a directory of its own is made in it")
	f.BoolVar(&o.noFloors, "no-floors", false, "do not measure the floors")
	f.StringVarP(&o.output, "output", "o", "table", "table or json")
}

func (o *watchOptions) warmUp() time.Duration { return min(time.Second, o.duration/5) }

// Bounds of the options.
const (
	maxValue  = 32 << 10 // bytes
	maxBatch  = 128      // operations of a transaction
	spareFile = 200      // descriptors for everything but watching connections
)

func (o *watchOptions) validate() error {
	for _, e := range o.encodings {
		if e != wire.EncodingWebSocket && e != wire.EncodingSSE && e != wire.EncodingNDJSON {
			return fmt.Errorf("--encoding %q: want websocket, sse or ndjson", e)
		}
		if o.shape.watches > 1 && e != wire.EncodingWebSocket {
			return fmt.Errorf("--watches %d: an %s connection has one", o.shape.watches, e)
		}
	}
	switch {
	case o.valueBytes < minValueBytes || o.valueBytes > maxValue:
		return fmt.Errorf("--value-bytes %d: want %d to %d", o.valueBytes, minValueBytes, maxValue)
	case o.duration <= 0:
		return fmt.Errorf("--duration %v: want more", o.duration)
	case o.nodes != 1 && o.nodes != 3:
		return fmt.Errorf("--nodes %d: want 1 or 3", o.nodes)
	case o.output != "table" && o.output != "json":
		return fmt.Errorf("-o %q: want table or json", o.output)
	}
	if err := o.shape.validate(); err != nil {
		return err
	}
	return o.enoughFiles()
}

func (w *watching) validate() error {
	switch {
	case w.connections < 0 || w.connections == 0 && (w.log > 0 || w.idle):
		return fmt.Errorf("--connections %d: want more", w.connections)
	case w.watches < 1 || w.watches > 10_000:
		return fmt.Errorf("--watches %d: want 1 to 10000", w.watches)
	case w.writers < 1 || w.writers > 1000:
		return fmt.Errorf("--writers %d: want 1 to 1000", w.writers)
	case w.batch < 1 || w.batch > maxBatch:
		return fmt.Errorf("--batch %d: want 1 to %d", w.batch, maxBatch)
	case w.rate < 0:
		return fmt.Errorf("--rate %g: want 0 or more", w.rate)
	case w.ahead < 0:
		return fmt.Errorf("--ahead %d: want 0 or more", w.ahead)
	case w.log < 0:
		return fmt.Errorf("--log %d: want 0 or more", w.log)
	case w.stall < 0 || w.stall > 0 && w.stall >= w.connections:
		return fmt.Errorf("--stall %d: want fewer than --connections", w.stall)
	case w.stallFor <= 0:
		return fmt.Errorf("--stall-for %v: want more", w.stallFor)
	}
	return nil
}

// enoughFiles says when the connections are more than a process may open.
func (o *watchOptions) enoughFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("getrlimit: %w", err)
	}
	n := o.shape.connections
	if o.suite {
		n *= suiteMany
	}
	if uint64(n)+spareFile > limit.Max { // Go has raised the limit to that already
		return fmt.Errorf("--connections: %d connections need %d open files, and a process may have %d (ulimit -Hn)", n, n+spareFile, limit.Max)
	}
	return nil
}
