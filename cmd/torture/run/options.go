package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"confman/cmd/torture/modes"
	"confman/cmd/torture/plant"
)

// options are the command line.
type options struct {
	mode     string
	minutes  float64
	quick    bool
	nodes    int
	seed     uint64
	binary   string
	planted  string
	report   string
	json     string
	loopback bool
}

// everything is the mode that is all the others.
const everything = "all"

func (o *options) flags(f *pflag.FlagSet) {
	var about strings.Builder
	for _, m := range modes.All() {
		fmt.Fprintf(&about, "\n%s: %s", m.Name, m.About)
	}
	f.StringVar(&o.mode, "mode", "mix", "what to do, or all; one of"+about.String())
	f.Float64Var(&o.minutes, "minutes", 2, "about how long faults are made, for each mode")
	f.BoolVar(&o.quick, "quick", false, "every fault once, however long it takes")
	f.IntVar(&o.nodes, "nodes", 3, "3 or 5")
	f.Uint64Var(&o.seed, "seed", 0, "of the schedule, to repeat it; 0: another one each time")
	f.StringVar(&o.binary, "binary", "", "confman; empty: built from this module")
	f.StringVar(&o.planted, "planted", "", "build it with a known bug")
	f.StringVar(&o.report, "report", "", "file for the report, Markdown (default: standard output)")
	f.StringVar(&o.json, "json", "", "file for the report, JSON")
	f.BoolVar(&o.loopback, "loopback", false, "no networks of its own, even where there could be")
}

func (o *options) validate() error {
	if o.nodes != 3 && o.nodes != 5 {
		return fmt.Errorf("--nodes %d: 3 or 5", o.nodes)
	}
	if o.mode != everything && !slices.ContainsFunc(modes.All(), func(m modes.Mode) bool { return m.Name == o.mode }) {
		return fmt.Errorf("--mode %q: there is no such mode", o.mode)
	}
	if o.planted != "" && o.binary != "" {
		return errors.New("--planted and --binary: a bug is planted while the binary is built")
	}
	if o.planted != "" {
		if _, err := plant.Named(o.planted); err != nil {
			return fmt.Errorf("--planted: %w", err)
		}
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
	}
	return nil
}

// time is how long faults are made.
func (o *options) time() time.Duration {
	if o.quick {
		return 0
	}
	return time.Duration(o.minutes * float64(time.Minute))
}
