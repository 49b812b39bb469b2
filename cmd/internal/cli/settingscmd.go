package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/internal/settings"
)

// Names of settings, as the API has them.
const (
	settingRequireApproval  = "requireApproval"
	settingMinApprovers     = "minApprovers"
	settingRollbackApproval = "rollbackRequiresApproval"
	settingAllowBypass      = "allowBypass"
	settingInherit          = "inherit"
	settingQuotaKeys        = "quota.keys"
	settingQuotaBytes       = "quota.bytes"
	settingWindows          = "windows"
)

func settingNames() []string {
	return []string{
		settingRequireApproval, settingMinApprovers, settingRollbackApproval, settingAllowBypass,
		settingInherit, settingQuotaKeys, settingQuotaBytes, settingWindows,
	}
}

func settingsGet(env Env) *cobra.Command {
	s := &connection{env: env}
	var resolve bool
	var at point
	cmd := &cobra.Command{
		Use: "get NS", Short: "Show how changes in a namespace are made", Args: arguments(0, 1),
		Long: "Show the settings of a namespace itself or, with --resolve, those that hold in it\nand where they come from.",
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
		set, err := c.Settings(ctx, namespace, resolve, client.Read{At: at.wire()})
		if err != nil {
			return err
		}
		return s.output.print(env.Stdout, set, func() error { return showSettings(env.Stdout, set) })
	})
}

// showSettings writes what is set, or holds, one line each.
func showSettings(w io.Writer, s wire.Settings) error {
	var rows [][]string
	row := func(name, value, member string) {
		rows = append(rows, []string{name, value, cell(s.From[member])})
	}
	for _, flag := range []struct {
		name  string
		value *bool
	}{
		{settingRequireApproval, s.RequireApproval},
		{settingRollbackApproval, s.RollbackRequiresApproval},
		{settingAllowBypass, s.AllowBypass},
		{settingInherit, s.Inherit},
	} {
		if flag.value != nil {
			row(flag.name, strconv.FormatBool(*flag.value), flag.name)
		}
	}
	if s.MinApprovers != nil {
		row(settingMinApprovers, strconv.Itoa(*s.MinApprovers), settingMinApprovers)
	}
	for _, quota := range []struct {
		name string
		of   func(*wire.Quota) int64
	}{
		{settingQuotaKeys, func(q *wire.Quota) int64 { return q.Keys }}, {settingQuotaBytes, func(q *wire.Quota) int64 { return q.Bytes }},
	} {
		if s.Quota == nil || quota.of(s.Quota) == 0 {
			continue
		}
		text := strconv.FormatInt(quota.of(s.Quota), 10)
		if s.Usage != nil {
			text += fmt.Sprintf(", used %d", quota.of(s.Usage))
		}
		row(quota.name, text, "quota")
	}
	for _, window := range s.Windows {
		row(settingWindows, cell(windowText(window)), settingWindows)
	}
	for _, freeze := range s.Freezes {
		row("freeze", when(freeze.From)+" until "+when(freeze.Until)+": "+visible(freeze.Reason), "freezes")
	}
	return table(w, []string{"SETTING", "VALUE", "FROM"}, rows)
}

const settingsSetHelp = `Change settings of a namespace; those that are not named stay as they are. An empty
value takes a setting away, so that it is inherited again: requireApproval=

  requireApproval=true           changes go through drafts and publish requests
  minApprovers=2                 so many people must approve
  rollbackRequiresApproval=true  a rollback becomes a publish request, too
  allowBypass=true               admins may publish without approvals, for a reason
  inherit=false                  nothing is inherited from above, values included
  quota.keys=100                 of the namespace and all below it; 0 is no limit
  quota.bytes=10MiB
  windows='mon,fri 09:00-17:00 Europe/Berlin; sat 10:00-12:00'
                                 changes are made only then; days and zone may be left out`

func settingsSet(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "set NS NAME=VALUE...", Short: "Change how changes in a namespace are made", Args: arguments(1, 100), Long: settingsSetHelp,
		Example: "  confman settings set teams/payments requireApproval=true minApprovers=2",
	}
	w.flags(cmd)
	w.namespaceFlag(cmd)
	cmd.ValidArgsFunction = w.completeSettings
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace := w.namespace
		if !strings.Contains(args[0], "=") { // no namespace has one in its name
			namespace, args = args[0], args[1:]
		}
		if namespace == "" || len(args) == 0 {
			return usage(cmd, "want a namespace and at least one NAME=VALUE: %s", cmd.UseLine())
		}
		edit := func(s *wire.Settings) error {
			for _, text := range args {
				name, value, ok := strings.Cut(text, "=")
				if !ok {
					return usage(cmd, "%q: want NAME=VALUE", text)
				}
				if err := setSetting(s, name, value); err != nil {
					return usage(cmd, "%s: %w", text, err)
				}
			}
			return nil
		}
		if err := edit(&wire.Settings{}); err != nil { // a mistake is said before anything is asked
			return err
		}
		return w.changeSettings(ctx, c, namespace, "changed", edit)
	})
}

// changeSettings edits the settings of a namespace and shows what they are then.
func (c *change) changeSettings(ctx context.Context, api *client.Client, namespace, done string, edit func(*wire.Settings) error) error {
	s, err := modify(ctx, c, namespaceSettings(api), namespace, edit)
	if err != nil {
		return err
	}
	return c.output.print(c.env.Stdout, s, func() error {
		if c.dryRun {
			c.note("settings of %s would be:", namespace)
			return showSettings(c.env.Stderr, s)
		}
		c.note("settings of %s %s", namespace, done)
		return nil
	})
}

// setSetting sets one setting; an empty value takes it away.
func setSetting(s *wire.Settings, name, value string) error {
	switch name {
	case settingRequireApproval:
		return setFlag(&s.RequireApproval, value)
	case settingRollbackApproval:
		return setFlag(&s.RollbackRequiresApproval, value)
	case settingAllowBypass:
		return setFlag(&s.AllowBypass, value)
	case settingInherit:
		return setFlag(&s.Inherit, value)
	case settingMinApprovers:
		s.MinApprovers = nil
		if value == "" {
			return nil
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return errors.New("want a number from 1 on")
		}
		s.MinApprovers = &n
		return nil
	case settingQuotaKeys, settingQuotaBytes:
		return setQuota(s, name, value)
	case settingWindows:
		windows, err := parseWindows(value)
		s.Windows = windows
		return err
	}
	return fmt.Errorf("unknown setting %q; want one of %s, or confman settings freeze", name, strings.Join(settingNames(), ", "))
}

func setFlag(flag **bool, value string) error {
	switch value {
	case "":
		*flag = nil
	case "true", "false":
		*flag = new(value == "true")
	default:
		return errors.New("want true or false")
	}
	return nil
}

func setQuota(s *wire.Settings, name, value string) error {
	var limit settings.Size
	if value != "" {
		if err := limit.Set(value); err != nil {
			return err
		}
	}
	quota := wire.Quota{}
	if s.Quota != nil {
		quota = *s.Quota
	}
	if name == settingQuotaKeys {
		quota.Keys = int64(limit)
	} else {
		quota.Bytes = int64(limit)
	}
	if s.Quota = &quota; quota == (wire.Quota{}) {
		s.Quota = nil
	}
	return nil
}

// parseWindows reads "[DAYS ]FROM-TO[ ZONE]", several with semicolons between
// them. The server judges days, times and zones.
func parseWindows(text string) (windows []wire.Window, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ";") {
		words := strings.Fields(part)
		hours := slices.IndexFunc(words, func(word string) bool { return strings.Contains(word, "-") && strings.Contains(word, ":") })
		if hours < 0 || hours > 1 || len(words) > hours+2 {
			return nil, fmt.Errorf("the window %q: want DAYS FROM-TO ZONE, such as mon,fri 09:00-17:00 Europe/Berlin", strings.TrimSpace(part))
		}
		var window wire.Window
		if hours == 1 {
			window.Days = strings.Split(words[0], ",")
		}
		window.From, window.To, _ = strings.Cut(words[hours], "-")
		if len(words) == hours+2 {
			window.Timezone = words[hours+1]
		}
		windows = append(windows, window)
	}
	return windows, nil
}

func windowText(w wire.Window) string {
	text := w.From + "-" + w.To
	if len(w.Days) > 0 {
		text = strings.Join(w.Days, ",") + " " + text
	}
	if w.Timezone != "" {
		text += " " + w.Timezone
	}
	return text
}

// completeSettings offers a namespace and then the names of settings.
func (s *connection) completeSettings(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return s.completeNamespaces(cmd, args, typed)
	}
	var names []string
	for _, name := range settingNames() {
		names = append(names, name+"=")
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
