package modes

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"confman/cmd/torture/lab"
)

// Mode is one way to torture.
type Mode struct {
	Name  string
	About string // in a line
	Run   func(ctx context.Context, b *Bench) error
}

// All are the modes, in the order of docs/failure-modes.md, and mix.
func All() []Mode {
	return []Mode{followerFailure(), leaderFailure(), quorumLoss(), networkPartition(), slowFollower(), diskFull(), snapshotRestore(), bootstrap(), clientSide(), mix()}
}

// Config says what is tortured, and for how long. Dir, Binary and Report are
// required.
type Config struct {
	Dir        string // must be there; everything is below it
	Binary     string
	Env        []string      // more environment of the nodes
	Nodes      int           // 0: 3
	Seed       uint64        // the same one makes the same schedule
	Time       time.Duration // about how long faults are made; 0: each once
	Namespaces bool          // with networks of their own, where this process may make some
	Log        io.Writer     // progress; nil: nowhere
	Report     *Report
}

// Bench is where a mode works.
type Bench struct {
	Config
	RNG *rand.Rand // of the mode's goroutine

	began  time.Time
	trials int
}

// NewBench makes a bench.
func NewBench(c Config) *Bench {
	if c.Nodes == 0 {
		c.Nodes = 3
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	return &Bench{Config: c, RNG: rand.New(rand.NewPCG(c.Seed, 1)), began: time.Now()}
}

// Quick reports whether every fault is to be made once only.
func (b *Bench) Quick() bool { return b.Time == 0 }

// Over reports whether the time is up, which in a quick run it always is.
func (b *Bench) Over() bool { return time.Since(b.began) >= b.Time }

// Rounds is how often something is done: once in a quick run, else so many times.
func (b *Bench) Rounds(times int) int {
	if b.Quick() {
		return 1
	}
	return times
}

// Logf writes a line of progress.
func (b *Bench) Logf(format string, args ...any) {
	fmt.Fprintf(b.Log, "%6.1fs  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// Lab makes a cluster of which nothing runs yet, in a directory of its own. What
// the config leaves out is the bench's. Close it.
func (b *Bench) Lab(ctx context.Context, c lab.Config) (*lab.Lab, error) {
	b.trials++
	c.Dir = filepath.Join(b.Dir, fmt.Sprintf("lab-%d", b.trials))
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("a directory for a lab: %w", err)
	}
	if c.Binary == "" {
		c.Binary = b.Binary
	}
	if c.Nodes == 0 {
		c.Nodes = b.Nodes
	}
	c.Env, c.Namespaces, c.Log = append(c.Env, b.Env...), b.Namespaces, b.Log
	l, err := lab.New(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("a lab: %w", err)
	}
	b.Report.note(func(r *Report) { r.Networked = l.Networked() })
	return l, nil
}
