package replication

import (
	"context"
	"errors"
	"fmt"
	"io"

	"confman/events"
	"confman/replication/disk"
)

// Backup writes the views as of an event to w while writes go on: all that is
// kept of the history up to there, and the state. 0 is the present, which begin is
// told the position of first. What was written is whole only if there is no error.
//
// As of the same event the bytes are the same again, on every node, for as long as
// nothing below the event is trimmed or erased: a reader whose connection broke can
// have the rest. What was erased since, or is no longer kept, cannot be backed up
// any more; then the error is [events.ErrCondition] or [events.ErrCompacted].
func (n *Node) Backup(ctx context.Context, w io.Writer, at uint64, begin func(events.Position)) error {
	e, err := n.running()
	if err != nil {
		return err
	}
	if at == 0 {
		at = n.present.load().Index()
	}
	if at == 0 {
		return fmt.Errorf("back up: the history has not begun: %w", events.ErrUnavailable)
	}
	header, release, err := n.backupHeader(at)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	defer release()
	chain, err := events.ParseChain(header.Chain)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	begin(chain.At(at))
	unlessEnded := writerFunc(func(b []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return w.Write(b)
	})
	if err := e.store.CopyOf(unlessEnded, header); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return nil
}

// backupHeader says what a backup as of an event is. All in it is of that event,
// so that it is the same tomorrow. Until released, the rows as of the event stay.
func (n *Node) backupHeader(at uint64) (header disk.Header, release func(), err error) {
	h, release := n.History(at)
	defer func() {
		if err != nil {
			release()
		}
	}()
	r, err := h.Record(at)
	if err != nil {
		return header, release, err
	}
	now := n.State().Cluster()
	if at < now.Horizon.First() { // trimmed after the history was opened
		return header, release, fmt.Errorf("event %d is not kept: %w", at, events.ErrCompacted)
	}
	if now.Erased > at {
		return header, release, &events.Refusal{Kind: events.ErrCondition, Detail: fmt.Sprintf(
			"event %d erased something, so the state as of event %d is no longer what it was; make a backup of the present", now.Erased, at)}
	}
	cluster, err := h.ClusterAt(at)
	return disk.Header{
		Cluster:  cluster.ID,
		Position: disk.Position{Index: at, Chain: r.Chain.String(), RaftIndex: r.RaftIndex, RaftTerm: r.RaftTerm},
		Time:     r.Time,
	}, release, err
}

// BackupPosition is the position that a backup is of, as its beginning says.
func BackupPosition(r io.Reader) (events.Position, error) {
	s, err := disk.ReadStream(r)
	if err != nil {
		return events.Position{}, err
	}
	chain, err := events.ParseChain(s.Header().Chain)
	if err != nil {
		return events.Position{}, errors.Join(disk.ErrStream, err)
	}
	return chain.At(s.Header().Index), nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
