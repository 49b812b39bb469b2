package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"confman/cmd/internal/cli"
	"confman/cmd/internal/settings"
)

const serveHelp = `Run one node of a cluster.

A new cluster is formed by its founding members, all started with the same list:

  confman serve --id n1 --listen 10.0.0.1:6100 --data /var/lib/confman --cluster-token-file token \
                --tls-cert n1.crt --tls-key n1.key --peer-tls-ca members-ca.crt \
                --peers n1=10.0.0.1:6100,n2=10.0.0.2:6100,n3=10.0.0.3:6100

It begins when all of them are up; each says whom it waits for. The first admin
key is printed once, by the member that leads first, unless
--bootstrap-admin-key-file gives it. A further node joins with --join URL, or
waits to be added when it is given neither --peers nor --join.

Settings: defaults < --config FILE < CONFMAN_* variables < flags, by one name
everywhere (--data, CONFMAN_DATA, data:). confman config show --origin tells
where each comes from.`

// Serve is the command that runs one node.
func Serve(env cli.Env) *cobra.Command {
	var o Options
	cmd := &cobra.Command{Use: "serve", Short: "Run one node of a cluster", Long: serveHelp, Args: cobra.NoArgs}
	o.Flags(cmd.Flags())
	cmd.Flags().String("config", "", "file with settings, YAML")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if _, err := loadSettings(cmd, env); err != nil {
			return &cli.ExitError{Code: cli.ExitUsage, Err: err}
		}
		return runNode(cmd.Context(), o, env)
	}
	return cmd
}

func loadSettings(cmd *cobra.Command, env cli.Env) (*settings.Settings, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, err
	}
	return settings.Load(cmd.Flags(), env.Environ, file, cli.Settings(cmd.Root())...)
}

// runNode runs until the context ends. What makes the node unfit ends the
// process at once: a node in doubt about its disk must not go on voting.
func runNode(ctx context.Context, o Options, env cli.Env) error {
	log, err := newLog(o, env.Stderr)
	if err = errors.Join(err, o.validate()); err != nil {
		return &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	fitMachine(ctx, log)
	s, err := Start(o, Env{
		Stdout: env.Stdout, Log: log, Version: env.Version,
		Fatal: func(err error) {
			log.Error().Err(err).Msg("this node stops")
			fmt.Fprintln(env.Stderr, "confman:", err)
			os.Exit(cli.ExitFailure)
		},
	})
	if err != nil {
		return err
	}
	return s.Wait(ctx)
}

// Config is the command that shows settings.
func Config(env cli.Env) *cobra.Command {
	var o Options
	show := &cobra.Command{Use: "show", Short: "Show the settings that serve would run with", Args: cobra.NoArgs}
	o.Flags(show.Flags())
	show.Flags().String("config", "", "file with settings, YAML")
	origin := show.Flags().Bool("origin", false, "say where each comes from")
	output := show.Flags().StringP("output", "o", "table", "table or json")
	show.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := loadSettings(cmd, env)
		if err != nil {
			return &cli.ExitError{Code: cli.ExitUsage, Err: err}
		}
		return printSettings(env.Stdout, s.Origins(), *origin, *output)
	}
	cmd := &cobra.Command{Use: "config", Short: "Settings of a node"}
	cmd.AddCommand(show)
	return cmd
}

func printSettings(w io.Writer, all []settings.Origin, origin bool, output string) error {
	all = settings.Without(all, "origin", "output", "config")
	switch output {
	case "json":
		return json.NewEncoder(w).Encode(all)
	case "table":
	default:
		return &cli.ExitError{Code: cli.ExitUsage, Err: errors.New("-o: want table or json")}
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, s := range all {
		if origin {
			fmt.Fprintf(t, "%s\t%s\t%s\n", s.Name, s.Value, s.From)
		} else {
			fmt.Fprintf(t, "%s\t%s\n", s.Name, s.Value)
		}
	}
	return t.Flush()
}
