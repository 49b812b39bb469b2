// Package dashboard uses the dashboard as people do: in real browsers, against
// clusters of real processes. It has tests only.
package dashboard

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"

	"confman/cmd/internal/cli"
	"confman/cmd/internal/server"
)

// asNode makes the test binary the confman command.
const asNode = "DASHBOARD_NODE"

// yielding says that this process gives way to others.
const yielding = "DASHBOARD_YIELDING"

func TestMain(m *testing.M) {
	if os.Getenv(asNode) == "" {
		yield()
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := cli.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(), Version: "1.0.0-demo"}
	code := cli.Run(ctx, os.Args[1:], env, server.Serve(env), server.Dev(env), server.Config(env), server.Doctor(env))
	stop()
	os.Exit(code)
}

// yield begins this process anew at a lower priority, with all that it starts: a
// browser takes what it gets of two cores, and beside these tests others elect
// leaders within 150 ms. Where that cannot be it goes on as it is.
func yield() {
	self, err := os.Executable()
	if err != nil || os.Getenv(yielding) != "" {
		return
	}
	runtime.LockOSThread() // priorities are of threads, and an exec keeps that of its own
	if syscall.Setpriority(syscall.PRIO_PROCESS, 0, 10) == nil {
		_ = syscall.Exec(self, os.Args, append(os.Environ(), yielding+"=1"))
	}
	runtime.UnlockOSThread()
}
