package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const draftSetHelp = `Save what a key should become, without publishing it. There is one draft for each
key; confman request submit puts it under review, and then it is locked.

The value is given as to confman set. A draft may break the schema; that is said
and is in the way only when it is submitted.`

// drafting is what commands that change one draft have.
type drafting struct {
	change
	ifRevision uint64
}

func (d *drafting) flags(cmd *cobra.Command) {
	d.change.flags(cmd)
	d.namespaceFlag(cmd)
	cmd.Flags().Uint64Var(&d.ifRevision, "if-revision", 0, "only if the draft is at this revision; 0: only if there is none")
}

// write says under which condition to write.
func (d *drafting) write(cmd *cobra.Command, meta *client.Meta) client.Write {
	w := d.change.write(meta)
	if cmd.Flags().Changed("if-revision") {
		w.IfRevision = &d.ifRevision
	}
	return w
}

// valueTypes completes --type.
func valueTypes() cobra.CompletionFunc {
	types := []string{wire.TypeString, wire.TypeNumber, wire.TypeBoolean, wire.TypeJSON, wire.TypeBinary, wire.TypeSecretRef}
	return cobra.FixedCompletions(types, cobra.ShellCompDirectiveNoFileComp)
}

func draftSet(env Env) *cobra.Command {
	d := &drafting{change: change{connection: connection{env: env}}}
	var put wire.PutDraft
	var description string
	var tags []string
	cmd := &cobra.Command{
		Use: "set NS KEY VALUE|@FILE|-", Short: "Save what a key should become", Args: arguments(2, 3), Long: draftSetHelp,
		Example: "  confman draft set teams/payments pool.size 50 --type number\n  confman request submit teams/payments pool.size --comment 'more traffic'",
	}
	d.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&put.Type, "type", wire.TypeString, "string, number, boolean, json, binary or secret-ref")
	f.StringVar(&put.Comment, "comment", "", "why; shown to whoever reviews it")
	f.StringVar(&description, "description", "", "what the key is for; without this flag it stays as it is")
	f.StringArrayVar(&tags, "tag", nil, "a tag of the key; may be repeated, and without it tags stay as they are")
	cmd.ValidArgsFunction = d.completeEntry(1)
	_ = cmd.RegisterFlagCompletionFunc("type", valueTypes())
	return d.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, args, err := d.namespaced(cmd, args, 2)
		if err != nil {
			return err
		}
		if put.Value, err = readValue(env, args[1], put.Type); err != nil {
			return err
		}
		if f.Changed("description") {
			put.Description = &description
		}
		if f.Changed("tag") {
			put.Tags = &tags
		}
		return d.save(ctx, c, cmd, namespace, args[0], put)
	})
}

func draftDelete(env Env) *cobra.Command {
	d := &drafting{change: change{connection: connection{env: env}}}
	put := wire.PutDraft{Delete: true}
	cmd := &cobra.Command{
		Use: "delete NS KEY", Short: "Save that a key should be deleted", Args: arguments(1, 2),
		Long: "Save a draft that deletes the key when it is published. Until then the key stays.\nTo throw a draft away: confman draft discard.",
	}
	d.flags(cmd)
	cmd.Flags().StringVar(&put.Comment, "comment", "", "why; shown to whoever reviews it")
	cmd.ValidArgsFunction = d.completeEntry(0)
	return d.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, args, err := d.namespaced(cmd, args, 1)
		if err != nil {
			return err
		}
		return d.save(ctx, c, cmd, namespace, args[0], put)
	})
}

// save saves a draft or, with --dry-run, shows what it would be.
func (d *drafting) save(ctx context.Context, c *client.Client, cmd *cobra.Command, namespace, key string, put wire.PutDraft) error {
	write := d.write(cmd, nil)
	if d.dryRun {
		proposed, revision, err := proposal(ctx, c, wire.RequestedChange{Namespace: namespace, Key: key, Value: put.Value, Type: put.Type, Delete: put.Delete})
		if err != nil {
			return err
		}
		if write.IfRevision != nil && revision != *write.IfRevision {
			return fmt.Errorf("%w: the draft of %s/%s is at revision %d, not %d", client.ErrConditionFailed, namespace, key, revision, *write.IfRevision)
		}
		d.note("would save a draft:")
		return d.printChange(d.env.Stderr, proposed)
	}
	draft, err := c.PutDraft(ctx, namespace, key, put, write)
	if err != nil {
		return err
	}
	return d.output.print(d.env.Stdout, draft, func() error {
		d.note("draft of %s/%s saved: revision %d", namespace, key, draft.Revision)
		for _, broken := range draft.Errors {
			d.note("it breaks the schema: %s", fieldText(broken))
		}
		return nil
	})
}

func draftDiscard(env Env) *cobra.Command {
	d := &drafting{change: change{connection: connection{env: env}}}
	cmd := &cobra.Command{
		Use: "discard NS KEY", Short: "Throw a draft away", Args: arguments(1, 2),
		Long: "Throw the draft of a key away. What is published stays as it is.",
	}
	d.flags(cmd)
	d.destructive(cmd)
	cmd.ValidArgsFunction = d.completeDrafts
	return d.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, args, err := d.namespaced(cmd, args, 1)
		if err != nil {
			return err
		}
		if cmd.Flags().Changed("if-revision") && d.ifRevision == 0 {
			return usage(cmd, "--if-revision 0 means that there must be no draft; there would be nothing to discard")
		}
		if ok, err := d.confirm(cmd, "discard the draft of %s/%s", namespace, args[0]); !ok {
			return err
		}
		if err := c.DiscardDraft(ctx, namespace, args[0], d.write(cmd, nil)); err != nil {
			return err
		}
		d.note("draft of %s/%s discarded", namespace, args[0])
		return nil
	})
}

func draftList(env Env) *cobra.Command {
	s := &connection{env: env}
	var prefix string
	cmd := &cobra.Command{Use: "list [NS]", Short: "List the drafts of a namespace", Args: arguments(0, 1)}
	s.flags(cmd)
	s.namespaceFlag(cmd)
	cmd.Flags().StringVar(&prefix, "prefix", "", "only keys that begin with this")
	cmd.ValidArgsFunction = s.completeNamespaces
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, _, err := s.namespaced(cmd, args, 0)
		if err != nil {
			return err
		}
		drafts := []wire.Draft{}
		var rows [][]string
		for d, err := range c.Drafts(ctx, namespace, prefix, client.Read{}) {
			if err != nil {
				return err
			}
			drafts = append(drafts, d)
			schema, value := "ok", "-"
			if len(d.Errors) > 0 {
				schema = counted(len(d.Errors), "error")
			}
			if !d.Delete {
				value = valueCell(d.Type, d.Value)
			}
			rows = append(rows, []string{d.Key, drafted(d).Action, strconv.FormatUint(d.Revision, 10), when(d.UpdatedAt), cell(d.UpdatedBy), cell(d.Request), schema, value})
		}
		return s.output.print(env.Stdout, drafts, func() error {
			return table(env.Stdout, []string{"KEY", "CHANGE", "REVISION", "UPDATED", "BY", "REQUEST", "SCHEMA", "VALUE"}, rows)
		})
	})
}

func draftShow(env Env) *cobra.Command {
	s := &connection{env: env}
	cmd := &cobra.Command{
		Use: "show NS KEY", Short: "Show a draft and how it differs from what is published", Args: arguments(1, 2),
		Long: "Show a draft: how it differs from what is published and what the schema says.\nWith -o raw only its value.",
	}
	s.flags(cmd, formatTable, formatJSON, formatYAML, formatRaw)
	s.namespaceFlag(cmd)
	cmd.ValidArgsFunction = s.completeDrafts
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, args, err := s.namespaced(cmd, args, 1)
		if err != nil {
			return err
		}
		d, err := c.Draft(ctx, namespace, args[0], client.Read{})
		if err != nil {
			return err
		}
		return s.output.print(env.Stdout, d, func() error {
			if s.output.name == formatTable {
				return s.showDraft(env.Stdout, d)
			}
			if d.Delete {
				return fmt.Errorf("%w: the draft of %s/%s deletes the key and has no value", client.ErrNotFound, namespace, args[0])
			}
			value, err := client.Bytes(d.Type, d.Value)
			if err != nil {
				return err
			}
			_, err = env.Stdout.Write(value)
			return err
		})
	})
}

func (s *connection) showDraft(w io.Writer, d wire.Draft) error {
	facts := [][2]string{{"draft", fmt.Sprintf("revision %d, %s by %s", d.Revision, when(d.UpdatedAt), visible(d.UpdatedBy))}}
	if d.Comment != "" {
		facts = append(facts, [2]string{"comment", d.Comment})
	}
	if d.Request != "" {
		facts = append(facts, [2]string{"locked", "under review: confman request show " + d.Request})
	}
	for _, broken := range d.Errors {
		facts = append(facts, [2]string{"schema", fieldText(broken)})
	}
	if err := printFacts(w, facts); err != nil {
		return err
	}
	if err := s.printChange(w, drafted(d)); err != nil {
		return err
	}
	return printAbout(w, d.Description, d.Tags)
}

// drafted is what publishing a draft would change.
func drafted(d wire.Draft) wire.ValueChange {
	change := wire.ValueChange{Namespace: d.Namespace, Key: d.Key, New: d.Value, NewType: d.Type}
	if d.Live != nil {
		change.Old, change.OldVersion = d.Live.Value, d.Live.Version
	}
	change.Action = actionOf(d.Live != nil, d.Delete)
	return change
}

func actionOf(exists, deletes bool) string {
	switch {
	case deletes:
		return wire.ActionDelete
	case exists:
		return wire.ActionUpdate
	}
	return wire.ActionCreate
}

// proposal is what a change would do to what is published, and the revision of the
// draft that it publishes or replaces, 0 for none.
func proposal(ctx context.Context, c *client.Client, change wire.RequestedChange) (shown wire.ValueChange, revision uint64, err error) {
	latest := client.Read{Linearizable: true} // what was saved a moment ago is part of it, whoever is asked
	draft, err := c.Draft(ctx, change.Namespace, change.Key, latest)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return shown, 0, err
	}
	if change.Value == nil && !change.Delete { // the draft itself
		return drafted(draft), draft.Revision, err
	}
	shown = wire.ValueChange{Namespace: change.Namespace, Key: change.Key}
	entry, err := c.Get(ctx, change.Namespace, change.Key, latest)
	switch {
	case err == nil:
		shown.Old, shown.OldType, shown.OldVersion = entry.Value, entry.Type, entry.Version
	case !errors.Is(err, client.ErrNotFound) || change.Delete:
		return shown, 0, err
	}
	shown.Action = actionOf(err == nil, change.Delete)
	if !change.Delete {
		value, err := canonical(change.Type, change.Value)
		if err != nil {
			return shown, 0, &ExitError{Code: ExitInvalid, Err: fmt.Errorf("%s/%s: %w", change.Namespace, change.Key, err)}
		}
		shown.New, shown.NewType = value.Value, value.Type
	}
	return shown, draft.Revision, nil
}

// completeDrafts offers what "NS KEY" or, with a default namespace, "KEY" may be,
// of keys that have a draft.
func (s *connection) completeDrafts(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	var names []string
	s.ask(cmd, func(ctx context.Context, c *client.Client) {
		switch {
		case len(args) == 0 && s.namespace != "":
			names = append(draftKeys(ctx, c, s.namespace, typed), namespaceNames(ctx, c, typed)...)
		case len(args) == 0:
			names = namespaceNames(ctx, c, typed)
		case len(args) == 1 && !s.explicit:
			names = draftKeys(ctx, c, args[0], typed)
		}
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

func draftKeys(ctx context.Context, c *client.Client, namespace, prefix string) (names []string) {
	for d, err := range c.Drafts(ctx, namespace, prefix, client.Read{}) {
		if err != nil || len(names) == completions {
			break
		}
		names = append(names, d.Key)
	}
	return names
}
