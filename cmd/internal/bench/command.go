package bench

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"confman/api/wire"
	"confman/cmd/internal/cli"
	"confman/cmd/internal/settings"
)

const help = `Measure a cluster: writes (put), reads (get), and four reads to one write
(mixed); all of them when none is named.

Without --addr a cluster is started for it, its data on the disk of --data,
and gone afterwards. With --addr it is one that runs already, and never the one
of CONFMAN_ADDR: this writes --keys entries into its namespace confman-bench,
again and again, and leaves them there. The API key, an editor's, is that of CONFMAN_API_KEY
or CONFMAN_API_KEY_FILE.

Each client has a connection, asks again when it is answered, writes to the
leader and reads from a node of its own. Before the figures of the cluster come
the floors, by the same load: a bare net/http server, and a bare Raft that commits
256 bytes at a time to three nodes on the same disk, in the same groups. Ratios
to them can be compared; rates only within a run, and on a quiet machine.`

// options are the settings of the command.
type options struct {
	work        []string
	clients     []int
	valueBytes  int
	keys        int
	duration    time.Duration
	consistency []string
	nodes       int
	listen      string
	data        string
	addr        []string
	apiKey      string
	noFloors    bool
	output      string
}

// Command is the command that measures a cluster.
func Command(env cli.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: "bench [put|get|mixed]...", Short: "Measure a cluster, and what it stands on beside it", Long: help,
		ValidArgs: []string{workPut, workGet, workMixed}, Args: cobra.ArbitraryArgs,
	}
	o.flags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.work = args; len(args) == 0 {
			o.work = cmd.ValidArgs
		}
		err := o.validate()
		if err == nil {
			// Only the key: nobody means to measure the cluster of CONFMAN_ADDR.
			key := pflag.NewFlagSet("", pflag.ContinueOnError)
			key.AddFlag(cmd.Flags().Lookup("api-key"))
			_, err = settings.Load(key, env.Environ, "", cli.Settings(cmd.Root())...)
		}
		if err != nil {
			return &cli.ExitError{Code: cli.ExitUsage, Err: err}
		}
		return measure(cmd.Context(), o, env)
	}
	cmd.AddCommand(watchCommand(env), httpFloorCommand(env), fanoutCommand(env))
	return cmd
}

func (o *options) flags(f *pflag.FlagSet) {
	f.IntSliceVar(&o.clients, "clients", []int{1, 64, 256}, "how many at once")
	f.IntVar(&o.valueBytes, "value-bytes", 256, "size of a value")
	f.IntVar(&o.keys, "keys", 10_000, "how many entries, written once before and then read and written at random")
	f.DurationVar(&o.duration, "duration", 5*time.Second, "of each measurement, after a fifth of it, at most 1s, to warm up")
	f.StringSliceVar(&o.consistency, "consistency", []string{wire.ConsistencyLocal, wire.ConsistencyLinearizable}, "of reads")
	f.IntVar(&o.nodes, "nodes", 3, "of the cluster that is started, 1 or 3")
	f.StringVar(&o.listen, "listen", "127.0.0.1:16100", "address of its first node; the others are 100 and 200 ports above")
	f.StringVar(&o.data, "data", ".", "directory on the disk to measure; a directory of its own is made in it")
	f.StringSliceVar(&o.addr, "addr", nil, "URLs of a cluster that runs already, to measure that one; reads go to these")
	f.StringVar(&o.apiKey, "api-key", "", "its API key; others see it on a command line, so better set CONFMAN_API_KEY or CONFMAN_API_KEY_FILE")
	f.BoolVar(&o.noFloors, "no-floors", false, "do not measure the floors")
	f.StringVarP(&o.output, "output", "o", "table", "table or json")
	settings.MarkSecret(f, "api-key")
}

func (o *options) validate() error {
	for _, w := range o.work {
		if w != workPut && w != workGet && w != workMixed {
			return fmt.Errorf("%q: want put, get or mixed", w)
		}
	}
	for _, n := range o.clients {
		if n < 1 || n > 10_000 {
			return fmt.Errorf("--clients %d: want 1 to 10000", n)
		}
	}
	for _, a := range o.addr {
		if _, err := newConn(a, patience); err != nil {
			return fmt.Errorf("--addr: %w", err)
		}
	}
	for _, c := range o.consistency {
		if c != wire.ConsistencyLocal && c != wire.ConsistencyLinearizable {
			return fmt.Errorf("--consistency %q: want local or linearizable", c)
		}
	}
	switch {
	case o.valueBytes < minValueBytes:
		return fmt.Errorf("--value-bytes %d: at least %d are needed to tell one value from another", o.valueBytes, minValueBytes)
	case o.keys < 1:
		return fmt.Errorf("--keys %d: want one at least", o.keys)
	case o.duration <= 0:
		return fmt.Errorf("--duration %v: want more", o.duration)
	case len(o.addr) == 0 && o.nodes != 1 && o.nodes != 3:
		return fmt.Errorf("--nodes %d: want 1 or 3", o.nodes)
	case o.output != "table" && o.output != "json":
		return fmt.Errorf("-o %q: want table or json", o.output)
	}
	return nil
}
