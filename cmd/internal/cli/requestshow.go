package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

func requestShow(env Env) *cobra.Command {
	s := &connection{env: env}
	var at point
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show a publish request: what it changes and what it needs", Args: arguments(1, 1),
	}
	s.flags(cmd)
	at.flag(cmd, "at", atUse)
	cmd.ValidArgsFunction = s.completeRequests
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		p, err := c.Request(ctx, args[0], client.Read{At: at.wire()})
		if err != nil {
			return err
		}
		return s.output.print(env.Stdout, p, func() error { return s.showRequest(env.Stdout, p) })
	})
}

// showRequest writes a request for whoever reviews it.
func (s *connection) showRequest(w io.Writer, p wire.PublishRequest) error {
	facts := [][2]string{
		{"request", p.ID + ", " + p.State},
		{"submitted", when(p.SubmittedAt) + " by " + p.SubmittedBy},
	}
	add := func(name, text string) {
		if text != "" {
			facts = append(facts, [2]string{name, text})
		}
	}
	add("comment", p.Comment)
	if p.Source != nil {
		add("source", sourceText(*p.Source))
	}
	if p.PublishAt != nil {
		add("publish at", when(*p.PublishAt))
	}
	if p.DueAt != nil {
		add("due", when(*p.DueAt))
	}
	for _, r := range p.Reviews {
		add("review", reviewText(r))
	}
	if lacks := needs(p, ""); lacks != "" {
		add("needs", lacks)
		add("", "by publishers of these keys other than "+strings.Join(involved(p), " and "))
	}
	if p.Resolution != nil {
		add("closed", resolutionText(*p.Resolution))
	}
	if p.Partial {
		add("hidden", "it also changes keys that you may not see")
	}
	if err := printFacts(w, facts); err != nil {
		return err
	}
	for _, change := range p.Changes {
		if err := s.showProposed(w, change); err != nil {
			return err
		}
	}
	return nil
}

// involved are those whose approval counts for nothing in a request: who submitted
// it, and who edited one of its drafts last.
func involved(p wire.PublishRequest) []string {
	names := []string{p.SubmittedBy}
	for _, change := range p.Changes {
		if change.EditedBy != "" && !slices.Contains(names, change.EditedBy) {
			names = append(names, change.EditedBy)
		}
	}
	return names
}

func sourceText(s wire.ChangeSource) string {
	text := s.Kind
	if s.Namespace != "" {
		text += " from " + s.Namespace
	}
	if s.Version > 0 {
		text += fmt.Sprintf(" of version %d", s.Version)
	}
	if s.Index > 0 {
		text += fmt.Sprintf(" of event %d", s.Index)
	}
	if s.Request != "" {
		text += " of publish request " + s.Request
	}
	return text
}

func reviewText(r wire.Review) string {
	text := fmt.Sprintf("%s %s by %s", r.Decision, when(r.At), r.Reviewer)
	if r.Comment != "" {
		text += ": " + r.Comment
	}
	switch {
	case r.Why == "":
	case r.Counts:
		text += " (" + r.Why + ")"
	default:
		text += " (does not count: " + r.Why + ")"
	}
	return text
}

func resolutionText(r wire.Resolution) string {
	text := fmt.Sprintf("%s %s by %s, event %d", r.State, when(r.At), r.By, r.Index)
	if r.Bypassed {
		text += ", without the approvals"
	}
	if r.Comment != "" {
		text += ": " + r.Comment
	}
	return text
}

// showProposed writes one change of a request.
func (s *connection) showProposed(w io.Writer, p wire.ProposedChange) error {
	change := wire.ValueChange{Namespace: p.Namespace, Key: p.Key, Action: p.Action, New: p.Value, NewType: p.Type, Diff: p.Diff}
	if p.Previous != nil {
		change.Old, change.OldVersion = p.Previous.Value, p.Previous.Version
	}
	if err := s.printChange(w, change); err != nil {
		return err
	}
	if p.Comment != "" {
		if _, err := fmt.Fprintf(w, "    comment of %s: %s\n", visible(p.EditedBy), spelled(p.Comment, diffWide)); err != nil {
			return err
		}
	}
	return printAbout(w, p.Description, p.Tags)
}

// printAbout writes what a change says about a key besides its value.
func printAbout(w io.Writer, description string, tags []string) error {
	var b bytes.Buffer
	if description != "" {
		fmt.Fprintf(&b, "    description: %s\n", spelled(description, diffWide))
	}
	if len(tags) > 0 {
		fmt.Fprintf(&b, "    tags: %s\n", spelled(strings.Join(tags, ", "), diffWide))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// printFacts writes lines of a name and a text, in two columns, and an empty line.
func printFacts(w io.Writer, facts [][2]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, fact := range facts {
		fmt.Fprintf(t, "%s\t%s\n", fact[0], spelled(fact[1], diffWide))
	}
	fmt.Fprintln(t)
	return t.Flush()
}

// fieldText is what is wrong with a value, on one line.
func fieldText(e wire.FieldError) string {
	return spelled(strings.TrimSpace(e.Pointer+" "+e.Detail), diffWide)
}

func requestImpact(env Env) *cobra.Command {
	s := &connection{env: env}
	cmd := &cobra.Command{
		Use: "impact ID", Short: "Say what publishing a request now would do", Args: arguments(1, 1),
		Long: "Say what publishing a request now would do: which values would change, in the\nnamespaces below too, who watches them, and what is in the way.",
	}
	s.flags(cmd)
	cmd.ValidArgsFunction = s.completeRequests
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		impact, err := c.Impact(ctx, args[0], client.Read{})
		if err != nil {
			return err
		}
		return s.output.print(env.Stdout, impact, func() error { return s.showImpact(env.Stdout, impact) })
	})
}

func (s *connection) showImpact(w io.Writer, i wire.Impact) error {
	facts := [][2]string{{"request", i.Request}, {"changes", counted(len(i.Changes), "value")}, {"reaches", reach(i)}}
	for _, u := range i.Unwatched {
		facts = append(facts, [2]string{"unwatched", u.Namespace + "/" + u.Key})
	}
	if len(i.Silent) > 0 {
		facts = append(facts, [2]string{"unknown", "the watches of " + some(i.Silent) + ", which did not answer"})
	}
	for _, broken := range i.Errors {
		facts = append(facts, [2]string{"refused", "it breaks the schema: " + fieldText(broken)})
	}
	if i.Frozen != "" {
		facts = append(facts, [2]string{"waits", i.Frozen})
	}
	if lacks := needs(wire.PublishRequest{Missing: i.Missing}, ""); lacks != "" {
		facts = append(facts, [2]string{"needs", lacks})
	}
	if err := printFacts(w, facts); err != nil {
		return err
	}
	for _, change := range i.Changes {
		if err := s.showEffective(w, change); err != nil {
			return err
		}
	}
	return nil
}

// reach is who would receive it, as far as is known.
func reach(i wire.Impact) string {
	text := fmt.Sprintf("%d watches", i.Watches)
	switch {
	case len(i.Nodes) == 0:
		return "unknown: no node said who watches"
	case i.Watches == 1:
		text = "1 watch"
	}
	if len(i.Principals) > 0 {
		text += " of " + some(i.Principals)
	}
	return text
}

func (s *connection) showEffective(w io.Writer, e wire.EffectiveChange) error {
	change := wire.ValueChange{Namespace: e.Namespace, Key: e.Key, New: e.Value, Diff: e.Diff, Action: actionOf(e.Previous != nil, e.Value == nil)}
	if e.Previous != nil {
		change.Old, change.OldVersion = e.Previous.Value, e.Previous.Version
	}
	if err := s.printChange(w, change); err != nil {
		return err
	}
	text := fmt.Sprintf("watches: %d", e.Watches)
	if e.Inherited {
		text += ", inherited from above"
	}
	_, err := fmt.Fprintf(w, "    %s\n", text)
	return err
}
