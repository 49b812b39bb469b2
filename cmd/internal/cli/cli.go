package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

// Env is the world that a command runs in.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string // as os.Environ
	Version        string   // of the program; empty: "unknown"
	Interactive    bool     // a person sits at Stdin and can be asked
}

// lookup is the value of an environment variable, empty when it is not set.
func (e Env) lookup(name string) (value string) {
	for _, entry := range e.Environ {
		if key, v, _ := strings.Cut(entry, "="); key == name {
			value = v
		}
	}
	return value
}

// Run runs the command line args, without the program's name, and returns the
// exit code; what went wrong has then been said on Stderr. When ctx ends the
// command is interrupted. More are commands besides those of New.
func Run(ctx context.Context, args []string, env Env, more ...*cobra.Command) int {
	root := New(env)
	root.AddCommand(more...)
	root.InitDefaultCompletionCmd()
	adopt(root)
	root.SetArgs(append([]string{}, args...)) // never nil: cobra would take os.Args
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	code := exitCode(ctx, err)
	report(env.Stderr, err, code)
	return code
}

// New makes the root command with the commands of a client. Their errors are
// returned, not printed; see Run.
func New(env Env) *cobra.Command {
	if env.Version == "" {
		env.Version = "unknown"
	}
	root := group("confman", "A governed configuration service: versioned, audited, watchable",
		get(env), set(env), deleteEntry(env), list(env), history(env), eventLog(env),
		importFiles(env), exportFiles(env),
		watchChanges(env), execute(env), syncFiles(env),
		group("namespace", "Namespaces", namespaceList(env), namespaceCreate(env), namespaceShow(env), namespaceDelete(env)),
		group("key", "API keys", keyCreate(env), keyList(env), keyRevoke(env)),
		group("draft", "Changes that are saved and not published", draftSet(env), draftDelete(env), draftDiscard(env), draftList(env), draftShow(env)),
		group("request", "Publish requests: drafts under review", requestSubmit(env), requestList(env), requestShow(env), requestImpact(env),
			requestApprove(env), requestReject(env), requestWithdraw(env), requestBypass(env), requestWait(env)),
		group("schema", "JSON Schemas of namespaces", schemaGet(env), schemaSet(env), schemaUnset(env), schemaTest(env), schemaValidate(env)),
		group("role", "Who may do what in a namespace", roleList(env), roleGrant(env), roleRevoke(env), roleSet(env)),
		group("settings", "How changes in a namespace are made", settingsGet(env), settingsSet(env), settingsFreeze(env), settingsThaw(env)),
		group("access", "What a principal may do, and why", accessExplain(env)),
		rollback(env), revert(env), diff(env), promote(env), explain(env), bisectChanges(env), backup(env), restore(env),
		group("audit", "The audit trail: ask it, replay it, prove it, erase from it", auditQuery(env), auditReplay(env), auditErase(env), auditDenied(env),
			auditVerify(env), auditExport(env), auditProof(env), auditCheckpoint(env)),
		group("webhook", "Endpoints that are told of events", webhookCreate(env), webhookList(env), webhookShow(env), webhookDelete(env),
			webhookSwitch(env, "enable", "Go on telling an endpoint of events", false), webhookSwitch(env, "disable", "Stop telling an endpoint of events", true),
			webhookRotate(env), webhookDeliveries(env), webhookResend(env), webhookVerify(env)),
		whoami(env), login(env), logout(env),
		group("cluster", "The cluster and its members", clusterStatus(env), clusterAdd(env), clusterRemove(env),
			clusterPromote(env), clusterReplace(env), clusterTransferLeader(env), clusterSnapshot(env), clusterRecover(env)),
		group("context", "Named clusters in the client's configuration file", contextList(env), contextShow(env), contextUse(env)),
		version(env),
	)
	root.Long = rootHelp
	root.SetHelpCommand(help(root))
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{command: cmd.CommandPath(), err: err} })
	return root
}

const rootHelp = `Confman: a governed configuration service.

A client finds its cluster through flags, CONFMAN_* variables, or a context:

  CONFMAN_ADDR          URLs of some members, divided by commas (default http://127.0.0.1:6100)
  CONFMAN_API_KEY       the API key, or CONFMAN_API_KEY_FILE, a file that holds it;
                        people may log in instead (confman login)
  CONFMAN_NAMESPACE     the namespace for commands that are given none
  CONFMAN_CONTEXT       a context of $XDG_CONFIG_HOME/confman/config.yaml (see confman context)

Data goes to stdout, everything else to stderr. Exit codes:

  0 done                          5 unauthenticated or forbidden
  1 another error, differences    6 unavailable, no leader, timeout
  2 wrong usage                   7 invalid value
  3 not found                     8 outcome unknown: a write may have happened
  4 condition failed, conflict    130 interrupted`

// adopt gives commands that come from elsewhere the manners of ours: arguments
// that are wrong are wrong usage, and a command that only holds others says which.
func adopt(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		adopt(sub)
	}
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args, cmd.RunE = cobra.ArbitraryArgs, which
	}
	judge := cmd.Args
	if judge == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := judge(cmd, args)
		var wrong *usageError
		if err != nil && !errors.As(err, &wrong) {
			err = &usageError{command: cmd.CommandPath(), err: err}
		}
		return err
	}
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: which}
	cmd.AddCommand(commands...)
	return cmd
}

// which runs a command that only holds others: it says which there are.
func which(cmd *cobra.Command, args []string) error {
	if len(args) == 0 && !cmd.HasParent() {
		return cmd.Help()
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if len(args) == 0 {
		return usage(cmd, "say which: %s", strings.Join(names, ", "))
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usage(cmd, "unknown command %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return usage(cmd, "unknown command %q; want one of %s", args[0], strings.Join(names, ", "))
}

// help is cobra's help command, which takes an unknown name for none.
func help(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Show the help of a command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 && cmd.HasSubCommands() {
				return which(cmd, rest)
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

// arguments accepts from least to most positional arguments.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage(cmd, "too few arguments: %s", cmd.UseLine())
		case len(args) > most:
			return usage(cmd, "too many arguments, from %q on: %s", args[most], cmd.UseLine())
		}
		return nil
	}
}

// usageError says that the command line itself is wrong.
type usageError struct {
	command string // "confman key create"
	err     error
}

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

func usage(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{command: cmd.CommandPath(), err: fmt.Errorf(format, args...)}
}

func version(env Env) *cobra.Command {
	var form format
	cmd := &cobra.Command{Use: "version", Short: "Print the version", Args: arguments(0, 0)}
	form.flag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		v := struct {
			Version  string `json:"version"`
			Go       string `json:"go"`
			Platform string `json:"platform"`
		}{env.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
		return form.print(env.Stdout, v, func() error {
			_, err := fmt.Fprintf(env.Stdout, "confman %s %s %s\n", v.Version, v.Go, v.Platform)
			return err
		})
	}
	return cmd
}
