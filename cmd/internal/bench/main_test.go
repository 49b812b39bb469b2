package bench

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"confman/cmd/internal/cli"
	"confman/cmd/internal/server"
)

// TestMain makes the test binary the program, too, for the processes that a run
// starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "dev" || os.Args[1] == "bench") {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		env := cli.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ()}
		os.Exit(cli.Run(ctx, os.Args[1:], env, commands(env)...))
	}
	os.Exit(m.Run())
}

func commands(env cli.Env) []*cobra.Command {
	return []*cobra.Command{Command(env), server.Dev(env)}
}
