package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/rs/zerolog"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"confman/api/admission"
	"confman/cmd/internal/settings"
	"confman/events"
)

// OverloadOptions bound what the node does at once. Zero values mean the defaults,
// and for sizes and connections what the machine allows.
type OverloadOptions struct {
	Reads   int
	Writes  int
	Wait    time.Duration
	Transit settings.Size
	Exports int
	Waiting int

	Connections int
	PerAddress  int
}

func (o *OverloadOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.Reads, "max-reads", admission.DefaultReads, "reads served at once, lists counting for 8 and searches for 16; others wait, the principals by turns")
	f.IntVar(&o.Writes, "max-writes", admission.DefaultWrites, "writes served at once, of more than 64KiB each for several")
	f.DurationVar(&o.Wait, "max-queue-time", admission.DefaultWait, "how long a request waits to be served before it is answered 503, or 429 if its principal asks for more than its share")
	f.Var(&o.Transit, "max-transit-bytes", "bodies and large answers in memory at once, half of them of one principal, at least 40MiB (default: 1/8 of the memory limit, at most 256MiB; 64MiB without one)")
	f.IntVar(&o.Exports, "max-exports", admission.DefaultExports, "exports, proofs, verifications and backups served at once, half of them of one principal")
	f.IntVar(&o.Waiting, "max-waiting", admission.DefaultWaiting, "requests that wait for a change or an index at once, half of them of one principal")
	f.IntVar(&o.Connections, "max-connections", 0, "connections of clients (default: 30000, or what the memory limit, at 32KiB each, and 3/4 of the open files allow)")
	f.IntVar(&o.PerAddress, "max-connections-per-address", 0, "of them, those of one remote address, or one /64 of IPv6 (default: 2/3 of --max-connections)")
}

// minTransit lets one principal send one transaction of the largest size.
const minTransit = 40 << 20

func (o *OverloadOptions) validate() error {
	switch {
	case o.Reads < 0, o.Writes < 0, o.Wait < 0, o.Exports < 0, o.Waiting < 0, o.Connections < 0, o.PerAddress < 0:
		return errors.New("--max-reads, --max-writes, --max-queue-time, --max-exports, --max-waiting, --max-connections and --max-connections-per-address are not negative")
	case o.Transit != 0 && o.Transit < minTransit:
		return fmt.Errorf("--max-transit-bytes %s: at least 40MiB, so that the largest transaction, of %dMiB, fits into half of it", o.Transit.String(), events.DefaultMaxProposalBytes>>20)
	}
	return nil
}

// admission are the limits of the API.
func (o OverloadOptions) admission() admission.Config {
	transit := int64(o.Transit)
	if limit := memoryLimit(); transit == 0 && limit < math.MaxInt64 {
		transit = max(minTransit, min(limit/8, 256<<20))
	}
	return admission.Config{
		Reads: o.Reads, Writes: o.Writes, Wait: o.Wait, Bytes: transit, Exports: o.Exports, Waiting: o.Waiting,
		Sample: admission.ReadSample,
	}
}

// Bounds of the defaults for connections.
const (
	mostConnections    = 30_000
	bytesPerConnection = 32 << 10
)

// connections are the limits of the port.
func (o OverloadOptions) connections() (all, perAddress int) {
	all = o.Connections
	if all == 0 {
		all = int(max(64, min(mostConnections, memoryLimit()/bytesPerConnection, openFiles()/4*3)))
	}
	return all, min(all, cmp.Or(o.PerAddress, max(1, all/3*2)))
}

// memoryLimit is that of the Go runtime in bytes, [math.MaxInt64] without one.
func memoryLimit() int64 { return debug.SetMemoryLimit(-1) }

// openFiles is how many files the process may have open. The Go runtime has raised
// it as far as it may (package os, since Go 1.19).
func openFiles() int64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int64(min(limit.Cur, math.MaxInt32))
}

// Of the process.
const (
	// memoryShare is how much of the control group's memory is the Go runtime's. The
	// rest is for what it does not count: pages of mapped files that are written to.
	memoryShare = 0.9
	wantedFiles = 65_536
	// gcPercent is how much the heap may grow between two collections, in percent of
	// what lives. Most of what lives in a node is large and without pointers (the
	// store's tables in memory, receipts), so collecting twice as often as Go does by
	// default costs no writes that could be measured, and saves a quarter of the heap.
	gcPercent = 50
)

// fitMachine adapts the process to where it runs until the context ends, and says
// what it found. What the environment says by GOMEMLIMIT and GOGC stands.
func fitMachine(ctx context.Context, log zerolog.Logger) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	go giveBack(ctx)
	if _, err := memlimit.Set(memlimit.WithRatio(memoryShare)); err != nil {
		log.Warn().Err(err).Msg("the memory limit of the control group is not known; GOMEMLIMIT sets one")
	}
	if limit := memoryLimit(); limit < math.MaxInt64 {
		log.Info().Int64("bytes", limit).Msg("memory is limited")
	}
	if files := openFiles(); files < wantedFiles {
		log.Warn().Int64("files", files).Int("wanted", wantedFiles).Msg("few files may be open at once, and connections count among them; raise the hard limit (ulimit -n, LimitNOFILE)")
	}
}
