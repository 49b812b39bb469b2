// Command run tortures clusters of real processes and reports what came of it;
// see its --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
)

// Exit codes: a violation, a run that could not be made, a command line that
// makes no sense.
const (
	exitViolated = 1
	exitUsage    = 2
	exitBroken   = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	var o options
	flags := pflag.NewFlagSet("torture", pflag.ContinueOnError)
	o.flags(flags)
	switch err := errors.Join(flags.Parse(args), o.validate()); {
	case errors.Is(err, pflag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return exitUsage
	}
	failed, err := o.torture(ctx)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return exitBroken
	case failed:
		return exitViolated
	}
	return 0
}
