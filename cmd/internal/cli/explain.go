package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const whyHelp = `Say why a key has the value that it has, or had: in which namespace it was found,
which event made it, who asked for it and who approved it, what it replaced, which
schemas and settings govern it, and who watches it now. Of a key that is gone it says
who deleted it.

` + whenHelp

func explain(env Env) *cobra.Command {
	s := &connection{env: env}
	var at point
	cmd := &cobra.Command{
		Use: "explain NS KEY", Short: "Say why a key has its value", Args: arguments(1, 2), Long: whyHelp,
		Example: "  confman explain teams/payments db.url\n  confman explain teams/payments db.url --at '2026-11-22 03:00' -o json",
	}
	s.flags(cmd)
	s.namespaceFlag(cmd)
	at.flag(cmd, "at", atUse)
	cmd.ValidArgsFunction = s.completeEntry(0)
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, args, err := s.namespaced(cmd, args, 1)
		if err != nil {
			return err
		}
		e, err := c.Explain(ctx, namespace, args[0], client.Read{At: at.wire()})
		if err != nil {
			return err
		}
		return s.output.print(env.Stdout, e, func() error { return s.showExplanation(env.Stdout, e) })
	})
}

// factSheet collects the lines of a page of facts.
type factSheet [][2]string

// add adds a fact; without a text it is left out, without a name it goes on with
// the one before.
func (f *factSheet) add(name, text string) {
	if text != "" {
		*f = append(*f, [2]string{name, text})
	}
}

// showExplanation writes a page about one value.
func (s *connection) showExplanation(w io.Writer, e wire.Explanation) error {
	var facts factSheet
	facts.add("key", e.Namespace+"/"+e.Key)
	facts.add("as of", "event "+e.Position)
	if e.Entry != nil {
		facts.add("value", valueLine(*e.Entry))
		facts.add("about", e.Entry.Description)
		facts.add("tags", strings.Join(e.Entry.Tags, ", "))
	} else {
		facts.add("value", "none")
	}
	for i, step := range e.Scope {
		facts.add([]string{"found in", ""}[min(i, 1)], stepText(step))
	}
	switch {
	case e.Event != nil && e.Entry == nil:
		facts.addEvent("deleted by", *e.Event)
	case e.Event != nil:
		facts.addEvent("made by", *e.Event)
	case e.Entry != nil:
		facts.add("made by", fmt.Sprintf("%s, %s, event %d, which is no longer kept", e.Entry.UpdatedBy, when(e.Entry.UpdatedAt), e.Entry.Index))
	}
	if e.Source != nil {
		facts.add("brought back", fmt.Sprintf("version %d, as of event %d", e.Source.Version, e.Source.Index))
	}
	name := "together with"
	for _, other := range e.Transaction {
		if !strings.HasPrefix(other.Action, "publish-request.") { // told below
			facts.add(name, changedText(other))
			name = ""
		}
	}
	if e.Request != nil {
		facts.addRequest(*e.Request)
	}
	facts.addRules(e)
	facts.add("watched", watchersText(e))
	if err := printFacts(w, facts); err != nil {
		return err
	}
	if e.Event == nil || e.Event.OldValue == nil && e.Event.NewValue == nil {
		return nil
	}
	return s.printAudited(w, *e.Event)
}

// valueLine is the value on one line, with its type and version.
func valueLine(e wire.ConfigEntry) string {
	if e.Type == typeErased {
		return fmt.Sprintf("%s (version %d)", erasedText, e.Version)
	}
	return fmt.Sprintf("%s (%s, version %d)", valueCell(e.Type, e.Value), e.Type, e.Version)
}

func stepText(step wire.ScopeStep) string {
	text := step.Namespace
	switch {
	case step.Found && step.Shadowed:
		text += fmt.Sprintf(": version %d, behind the one above", step.Version)
	case step.Found:
		text += fmt.Sprintf(": version %d, this is the one", step.Version)
	case step.Version > 0:
		text += fmt.Sprintf(": deleted with version %d", step.Version)
	default:
		text += ": not there"
	}
	if step.Ends && parentOf(step.Namespace) != "" {
		text += "; it inherits nothing"
	}
	return text
}

// addEvent says who made a change.
func (f *factSheet) addEvent(name string, e wire.AuditEvent) {
	f.add(name, fmt.Sprintf("%s, %s, event %s", e.Actor, when(e.Timestamp), e.Position))
	f.add("", e.Action+textAfter(", correlation ", e.CorrelationID))
	f.add("comment", e.Comment)
}

func textAfter(lead, text string) string {
	if text == "" {
		return ""
	}
	return lead + text
}

// changedText names one event: "config.updated pay/pool by ana at …, event 7".
func changedText(e wire.AuditEvent) string {
	name := e.Namespace
	if e.Key != nil {
		name += "/" + *e.Key
	}
	return fmt.Sprintf("%s %s, event %d", e.Action, name, e.Index)
}

// addRequest says who asked for a change and who approved it.
func (f *factSheet) addRequest(p wire.PublishRequest) {
	f.add("request", p.ID+", "+p.State+": confman request show "+p.ID)
	f.add("", "submitted "+when(p.SubmittedAt)+" by "+p.SubmittedBy+textAfter(": ", p.Comment))
	if p.Source != nil {
		f.add("", sourceText(*p.Source))
	}
	for _, r := range p.Reviews {
		f.add("", reviewText(r))
	}
	if p.Resolution != nil {
		f.add("", resolutionText(*p.Resolution))
	}
}

// addRules says what governs a value.
func (f *factSheet) addRules(e wire.Explanation) {
	for i, schema := range e.Schemas {
		f.add([]string{"schema", ""}[min(i, 1)], fmt.Sprintf("of %s, set %s by %s, event %d", schema.Namespace, when(schema.At), schema.By, schema.Index))
	}
	if set := e.Settings; set != nil && set.RequireApproval != nil {
		text := "are made directly"
		if *set.RequireApproval {
			text = "need approval"
		}
		f.add("changes", text+textAfter(", says ", set.From[settingRequireApproval]))
	}
	if e.Versions > 0 {
		namespace := e.Namespace
		if e.Entry != nil {
			namespace = cmp.Or(e.Entry.From, namespace)
		}
		f.add("versions", fmt.Sprintf("%d: confman history %s %s", e.Versions, namespace, e.Key))
	}
}

func watchersText(e wire.Explanation) string {
	if e.WatcherCount == 0 {
		return "not on this node"
	}
	var names []string
	for _, w := range e.Watchers {
		names = append(names, w.Principal)
	}
	return fmt.Sprintf("%d times on this node", e.WatcherCount) + textAfter(", by ", some(names))
}

// printAudited writes what an event changed.
func (s *connection) printAudited(w io.Writer, e wire.AuditEvent) error {
	change := wire.ValueChange{Namespace: e.Namespace, Key: "(" + e.Action + ")", Action: actionOf(e.OldValue != nil, e.NewValue == nil)}
	if e.Key != nil {
		change.Key = *e.Key
	}
	change.Old, change.OldType = auditedValue(e.OldValue)
	change.New, change.NewType = auditedValue(e.NewValue)
	return s.printChange(w, change)
}

// auditedValue is a value of which only the text is known. One that looks like a
// JSON document is taken for one, to be indented.
func auditedValue(text *string) (value json.RawMessage, valueType string) {
	switch {
	case text == nil:
		return nil, ""
	case strings.HasPrefix(*text, "{") && json.Valid([]byte(*text)):
		return json.RawMessage(*text), wire.TypeJSON
	}
	return json.RawMessage(*text), ""
}
