// Command grow makes the data directory of a node with a great history in it,
// made up of the ten years of a real repository (see package million).
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"confman/cmd/torture/million"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "grow:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	var c million.Config
	f := flag.NewFlagSet("grow", flag.ContinueOnError)
	f.StringVar(&c.Dir, "data", "", "data directory to make; must be empty (required)")
	f.StringVar(&c.Node, "id", "n1", "ID of the node")
	f.StringVar(&c.Address, "listen", "127.0.0.1:6100", "HOST:PORT at which it will be served")
	f.StringVar(&c.Key, "admin-key", "confman-dev-admin-key", "an API key, admin of everything")
	f.StringVar(&c.Story, "story", "cmd/torture/testdata/petclinic.jsonl", "change sets to multiply")
	f.IntVar(&c.Events, "events", 1_000_000, "how many events, at least")
	f.IntVar(&c.Copies, "copies", 0, "of the repository (default: one for each 800 events)")
	f.Uint64Var(&c.Seed, "seed", 1, "the same makes the same history")
	if err := f.Parse(args); err != nil {
		return err
	}
	if c.Dir == "" {
		return fmt.Errorf("-data is missing: where to?")
	}
	c.Began, c.Span = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), 2*365*24*time.Hour
	began := time.Now()
	made, err := million.Grow(c)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d events up to %s, %d keys live, in %v. Serve them:\n"+
		"  confman serve --id %s --listen %s --peers %s=%s --data %s --cluster-token-file FILE\n",
		made.Head.Index, made.Head, made.Live, time.Since(began).Round(time.Second), c.Node, c.Address, c.Node, c.Address, c.Dir)
	return err
}
