package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const submitHelp = `Put drafts under review: those of the keys that are named, or all of a namespace.
What is submitted is exactly what is shown; a draft that somebody changes in
between is refused (exit code 4). Drafts of several namespaces go together with
--draft NAMESPACE:KEY; all of a request is published at once or not at all.

--set and --delete save drafts and submit them in one step. A value is a string
unless its type stands after the key: --set pool.size:number=50. It may be @FILE
or -, as with confman set.

Prints the ID of the publish request.`

// submission is request submit.
type submission struct {
	change
	all                   bool
	drafts, sets, deletes []string
	comment, publishAt    string
}

func requestSubmit(env Env) *cobra.Command {
	s := &submission{change: change{connection: connection{env: env}}}
	cmd := &cobra.Command{
		Use: "submit NS [KEY...]", Short: "Put drafts under review", Args: cobra.ArbitraryArgs, Long: submitHelp,
		Example: "  confman request submit teams/payments --all --comment 'more traffic'\n" +
			"  confman request submit teams/payments --set pool.size:number=50 --delete pool.max\n" +
			"  confman request submit --draft teams/payments:url --draft teams/web:api/url --publish-at 2026-12-01T06:00:00Z",
	}
	s.flags(cmd)
	s.namespaceFlag(cmd)
	f := cmd.Flags()
	f.BoolVar(&s.all, "all", false, "every draft of the namespace that is not under review already")
	f.StringArrayVar(&s.drafts, "draft", nil, "NAMESPACE:KEY, a draft of any namespace; may be repeated")
	f.StringArrayVar(&s.sets, "set", nil, "KEY=VALUE or KEY:TYPE=VALUE, without a draft before; may be repeated")
	f.StringArrayVar(&s.deletes, "delete", nil, "KEY to delete, without a draft before; may be repeated")
	f.StringVar(&s.comment, "comment", "", "why; shown to whoever reviews it")
	f.StringVar(&s.publishAt, "publish-at", "", "not before this time (RFC 3339, or how long from now, such as 12h); default: with the last approval")
	cmd.ValidArgsFunction = s.completeDrafts
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		request := wire.NewRequest{Comment: s.comment}
		if s.publishAt != "" {
			at, err := moment(cmd, "--publish-at", s.publishAt)
			if err != nil {
				return err
			}
			request.PublishAt = at
		}
		changes, err := s.gather(ctx, c, cmd, args)
		if err != nil {
			return err
		}
		if request.Changes, err = s.pin(ctx, c, changes); err != nil {
			return err
		}
		if s.dryRun {
			s.note("would submit a publish request of %s", counted(len(changes), "change"))
			return nil
		}
		made, err := c.SubmitRequest(ctx, request, s.write(nil))
		if errors.Is(err, client.ErrOutcomeUnknown) {
			err = fmt.Errorf("%w; confman request list --mine says whether there is such a request", err)
		}
		if err != nil {
			return err
		}
		s.note("publish request %s submitted%s", made.ID, needs(made, ", needs "))
		return s.output.print(env.Stdout, made, func() error {
			_, err := fmt.Fprintln(env.Stdout, made.ID)
			return err
		})
	})
}

// gather is what the command line asks for.
func (s *submission) gather(ctx context.Context, c *client.Client, cmd *cobra.Command, keys []string) (changes []wire.RequestedChange, err error) {
	namespace := s.namespace
	if len(keys) > 0 && !s.explicit {
		namespace, keys = keys[0], keys[1:]
	}
	if len(keys)+len(s.drafts)+len(s.sets)+len(s.deletes) == 0 && !s.all {
		return nil, usage(cmd, "say which keys, or --all")
	}
	if namespace == "" && (s.all || len(keys)+len(s.sets)+len(s.deletes) > 0) {
		return nil, usage(cmd, "no namespace: %s, or set CONFMAN_NAMESPACE", cmd.UseLine())
	}
	for _, key := range keys {
		changes = append(changes, wire.RequestedChange{Namespace: namespace, Key: key})
	}
	for _, text := range s.drafts {
		namespace, key, ok := strings.Cut(text, ":")
		if !ok || namespace == "" || key == "" {
			return nil, usage(cmd, "--draft %q: want NAMESPACE:KEY", text)
		}
		changes = append(changes, wire.RequestedChange{Namespace: namespace, Key: key})
	}
	for _, text := range s.sets {
		name, argument, ok := strings.Cut(text, "=")
		key, valueType, typed := strings.Cut(name, ":")
		if !ok || key == "" || typed && valueType == "" {
			return nil, usage(cmd, "--set %q: want KEY=VALUE or KEY:TYPE=VALUE", text)
		}
		if !typed {
			valueType = wire.TypeString
		}
		value, err := readValue(s.env, argument, valueType)
		if err != nil {
			return nil, fmt.Errorf("--set %s: %w", name, err)
		}
		changes = append(changes, wire.RequestedChange{Namespace: namespace, Key: key, Type: valueType, Value: value})
	}
	for _, key := range s.deletes {
		changes = append(changes, wire.RequestedChange{Namespace: namespace, Key: key, Delete: true})
	}
	given := map[string]bool{}
	for _, change := range changes {
		name := change.Namespace + "/" + change.Key
		if given[name] {
			return nil, usage(cmd, "%s is given twice", name)
		}
		given[name] = true
	}
	if s.all {
		return s.others(ctx, c, namespace, given, changes)
	}
	return changes, nil
}

// others adds the drafts of a namespace that are not given yet and free.
func (s *submission) others(ctx context.Context, c *client.Client, namespace string, given map[string]bool, changes []wire.RequestedChange) ([]wire.RequestedChange, error) {
	for d, err := range c.Drafts(ctx, namespace, "", client.Read{Linearizable: true}) {
		switch name := d.Namespace + "/" + d.Key; {
		case err != nil:
			return nil, err
		case given[name]:
		case d.Request != "":
			s.note("left out: %s is under review already, as publish request %s", name, d.Request)
		default:
			changes = append(changes, wire.RequestedChange{Namespace: d.Namespace, Key: d.Key})
		}
	}
	if len(changes) == 0 {
		return nil, fmt.Errorf("%w: %s has no drafts to submit", client.ErrNotFound, namespace)
	}
	return changes, nil
}

// pin shows each change and notes which revision of its draft that was.
func (s *submission) pin(ctx context.Context, c *client.Client, changes []wire.RequestedChange) ([]wire.RequestedChange, error) {
	for i := range changes {
		change := &changes[i]
		shown, revision, err := proposal(ctx, c, *change)
		if err != nil {
			return nil, err
		}
		change.Revision = revision
		if s.quiet {
			continue
		}
		if err := s.printChange(s.env.Stderr, shown); err != nil {
			return nil, err
		}
		if revision > 0 && (change.Delete || change.Value != nil) {
			s.note("    in place of the draft at revision %d: confman draft show %s %s", revision, change.Namespace, change.Key)
		}
	}
	return changes, nil
}

const (
	stateOpen = "open"
	stateAll  = "all"
)

func requestList(env Env) *cobra.Command {
	s := &connection{env: env}
	var query client.RequestQuery
	cmd := &cobra.Command{
		Use: "list", Short: "List publish requests", Args: arguments(0, 0),
		Long: "List publish requests, newest first: of the namespace that -n or the context\nnames, or all that the key may see where there is none or it is \"/\".",
	}
	s.flags(cmd)
	s.namespaceFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&query.State, "state", stateOpen, "open, all, or some of pending_review, scheduled, published, rejected, withdrawn, divided by commas")
	f.BoolVar(&query.Mine, "mine", false, "only those that you submitted")
	states := []string{stateOpen, stateAll, wire.RequestPending, wire.RequestScheduled, wire.RequestPublished, wire.RequestRejected, wire.RequestWithdrawn}
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp))
	return s.runs(cmd, func(ctx context.Context, c *client.Client, _ []string) error {
		if query.State == stateAll {
			query.State = ""
		}
		if s.namespace != wire.Root {
			query.Namespace = s.namespace
		}
		requests := []wire.PublishRequest{}
		var rows [][]string
		for p, err := range c.Requests(ctx, query, client.Read{}) {
			if err != nil {
				return err
			}
			requests = append(requests, p)
			rows = append(rows, []string{p.ID, p.State, changesCell(p), cell(p.SubmittedBy), when(p.SubmittedAt), approvals(p), cell(p.Comment)})
		}
		return s.output.print(env.Stdout, requests, func() error {
			return table(env.Stdout, []string{"ID", "STATE", "CHANGES", "BY", "SUBMITTED", "APPROVALS", "COMMENT"}, rows)
		})
	})
}

// changesCell names the first change and counts the others.
func changesCell(p wire.PublishRequest) string {
	text := "-"
	if len(p.Changes) > 0 {
		text = visible(p.Changes[0].Namespace + "/" + p.Changes[0].Key)
	}
	if more := len(p.Changes) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if p.Partial {
		text += " and hidden ones"
	}
	return text
}

// approvals is "1 of 2", of the change that lacks most.
func approvals(p wire.PublishRequest) string {
	text, lacking := "-", 0
	for _, m := range p.Missing {
		if m.Need-m.Have > lacking {
			text, lacking = fmt.Sprintf("%d of %d", m.Have, m.Need), m.Need-m.Have
		}
	}
	return text
}

// needs says, after lead, what a request still lacks; nothing when it lacks nothing.
func needs(p wire.PublishRequest, lead string) string {
	names := map[int][]string{} // by how many approvals they lack
	for _, m := range p.Missing {
		names[m.Need-m.Have] = append(names[m.Need-m.Have], m.Namespace+"/"+m.Key)
	}
	var texts []string
	for _, lacking := range slices.Sorted(maps.Keys(names)) {
		texts = append(texts, fmt.Sprintf("%s for %s", counted(lacking, "more approval"), some(names[lacking])))
	}
	if texts == nil {
		return ""
	}
	return lead + strings.Join(texts, "; ")
}

// completeRequests offers the open requests.
func (s *connection) completeRequests(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var ids []string
	s.ask(cmd, func(ctx context.Context, c *client.Client) {
		if len(args) > 0 {
			return
		}
		for p, err := range c.Requests(ctx, client.RequestQuery{State: stateOpen}, client.Read{}) {
			if err != nil || len(ids) == completions {
				break
			}
			ids = append(ids, cobra.CompletionWithDesc(p.ID, changesCell(p)))
		}
	})
	return ids, cobra.ShellCompDirectiveNoFileComp
}
