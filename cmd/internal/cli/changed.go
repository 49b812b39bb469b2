package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

// carryOut does what a preview shows, once that is confirmed: what is what to
// ask, "roll back pay to event 7"; do asks the server for a preview or for the
// deed. With --yes nobody looks at a preview, so what was done is shown.
func (w *change) carryOut(cmd *cobra.Command, what string, do func(dryRun bool, w client.Write) (wire.Changed, error)) error {
	if w.dryRun {
		return w.preview(what, do)
	}
	if !w.yes && w.env.Interactive {
		preview, err := do(true, client.Write{})
		if err != nil {
			return err
		}
		if len(preview.Changes) == 0 {
			w.note("nothing to do: everything is so already")
			return w.output.print(w.env.Stdout, preview, func() error { return nil })
		}
		if err := w.printChanges(w.env.Stderr, preview.Changes); err != nil {
			return err
		}
	}
	if ok, err := w.confirm(cmd, "%s", what); !ok {
		return err
	}
	done, err := do(false, w.write(nil))
	if err != nil {
		return err
	}
	if w.yes && !w.quiet {
		if err := w.printChanges(w.env.Stderr, done.Changes); err != nil {
			return err
		}
	}
	return w.printChanged(done)
}

// preview prints what would be done.
func (w *change) preview(what string, do func(dryRun bool, w client.Write) (wire.Changed, error)) error {
	preview, err := do(true, client.Write{})
	if err != nil {
		return err
	}
	switch {
	case len(preview.Changes) == 0:
		w.note("nothing to do: everything is so already")
	default:
		w.note("would %s: %s", what, counted(len(preview.Changes), "change"))
	}
	return w.output.print(w.env.Stdout, preview, func() error { return w.printChanges(w.env.Stdout, preview.Changes) })
}

// printChanges writes both images of every key.
func (s *connection) printChanges(w io.Writer, changes []wire.ValueChange) error {
	for _, c := range changes {
		if err := s.printChange(w, c); err != nil {
			return err
		}
	}
	return nil
}

// printChanged says what was done: the new versions, or the ID of the publish
// request that it became, which is the one thing that goes to stdout.
func (w *change) printChanged(done wire.Changed) error {
	return w.output.print(w.env.Stdout, done, func() error {
		switch {
		case done.Request != "":
			w.note("submitted as a publish request, %s; see it with: confman request show %s", counted(len(done.Changes), "change"), done.Request)
			_, err := fmt.Fprintln(w.env.Stdout, done.Request)
			return err
		case len(done.Changes) == 0:
			w.note("nothing was done: everything is so already")
			return nil
		}
		verbs := map[string]string{wire.ActionCreate: "created", wire.ActionUpdate: "set", wire.ActionDelete: "deleted"}
		for _, c := range done.Changes {
			version := ""
			if c.NewVersion > 0 {
				version = fmt.Sprintf(": version %d", c.NewVersion)
			}
			w.note("%s/%s %s%s", c.Namespace, c.Key, verbs[c.Action], version)
		}
		return nil
	})
}
