package server

import (
	"github.com/spf13/cobra"

	"confman/cmd/internal/cli"
	"confman/replication"
)

// Rebuild is the command that rebuilds the views of a node.
func Rebuild(env cli.Env) *cobra.Command {
	return cli.Rebuild(env, func(data string, progress func(index, last uint64)) (string, error) {
		log, err := newLog(Options{LogLevel: "error", LogForm: "auto"}, env.Stderr)
		if err != nil {
			return "", err
		}
		return replication.Rebuild(data, log, progress)
	})
}
