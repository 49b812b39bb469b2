package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

func schemaGet(env Env) *cobra.Command {
	s := &connection{env: env}
	var resolve bool
	var at point
	cmd := &cobra.Command{
		Use: "get NS", Short: "Print the JSON Schema of a namespace", Args: arguments(0, 1),
		Long: "Print the JSON Schema of a namespace, fit for confman schema set; with --resolve all\nthat hold in it, as a value must please each; with -o json or yaml also who set it.",
	}
	s.flags(cmd)
	s.namespaceFlag(cmd)
	cmd.Flags().BoolVar(&resolve, "resolve", false, "with those of namespaces above")
	at.flag(cmd, "at", atUse)
	cmd.ValidArgsFunction = s.completeNamespaces
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, _, err := s.namespaced(cmd, args, 0)
		if err != nil {
			return err
		}
		schema, err := c.Schema(ctx, namespace, resolve, client.Read{At: at.wire()})
		if err != nil {
			return err
		}
		return s.output.print(env.Stdout, schema, func() error {
			if !resolve {
				return s.printSchema(namespace, schema.Schema)
			}
			for _, e := range schema.Effective {
				s.note("%s, event %d:", e.From, e.Index)
				if err := s.printSchema(e.From, e.Schema); err != nil {
					return err
				}
			}
			if len(schema.Effective) == 0 {
				s.note("no schema holds in %s", namespace)
			}
			return nil
		})
	})
}

func (s *connection) printSchema(namespace string, schema json.RawMessage) error {
	if absent(schema) {
		s.note("%s has no schema of its own", namespace)
		return nil
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, schema, "", "  "); err != nil {
		return fmt.Errorf("%w: the schema of %s: %w", client.ErrBadAnswer, namespace, err)
	}
	indented.WriteByte('\n')
	_, err := s.env.Stdout.Write(indented.Bytes())
	return err
}

func absent(schema json.RawMessage) bool { return len(schema) == 0 || string(schema) == "null" }

// schemaChange is schema set and schema unset.
type schemaChange struct {
	change
	put     wire.PutSchema
	inherit bool
}

const schemaSetHelp = `Set the JSON Schema (2020-12) of a namespace, over the object of its keys. It is
enforced on direct writes and on publishing, here and in the namespaces below.

One that live values break is refused (exit code 7) unless --force is given.
confman schema test, or --dry-run, says what it would refuse.`

func schemaSet(env Env) *cobra.Command {
	s := &schemaChange{change: change{connection: connection{env: env}}}
	cmd := &cobra.Command{
		Use: "set NS FILE|-", Short: "Set the JSON Schema of a namespace", Args: arguments(1, 2), Long: schemaSetHelp,
		Example: "  confman schema set teams/payments schema.json --comment 'pool has a limit'",
	}
	s.flags(cmd)
	s.namespaceFlag(cmd)
	f := cmd.Flags()
	f.BoolVar(&s.put.Force, "force", false, "also when live values break it")
	f.BoolVar(&s.inherit, "inherit", true, "schemas of namespaces above hold, too; without this flag that stays as it is")
	f.StringVar(&s.put.Comment, "comment", "", "why; recorded with the change")
	cmd.ValidArgsFunction = s.completeFile
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, args, err := s.namespaced(cmd, args, 1)
		if err != nil {
			return err
		}
		if s.put.Schema, err = readJSON(env, args[0]); err != nil {
			return err
		}
		if f.Changed("inherit") {
			s.put.Inherit = &s.inherit
		}
		if s.dryRun {
			return s.test(ctx, c, namespace, s.put, 0)
		}
		return s.apply(ctx, c, namespace, "set")
	})
}

func schemaUnset(env Env) *cobra.Command {
	s := &schemaChange{change: change{connection: connection{env: env}}}
	cmd := &cobra.Command{
		Use: "unset NS", Short: "Take the schema of a namespace away", Args: arguments(0, 1),
		Long: "Take away the schema that a namespace has itself. Those of namespaces above still\nhold.",
	}
	s.flags(cmd)
	s.namespaceFlag(cmd)
	s.destructive(cmd)
	cmd.Flags().StringVar(&s.put.Comment, "comment", "", "why; recorded with the change")
	cmd.ValidArgsFunction = s.completeNamespaces
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, _, err := s.namespaced(cmd, args, 0)
		if err != nil {
			return err
		}
		if ok, err := s.confirm(cmd, "take the schema of %s away", namespace); !ok {
			return err
		}
		s.put.Schema = json.RawMessage("null")
		return s.apply(ctx, c, namespace, "taken away")
	})
}

// apply writes the schema. Whether schemas of namespaces above hold stays as it is
// unless the command line says so.
func (s *schemaChange) apply(ctx context.Context, c *client.Client, namespace, done string) error {
	schema, err := modify(ctx, &s.change, schemas(c, s.put), namespace, func(now *wire.Schema) error {
		if s.put.Inherit != nil {
			now.Inherit = s.put.Inherit
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.output.print(s.env.Stdout, schema, func() error {
		s.note("schema of %s %s", namespace, done)
		return nil
	})
}

// schemas writes put in place of whatever schema there is.
func schemas(c *client.Client, put wire.PutSchema) document[wire.Schema] {
	return document[wire.Schema]{
		get: c.Schema,
		put: func(ctx context.Context, namespace string, doc wire.Schema, w client.Write) (wire.Schema, error) {
			put.Inherit = doc.Inherit
			return c.PutSchema(ctx, namespace, put, w)
		},
		bare: func(doc *wire.Schema) uint64 { return doc.Index },
	}
}

const schemaTestHelp = `Say what a schema would refuse: live values that break it, in the namespaces below
too, and those of the last changes that it would not have let through. Without FILE it
is the schema that the namespace has. Nothing is changed. The exit code is 7 when live
values break it.`

func schemaTest(env Env) *cobra.Command {
	s := &connection{env: env}
	var last int
	cmd := &cobra.Command{
		Use: "test NS [FILE|-]", Short: "Say what a schema would refuse", Args: arguments(1, 2), Long: schemaTestHelp,
	}
	s.flags(cmd)
	cmd.Flags().IntVar(&last, "last", 100, "how many past changes to look at, at most 1000")
	cmd.ValidArgsFunction = s.completeFile
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if last < 1 {
			return usage(cmd, "--last %d: want 1 to 1000", last)
		}
		var put wire.PutSchema
		if len(args) == 2 {
			var err error
			if put.Schema, err = readJSON(env, args[1]); err != nil {
				return err
			}
			return s.test(ctx, c, args[0], put, last)
		}
		now, err := c.Schema(ctx, args[0], false, client.Read{})
		if err != nil {
			return err
		}
		if absent(now.Schema) {
			return fmt.Errorf("%w: %s has no schema of its own", client.ErrNotFound, args[0])
		}
		put.Schema, put.Inherit = now.Schema, now.Inherit
		return s.test(ctx, c, args[0], put, last)
	})
}

// test asks what a schema would refuse.
func (s *connection) test(ctx context.Context, c *client.Client, namespace string, put wire.PutSchema, last int) error {
	result, err := c.TestSchema(ctx, namespace, put, last)
	if err != nil {
		return err
	}
	if err := s.output.print(s.env.Stdout, result, func() error { return showSchemaTest(s.env.Stdout, result) }); err != nil {
		return err
	}
	if !result.Valid {
		return &ExitError{Code: ExitInvalid, Err: errors.New("live values break the schema")}
	}
	s.note("no live value breaks it; it would have refused %d of the last %s", len(result.Changes), counted(result.Looked, "change"))
	return nil
}

func showSchemaTest(w io.Writer, t wire.SchemaTest) error {
	var rows [][]string
	for _, breach := range t.Live {
		for _, e := range breach.Errors {
			rows = append(rows, []string{"live", "-", "-", cell(breach.Namespace), spelled(e.Pointer, diffWide), spelled(e.Detail, diffWide)})
		}
	}
	for _, change := range t.Changes {
		for _, e := range change.Errors {
			rows = append(rows, []string{when(change.Time), strconv.FormatUint(change.Index, 10), cell(change.Actor), cell(change.Namespace), spelled(e.Pointer, diffWide), spelled(e.Detail, diffWide)})
		}
	}
	if rows == nil {
		return nil
	}
	return table(w, []string{"WHEN", "EVENT", "BY", "NAMESPACE", "PLACE", "PROBLEM"}, rows)
}

func schemaValidate(env Env) *cobra.Command {
	s := &connection{env: env}
	cmd := &cobra.Command{
		Use: "validate SCHEMA VALUE", Short: "Judge a JSON value by a schema", Args: arguments(2, 2),
		Long: "Judge a JSON value by a JSON Schema as the server does, before either is in use. Both\nare files; one may be -. The exit code is 7 when the value is invalid.",
	}
	s.flags(cmd)
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if args[0] == "-" && args[1] == "-" {
			return usage(cmd, "the schema and the value cannot both come from stdin")
		}
		schema, err := readJSON(env, args[0])
		if err != nil {
			return err
		}
		value, err := readJSON(env, args[1])
		if err != nil {
			return err
		}
		result, err := c.Validate(ctx, schema, value)
		if err != nil {
			return err
		}
		err = s.output.print(env.Stdout, result, func() error {
			for _, e := range result.Errors {
				if _, err := fmt.Fprintln(env.Stdout, fieldText(e)); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil && !result.Valid {
			err = &ExitError{Code: ExitInvalid, Err: fmt.Errorf("%s is invalid", args[1])}
		}
		return err
	})
}
