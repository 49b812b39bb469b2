// Package dashboard uses the dashboard as people do: in real browsers, against
// clusters of real processes. It has tests only.
package dashboard

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"confman/cmd/internal/cli"
	"confman/cmd/internal/server"
)

// asNode makes the test binary the confman command.
const asNode = "DASHBOARD_NODE"

func TestMain(m *testing.M) {
	if os.Getenv(asNode) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := cli.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(), Version: "1.0.0-demo"}
	code := cli.Run(ctx, os.Args[1:], env, server.Serve(env), server.Dev(env), server.Config(env), server.Doctor(env))
	stop()
	os.Exit(code)
}
