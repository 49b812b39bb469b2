package torture

import (
	"context"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"confman/cmd/internal/cli"
	"confman/cmd/internal/server"
)

// asNode makes the test binary the confman command.
const asNode = "TORTURE_NODE"

func TestMain(m *testing.M) {
	if os.Getenv(asNode) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := cli.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(), Version: "torture"}
	code := cli.Run(ctx, os.Args[1:], env, server.Serve(env), server.Dev(env), server.Config(env), server.Doctor(env))
	stop()
	os.Exit(code)
}

// long reports whether the long variants are wanted.
func long() bool { return os.Getenv("CONFMAN_TORTURE") == "1" }

// rounds is how often a fault happens in the short and in the long variant.
func rounds(short, many int) int {
	if long() {
		return many
	}
	return short
}

// random returns a source whose seed is printed.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given, err := strconv.ParseUint(os.Getenv("TORTURE_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("TORTURE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// patience is how long a condition may take to come true on a busy machine.
const patience = 30 * time.Second

// await returns when the condition holds. The last error of one that never does
// says why.
func await(t testing.TB, what string, condition func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
	}
}
