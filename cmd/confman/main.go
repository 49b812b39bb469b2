// Command confman is a node of a Confman cluster, and its command line.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // change windows name time zones, and a container may know none

	"golang.org/x/term"

	"confman/cmd/internal/bench"
	"confman/cmd/internal/cli"
	"confman/cmd/internal/server"
)

// version is stamped by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Environ: os.Environ(), Version: version, Interactive: term.IsTerminal(int(os.Stdin.Fd())),
	}
	os.Exit(run(ctx, os.Args[1:], env))
}

// run is main without the process, for tests.
func run(ctx context.Context, args []string, env cli.Env) int {
	return cli.Run(ctx, args, env, server.Serve(env), server.Dev(env), server.Config(env), server.Rebuild(env), server.Doctor(env), bench.Command(env))
}
