package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const keyCreateHelp = `Create an API key and print it: this is the only time that it is shown.

Each --grant is NAMESPACE=ROLE, for that namespace and all below it ("/" is all
there are), with :KEYS at its end for some keys only: one, or a prefix and "*".
Roles: viewer, editor, publisher, admin; each may do what those before it may.`

func keyCreate(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	var key wire.NewKey
	var grants []string
	var expires string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create an API key", Args: arguments(1, 1), Long: keyCreateHelp,
		Example: "  confman key create ci --grant teams/pay=editor --expires 720h > ci.key\n  confman key create reader --grant 'teams/pay=viewer:db/*'",
	}
	w.flags(cmd)
	cmd.Flags().StringArrayVar(&grants, "grant", nil, "NAMESPACE=ROLE[:KEYS]; may be repeated")
	cmd.Flags().StringVar(&key.Principal, "principal", "", "whom the key acts as (default: NAME)")
	cmd.Flags().StringVar(&expires, "expires", "", "when it ends: a time (RFC 3339) or how long from now, such as 720h")
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) (err error) {
		key.Name = args[0]
		if key.Grants, err = parseGrants(cmd, grants); err != nil {
			return err
		}
		if key.ExpiresAt, err = parseExpiry(cmd, expires); err != nil {
			return err
		}
		if w.dryRun {
			w.note("would create API key %s with %s", key.Name, grantText(key.Grants))
			return nil
		}
		made, err := c.CreateKey(ctx, key, w.write(nil))
		if err != nil {
			return aboutMoment(err, "--expires", expires, key.ExpiresAt)
		}
		w.note("API key %s created for %s; it is shown only now", made.ID, made.Principal)
		return w.output.print(env.Stdout, made, func() error {
			_, err := fmt.Fprintln(env.Stdout, made.Key)
			return err
		})
	})
}

func parseGrants(cmd *cobra.Command, texts []string) (grants []wire.Grant, err error) {
	for _, text := range texts {
		namespace, rest, ok := strings.Cut(text, "=")
		role, keys, _ := strings.Cut(rest, ":")
		if !ok || namespace == "" || role == "" {
			return nil, usage(cmd, "--grant %q: want NAMESPACE=ROLE or NAMESPACE=ROLE:KEYS", text)
		}
		grants = append(grants, wire.Grant{Namespace: namespace, Role: role, Keys: keys})
	}
	if grants == nil {
		return nil, usage(cmd, "a key needs at least one --grant NAMESPACE=ROLE")
	}
	return grants, nil
}

func parseExpiry(cmd *cobra.Command, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	return moment(cmd, "--expires", text)
}

// aboutMoment says what repeating the command takes when the time of a flag
// counts from now: each time that is another request under the same idempotency
// key.
func aboutMoment(err error, flag, given string, sent *time.Time) error {
	if _, relative := time.Parse(time.RFC3339, given); relative == nil || sent == nil {
		return err
	}
	var problem *client.Problem
	switch {
	case errors.Is(err, client.ErrOutcomeUnknown):
		return fmt.Errorf("%w; to repeat it say %s %s", err, flag, sent.Format(time.RFC3339))
	case errors.As(err, &problem) && problem.Type == wire.ProblemIdempotencyMismatch:
		return fmt.Errorf("%w; %s %s counts from now, so this was asked for %s, not for what the first time said: give a time",
			err, flag, given, sent.Format(time.RFC3339))
	}
	return err
}

func grantText(grants []wire.Grant) string {
	var texts []string
	for _, g := range grants {
		text := g.Namespace + "=" + g.Role
		if g.Keys != "" {
			text += ":" + g.Keys
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

const keyListHelp = `List API keys, without their secrets.

LAST USED is by what the members that answered remember: each keeps that for itself,
through restarts. With --unused only the usable keys are shown that nobody has used
for so long, or ever, and that were made before: those to be revoked.`

func keyList(env Env) *cobra.Command {
	s := &connection{env: env}
	var unused string
	cmd := &cobra.Command{
		Use: "list", Short: "List API keys, without their secrets", Args: arguments(0, 0), Long: keyListHelp,
		Example: "  confman key list --unused 90d",
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&unused, "unused", "", "only usable keys that were not used for so long, or since that time, such as 90d or 2026-01-01")
	return s.runs(cmd, func(ctx context.Context, c *client.Client, _ []string) error {
		since, err := unusedSince(cmd, unused)
		if err != nil {
			return err
		}
		keys, meta, silent := []wire.APIKey{}, client.Meta{}, ""
		for k, err := range c.Keys(ctx, client.Read{Meta: &meta}) {
			if err != nil {
				return err
			}
			silent = cmp.Or(meta.Silent, silent) // of any page
			if since == nil || idle(k, *since) {
				keys = append(keys, k)
			}
		}
		if silent != "" {
			s.note("%s did not answer: a key that was used only there looks as if it was not", silent)
		}
		return s.output.print(env.Stdout, keys, func() error { return keyTable(env, keys) })
	})
}

func unusedSince(cmd *cobra.Command, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	return pastTime(cmd, "--unused", text)
}

// idle reports whether a key that can be used, and could at a time, was not used
// since.
func idle(k wire.APIKey, since time.Time) bool {
	usable := k.RevokedAt == nil && (k.ExpiresAt == nil || k.ExpiresAt.After(time.Now()))
	return usable && k.CreatedAt.Before(since) && (k.LastUsedAt == nil || k.LastUsedAt.Before(since))
}

func keyTable(env Env, keys []wire.APIKey) error {
	var rows [][]string
	for _, k := range keys {
		moment := func(at *time.Time, never string) string {
			if at == nil {
				return never
			}
			return when(*at)
		}
		rows = append(rows, []string{
			k.ID, cell(k.Name), cell(k.Principal), when(k.CreatedAt), moment(k.ExpiresAt, "never"), moment(k.RevokedAt, "-"),
			moment(k.LastUsedAt, "-"), cell(k.LastUsedFrom), grantText(k.Grants),
		})
	}
	return table(env.Stdout, []string{"ID", "NAME", "PRINCIPAL", "CREATED", "EXPIRES", "REVOKED", "LAST USED", "FROM", "GRANTS"}, rows)
}

func keyRevoke(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	cmd := &cobra.Command{Use: "revoke ID", Short: "End an API key", Args: arguments(1, 1)}
	w.flags(cmd)
	w.destructive(cmd)
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if ok, err := w.confirm(cmd, "revoke API key %s", args[0]); !ok {
			return err
		}
		if err := c.RevokeKey(ctx, args[0], w.write(nil)); err != nil {
			return err
		}
		w.note("API key %s revoked", args[0])
		return nil
	})
}

func whoami(env Env) *cobra.Command {
	s := &connection{env: env}
	cmd := &cobra.Command{Use: "whoami", Short: "Say whom the API key acts as and what it may do", Args: arguments(0, 0)}
	s.flags(cmd)
	return s.runs(cmd, func(ctx context.Context, c *client.Client, _ []string) error {
		p, err := c.WhoAmI(ctx)
		if err != nil {
			return err
		}
		return s.output.print(env.Stdout, p, func() error {
			expires := "never"
			if p.ExpiresAt != nil {
				expires = when(*p.ExpiresAt)
			}
			return table(env.Stdout, []string{"PRINCIPAL", "KEY", "EXPIRES", "GRANTS"}, [][]string{{cell(p.Principal), cell(p.KeyID), expires, grantText(p.Grants)}})
		})
	})
}
