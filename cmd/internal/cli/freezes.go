package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const freezeHelp = `Let no changes be made in a namespace, and below it, for some time. What is approved
meanwhile is published when the freeze ends; direct writes are refused (exit code 4).
Times are RFC 3339, or how long from now, such as 48h.`

func settingsFreeze(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	var from, until, reason string
	cmd := &cobra.Command{
		Use: "freeze NS --until T --reason R", Short: "Let no changes be made for some time", Args: arguments(0, 1), Long: freezeHelp,
		Example: "  confman settings freeze / --from 2026-12-23T18:00:00Z --until 2027-01-02T08:00:00Z --reason 'end of the year'",
	}
	w.flags(cmd)
	w.namespaceFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&from, "from", "0s", "when it begins")
	f.StringVar(&until, "until", "", "when it ends")
	f.StringVar(&reason, "reason", "", "why; whoever is refused is told")
	cmd.ValidArgsFunction = w.completeNamespaces
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, _, err := w.namespaced(cmd, args, 0)
		if err != nil {
			return err
		}
		if until == "" || reason == "" {
			return usage(cmd, "a freeze needs --until and --reason")
		}
		freeze, now := wire.Freeze{Reason: reason}, time.Now()
		if freeze.From, err = parseMoment(cmd, "from", from, now); err != nil {
			return err
		}
		if freeze.Until, err = parseMoment(cmd, "until", until, now); err != nil {
			return err
		}
		if !freeze.Until.After(freeze.From) {
			return usage(cmd, "the freeze would end at %s, before it begins at %s", when(freeze.Until), when(freeze.From))
		}
		return w.changeSettings(ctx, c, namespace, "changed: frozen from "+when(freeze.From)+" until "+when(freeze.Until), func(s *wire.Settings) error {
			s.Freezes = append(s.Freezes, freeze)
			return nil
		})
	})
}

// parseMoment reads a time, or how long it is from now.
func parseMoment(cmd *cobra.Command, flag, text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UTC(), nil
	}
	duration, err := time.ParseDuration(text)
	if err != nil || duration < 0 {
		return time.Time{}, usage(cmd, "--%s %q: want a time such as 2027-01-31T12:00:00Z or how long from now, such as 48h", flag, text)
	}
	return now.Add(duration).UTC().Truncate(time.Second), nil
}

func settingsThaw(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "thaw NS", Short: "End all freezes of a namespace", Args: arguments(0, 1),
		Long: "End all freezes that the namespace itself has, later ones too. Those of namespaces\nabove still hold: confman settings get NS --resolve.",
	}
	w.flags(cmd)
	w.namespaceFlag(cmd)
	cmd.ValidArgsFunction = w.completeNamespaces
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, _, err := w.namespaced(cmd, args, 0)
		if err != nil {
			return err
		}
		err = w.changeSettings(ctx, c, namespace, "changed: no freezes", func(s *wire.Settings) error {
			if len(s.Freezes) == 0 {
				return errUnchanged
			}
			s.Freezes = nil
			return nil
		})
		if errors.Is(err, errUnchanged) {
			w.note("%s has no freezes of its own; confman settings get %s --resolve shows those of namespaces above", namespace, namespace)
			return nil
		}
		return err
	})
}
