package replication

import (
	"context"
	"fmt"
	"io"

	"confman/events"
)

// Backup writes the views as of the present to w while writes go on: all that is
// kept of the history, and the state. begin is told the position first. What was written is whole only if there is no error.
func (n *Node) Backup(ctx context.Context, w io.Writer, begin func(events.Position)) error {
	e, err := n.running()
	if err != nil {
		return err
	}
	s := n.present.load()
	begin(s.Position())
	unlessEnded := writerFunc(func(b []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return w.Write(b)
	})
	if err := e.store.Copy(unlessEnded, positionOf(s)); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
