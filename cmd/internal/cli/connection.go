package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/cmd/internal/settings"
)

const (
	defaultAddr    = "http://127.0.0.1:6100"
	defaultTimeout = 30 * time.Second
)

// connection is what every command that talks to a cluster has: the settings to
// reach it and the manners to show.
type connection struct {
	env Env

	addr      []string
	apiKey    string
	context   string
	namespace string // only where namespaceFlag was called
	explicit  bool   // the namespace was on the command line
	timeout   time.Duration
	quiet     bool
	noColour  bool
	output    format

	login   string   // what a login for this cluster is kept under
	session *session // to be sent in place of an API key; nil: none

	// retrying is told of every failure that another attempt follows, in place of
	// the one note that a person gets. Nil: none is wanted.
	retrying func(err error, wait time.Duration)
	failed   atomic.Pointer[error] // of runsPatiently: the last one
}

// flags registers what every command has; the formats are those of -o.
func (s *connection) flags(cmd *cobra.Command, formats ...string) {
	s.reach(cmd)
	s.output.flag(cmd, formats...)
}

// reach registers what every command has except -o.
func (s *connection) reach(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&s.addr, "addr", []string{defaultAddr}, "URLs of some members of the cluster")
	f.StringVar(&s.apiKey, "api-key", "", "API key; others see it on a command line, so better set CONFMAN_API_KEY or CONFMAN_API_KEY_FILE")
	f.StringVar(&s.context, "context", "", "take address, key and namespace from this context")
	f.DurationVar(&s.timeout, "timeout", defaultTimeout, "give up after this long; 0 is never")
	f.BoolVarP(&s.quiet, "quiet", "q", false, "no confirmations and notes on stderr, only errors")
	f.BoolVar(&s.noColour, "no-color", false, "no colours; there are some only on a terminal, and none with NO_COLOR")
	settings.MarkSecret(f, "api-key")
}

// untimed makes no timeout the default, for what may take long. A request that
// nobody answers still ends, after some attempts.
func (s *connection) untimed(cmd *cobra.Command) {
	timeout := cmd.Flags().Lookup("timeout")
	timeout.DefValue = "0s"
	_ = timeout.Value.Set(timeout.DefValue)
}

// patience makes --timeout what a command waits for the first values, not what it
// may last; see runsPatiently.
func (s *connection) patience(cmd *cobra.Command, usual time.Duration) {
	timeout := cmd.Flags().Lookup("timeout")
	timeout.Usage = "wait this long for the values to begin with; 0 is for ever"
	timeout.DefValue = usual.String()
	_ = timeout.Value.Set(timeout.DefValue)
}

func (s *connection) namespaceFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.namespace, "namespace", "n", "", "namespace, where the arguments name none")
	_ = cmd.RegisterFlagCompletionFunc("namespace", s.completeNamespaces)
}

// load fills in the settings that the command line left open.
func (s *connection) load(cmd *cobra.Command) error {
	f := cmd.Flags()
	given := map[string]bool{}
	for _, name := range []string{"addr", "api-key", "context", "namespace"} {
		given[name] = f.Changed(name)
	}
	s.explicit = given["namespace"]
	if _, err := settings.Load(f, withoutHookVariables(s.env.Environ), "", Settings(cmd.Root())...); err != nil {
		return &usageError{command: cmd.CommandPath(), err: err}
	}
	chosen, err := s.env.context(s.context)
	if err != nil {
		return err
	}
	// Said by nobody, or only by a variable that an explicit context overrules.
	open := func(name string) bool { return !given[name] && (!f.Changed(name) || given["context"]) }
	fromContext := open("addr") && (len(chosen.Addr) > 0 || !f.Changed("addr"))
	if open("addr") && len(chosen.Addr) > 0 {
		s.addr = chosen.Addr
	}
	if err := s.loadLogin(fromContext, f.Changed("api-key"), chosen); err != nil {
		return err
	}
	if fromContext && open("api-key") && s.session == nil {
		key, err := chosen.key()
		if err != nil {
			return err
		}
		if key != "" {
			s.apiKey = key
		}
	}
	if open("namespace") && chosen.Namespace != "" {
		s.namespace = chosen.Namespace
	}
	return nil
}

// loadLogin looks for a login for the addresses, to be sent unless a flag or a
// variable gives an API key.
func (s *connection) loadLogin(fromContext, keyGiven bool, chosen cluster) error {
	context := ""
	if fromContext {
		context = chosen.name
	}
	s.login = loginName(context, s.addr)
	if keyGiven {
		return nil
	}
	kept, found, err := s.env.session(s.login, s.addr)
	if err != nil {
		return err
	}
	if found {
		s.session, s.apiKey = &kept, ""
	}
	return nil
}

// Settings are the names of all settings of all commands: a variable that
// one of them knows is no mistake to the others. Nor are the variables that
// watch --exec sets for a command, which may be a confman again.
func Settings(cmd *cobra.Command) []string {
	names := settings.Names(cmd.Flags())
	if !cmd.HasParent() {
		names = append(names, hookSettings()...)
	}
	for _, sub := range cmd.Commands() {
		names = append(names, Settings(sub)...)
	}
	return names
}

// connect makes the client; end ends it and the timeout of ctx. A login that has
// expired is renewed.
func (s *connection) connect(cmd *cobra.Command) (ctx context.Context, c *client.Client, end func(), err error) {
	config := client.Config{Endpoints: s.addr, Key: s.apiKey, UserAgent: "confman/" + s.env.Version, OnRetry: s.retrying}
	if s.env.Interactive && s.retrying == nil {
		said := false
		config.OnRetry = func(err error, _ time.Duration) {
			if !said {
				s.note("%v; trying again", err)
			}
			said = true
		}
	}
	if ctx = cmd.Context(); ctx == nil {
		ctx = context.Background()
	}
	cancel := context.CancelFunc(func() {})
	if s.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
	}
	if s.session != nil {
		b := newBearer(s.env, s.login, *s.session)
		if _, err := b.token(ctx); err != nil {
			cancel()
			return nil, nil, nil, err
		}
		config.HTTP = &http.Client{Transport: b}
		expire := cancel
		cancel = func() { expire(); b.base.CloseIdleConnections() }
	}
	if c, err = client.New(config); err != nil {
		cancel()
		return nil, nil, nil, &usageError{command: cmd.CommandPath(), err: fmt.Errorf("setting addr or api-key: %w", err)}
	}
	return ctx, c, func() { cancel(); c.Close() }, nil
}

// runs makes a command do its work with a client.
func (s *connection) runs(cmd *cobra.Command, work func(ctx context.Context, c *client.Client, args []string) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := s.load(cmd); err != nil {
			return err
		}
		ctx, c, end, err := s.connect(cmd)
		if err != nil {
			return err
		}
		defer end()
		return work(ctx, c, args)
	}
	return cmd
}

// runsPatiently is runs for a command that lasts, without a timeout. The failure
// that came last is remembered for when patience ends.
func (s *connection) runsPatiently(cmd *cobra.Command, work func(ctx context.Context, c *client.Client, patience time.Duration, args []string) error) *cobra.Command {
	s.retrying = func(err error, _ time.Duration) { s.failed.Store(&err) }
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := s.load(cmd); err != nil {
			return err
		}
		patience := s.timeout
		s.timeout = 0
		ctx, c, end, err := s.connect(cmd)
		if err != nil {
			return err
		}
		defer end()
		return work(ctx, c, patience, args)
	}
	return cmd
}

// lastFailure is the failure that came last, to follow other words.
func (s *connection) lastFailure() string {
	if err := s.failed.Load(); err != nil {
		return fmt.Sprintf(" (%v)", *err)
	}
	return ""
}

// note says something that is not data.
func (s *connection) note(format string, args ...any) {
	if !s.quiet {
		fmt.Fprintf(s.env.Stderr, format+"\n", args...)
	}
}

// warn says what went wrong where the command goes on all the same.
func (s *connection) warn(format string, args ...any) {
	fmt.Fprintf(s.env.Stderr, "confman: "+format+"\n", args...)
}

// change is what commands that write have besides.
type change struct {
	connection
	key    string // the idempotency key
	dryRun bool
	yes    bool
}

func (c *change) flags(cmd *cobra.Command) {
	c.connection.flags(cmd)
	cmd.Flags().StringVar(&c.key, "idempotency-key", "", "name of the write: repeating it under the same name changes nothing twice")
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "say what would be done and do nothing")
}

// destructive registers --yes.
func (c *change) destructive(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&c.yes, "yes", "y", false, "do not ask; needed where there is no terminal to ask on")
}

func (c *change) write(meta *client.Meta) client.Write {
	return client.Write{IdempotencyKey: c.key, Meta: meta}
}

// confirm reports whether to go ahead with what cannot be taken back: what the
// person at the terminal or --yes says. With --dry-run it says what would be
// done, and no.
func (c *change) confirm(cmd *cobra.Command, format string, args ...any) (bool, error) {
	what := fmt.Sprintf(format, args...)
	if c.dryRun {
		c.note("would %s", what)
		return false, nil
	}
	if c.yes {
		return true, nil
	}
	if !c.env.Interactive {
		return false, usage(cmd, "to %s without a terminal to ask on, add --yes", what)
	}
	fmt.Fprintf(c.env.Stderr, "%s%s? [y/N] ", strings.ToUpper(what[:1]), what[1:])
	reply, err := bufio.NewReader(c.env.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read the reply: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(reply)) {
	case "y", "yes":
		return true, nil
	}
	return false, errors.New("not confirmed; nothing was changed")
}
