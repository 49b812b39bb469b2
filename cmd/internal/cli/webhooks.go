package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const webhookCreateHelp = `Have an endpoint told of the events of a namespace and all below it ("/" is
everything): in order, each at least once, by HTTP POST. Print the secret by
which the endpoint can tell who calls; this is the only time that it is shown.

--events are kinds of events (config.updated) or their first parts (config);
without it, config and publish-request. Values are left out unless --values.

Requests are signed as Standard Webhooks says: webhook-signature is "v1," and the
base64 of the HMAC-SHA256 of webhook-id.webhook-timestamp.body. See confman
webhook verify.`

func webhookCreate(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	var body wire.NewWebhook
	var values bool
	cmd := &cobra.Command{
		Use: "create URL", Short: "Have an endpoint told of events", Args: arguments(1, 1), Long: webhookCreateHelp,
		Example: "  confman webhook create https://ci.example.com/hooks/confman -n teams/payments > hook.secret\n  confman webhook create https://chat.example.com/in -n / --events publish-request --description 'review room'",
	}
	w.flags(cmd)
	w.namespaceFlag(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&body.Events, "events", nil, "kinds of events, or first parts of kinds")
	f.BoolVar(&values, "values", false, "send values, too; the endpoint then sees what a viewer sees")
	f.StringVar(&body.Description, "description", "", "what it is for")
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if w.namespace == "" {
			return usage(cmd, "no namespace: %s -n NS, or set CONFMAN_NAMESPACE", cmd.UseLine())
		}
		body.URL, body.Namespace, body.Values = args[0], w.namespace, &values
		if w.dryRun {
			w.note("would have %s told of events of %s", body.URL, body.Namespace)
			return nil
		}
		made, err := c.CreateWebhook(ctx, body, w.write(nil))
		if err != nil {
			return err
		}
		return w.printSecret(made, "created for "+made.Namespace)
	})
}

// printSecret prints the secret of a webhook, and says what happened to it.
func (w *change) printSecret(webhook wire.Webhook, what string) error {
	w.note("webhook %s %s; its secret is shown only now", webhook.ID, what)
	w.note("keep it in a file; to check a request by hand: confman webhook verify --secret-file FILE < REQUEST")
	return w.output.print(w.env.Stdout, webhook, func() error {
		_, err := fmt.Fprintln(w.env.Stdout, webhook.Secret)
		return err
	})
}

func webhookList(env Env) *cobra.Command {
	s := &connection{env: env}
	cmd := &cobra.Command{Use: "list", Short: "List webhooks, without their secrets", Args: arguments(0, 0)}
	s.flags(cmd)
	return s.runs(cmd, func(ctx context.Context, c *client.Client, _ []string) error {
		webhooks := []wire.Webhook{}
		for webhook, err := range c.Webhooks(ctx, client.Read{}) {
			if err != nil {
				return err
			}
			webhooks = append(webhooks, webhook)
		}
		return s.output.print(env.Stdout, webhooks, func() error { return s.webhookTable(webhooks...) })
	})
}

func webhookShow(env Env) *cobra.Command {
	s := &connection{env: env}
	cmd := &cobra.Command{Use: "show ID", Short: "Show a webhook", Args: arguments(1, 1)}
	s.flags(cmd)
	cmd.ValidArgsFunction = s.completeWebhooks
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		webhook, err := c.Webhook(ctx, args[0])
		if err != nil {
			return err
		}
		return s.output.print(env.Stdout, webhook, func() error { return s.webhookTable(webhook) })
	})
}

func (s *connection) webhookTable(webhooks ...wire.Webhook) error {
	var rows [][]string
	for _, h := range webhooks {
		state := "enabled"
		if h.Disabled {
			state = "disabled"
		}
		if h.Disabled && h.Reason != "" {
			state += ": " + visible(h.Reason)
		}
		rows = append(rows, []string{
			h.ID, h.Namespace, spelled(h.URL, diffWide), cell(strings.Join(h.Events, ",")), strconv.FormatBool(h.Values), state,
			strconv.FormatUint(h.Lag, 10), cell(h.Description),
		})
	}
	return table(s.env.Stdout, []string{"ID", "NAMESPACE", "URL", "EVENTS", "VALUES", "STATE", "BEHIND", "DESCRIPTION"}, rows)
}

func webhookDelete(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "delete ID", Short: "Delete a webhook", Args: arguments(1, 1),
		Long: "Delete a webhook. What its endpoint was not told yet it never will be; to stop for\na while, see confman webhook disable.",
	}
	w.flags(cmd)
	w.destructive(cmd)
	cmd.ValidArgsFunction = w.completeWebhooks
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if ok, err := w.confirm(cmd, "delete webhook %s", args[0]); !ok {
			return err
		}
		if err := c.DeleteWebhook(ctx, args[0], w.write(nil)); err != nil {
			return err
		}
		w.note("webhook %s deleted", args[0])
		return nil
	})
}

// webhookSwitch is enable and disable.
func webhookSwitch(env Env, use, short string, disabled bool) *cobra.Command {
	w := &change{connection: connection{env: env}}
	cmd := &cobra.Command{Use: use + " ID", Short: short, Args: arguments(1, 1)}
	w.flags(cmd)
	cmd.ValidArgsFunction = w.completeWebhooks
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if w.dryRun {
			w.note("would %s webhook %s", use, args[0])
			return nil
		}
		webhook, err := c.Webhook(ctx, args[0])
		if err != nil {
			return err
		}
		same := wire.NewWebhook{URL: webhook.URL, Namespace: webhook.Namespace, Disabled: &disabled} // an empty URL is no URL to the server
		if webhook, err = c.PutWebhook(ctx, args[0], same, w.write(nil)); err != nil {
			return err
		}
		return w.output.print(env.Stdout, webhook, func() error {
			w.note("webhook %s %sd, %s behind", webhook.ID, use, counted(int(webhook.Lag), "event"))
			return nil
		})
	})
}

func webhookRotate(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	overlap := 24 * time.Hour
	cmd := &cobra.Command{
		Use: "rotate ID", Short: "Give a webhook another secret", Args: arguments(1, 1),
		Long: "Give a webhook another secret and print it: this is the only time that it is\nshown. Until --overlap has passed, requests are signed with the old one, too.",
	}
	w.flags(cmd)
	cmd.Flags().DurationVar(&overlap, "overlap", overlap, "how long the old secret still signs; 0 ends it at once")
	cmd.ValidArgsFunction = w.completeWebhooks
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if overlap < 0 {
			return usage(cmd, "--overlap %v: want none or some time", overlap)
		}
		if w.dryRun {
			w.note("would give webhook %s another secret", args[0])
			return nil
		}
		webhook, err := c.RotateWebhookSecret(ctx, args[0], wire.RotateSecret{Overlap: overlap.String()}, w.write(nil))
		if err != nil {
			return err
		}
		return w.printSecret(webhook, fmt.Sprintf("has another secret, the old one signs for %v more", overlap))
	})
}

func webhookDeliveries(env Env) *cobra.Command {
	s := &connection{env: env}
	var state string
	states := []string{wire.DeliveryDone, wire.DeliveryRetried, wire.DeliveryDead}
	cmd := &cobra.Command{
		Use: "deliveries ID", Short: "List what a webhook's endpoint was told", Args: arguments(1, 1),
		Long: "List what an endpoint was told and what is tried again, newest first, as far as\nthe leader remembers it. A dead one was given up; see confman webhook resend.",
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&state, "state", "", "only those that are "+strings.Join(states, ", "))
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp))
	cmd.ValidArgsFunction = s.completeWebhooks
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if state != "" && !slices.Contains(states, state) {
			return usage(cmd, "--state %q: want one of %s", state, strings.Join(states, ", "))
		}
		deliveries := []wire.Delivery{}
		for d, err := range c.Deliveries(ctx, args[0]) {
			if err != nil {
				return err
			}
			if state == "" || state == d.State {
				deliveries = append(deliveries, d)
			}
		}
		return s.output.print(env.Stdout, deliveries, func() error { return s.deliveryTable(deliveries...) })
	})
}

func (s *connection) deliveryTable(deliveries ...wire.Delivery) error {
	var rows [][]string
	for _, d := range deliveries {
		status := "-"
		if d.Status > 0 {
			status = strconv.Itoa(d.Status)
		}
		rows = append(rows, []string{
			strconv.FormatUint(d.Index, 10), d.Type, d.State, strconv.Itoa(d.Attempts), status, when(d.LastAt), when(d.NextAt),
			strconv.FormatInt(d.Millis, 10), cell(d.Error),
		})
	}
	return table(s.env.Stdout, []string{"EVENT", "TYPE", "STATE", "ATTEMPTS", "STATUS", "LAST", "NEXT", "MS", "ERROR"}, rows)
}

func webhookResend(env Env) *cobra.Command {
	s := &connection{env: env}
	cmd := &cobra.Command{
		Use: "resend ID INDEX", Short: "Tell an endpoint of one event again", Args: arguments(2, 2),
		Long: "Tell an endpoint of one event again, now and once, under the same webhook-id; a\ndisabled one, too. The exit code is 1 when the endpoint does not take it.",
	}
	s.flags(cmd)
	cmd.ValidArgsFunction = s.completeWebhooks
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		index, err := strconv.ParseUint(args[1], 10, 64)
		if err != nil || index == 0 {
			return usage(cmd, "%q is no event index: confman webhook deliveries %s lists them", args[1], args[0])
		}
		delivery, err := c.Resend(ctx, args[0], index)
		if err != nil {
			return err
		}
		if err := s.output.print(env.Stdout, delivery, func() error { return s.deliveryTable(delivery) }); err != nil {
			return err
		}
		if delivery.State != wire.DeliveryDone {
			return &ExitError{Code: ExitFailure, Err: errors.New("the endpoint did not take event " + args[1])}
		}
		return nil
	})
}

// completeWebhooks offers IDs with what they stand for.
func (s *connection) completeWebhooks(cmd *cobra.Command, args []string, _ string) (ids []string, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		s.ask(cmd, func(ctx context.Context, c *client.Client) {
			for webhook, err := range c.Webhooks(ctx, client.Read{}) {
				if err != nil || len(ids) == completions {
					break
				}
				ids = append(ids, cobra.CompletionWithDesc(webhook.ID, visible(webhook.Namespace+" → "+webhook.URL)))
			}
		})
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
