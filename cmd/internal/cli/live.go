package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"confman/api/client"
	"confman/cmd/internal/formats"
)

const (
	liveCheck    = 25 * time.Millisecond // between two looks whether a view has come alive
	staleReports = 5 * time.Second       // between two looks whether it still is
)

// live is the view of one namespace that a long-running command works from.
type live struct {
	*client.View
	*connection
	stale    bool   // that it may be out of date was said
	fileSaid string // what was said of its file
}

// openLive opens a view and waits until it is up to date, for the patience at
// most; 0: for ever. Where there is a file with the last known values these do
// after that, and it is said; else the error is one of being unavailable.
func (s *connection) openLive(ctx context.Context, c *client.Client, of client.ViewConfig, patience time.Duration) (*live, error) {
	opening := ctx
	if patience > 0 {
		limited, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		opening = limited
	}
	view, err := c.View(opening, of)
	if err != nil {
		if ctx.Err() == nil && opening.Err() != nil {
			err = fmt.Errorf("%w: no values of %s within %v%s", client.ErrUnavailable, of.Namespace, patience, s.lastFailure())
		}
		return nil, err
	}
	l := &live{View: view, connection: s}
	if l.awaitLive(opening) {
		err = l.check(ctx, c, of)
	} else if err = ctx.Err(); err == nil {
		l.admitOld()
	}
	if err != nil {
		l.close()
		return nil, err
	}
	l.reportFile()
	return l, nil
}

// awaitLive waits until the view is up to date, and reports whether it is.
func (l *live) awaitLive(ctx context.Context) bool {
	tick := time.NewTicker(liveCheck)
	defer tick.Stop()
	for {
		status := l.Status()
		if status.Source == client.SourceLive || refused(status.Err) {
			return status.Source == client.SourceLive
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

// admitOld says that the values are old ones.
func (l *live) admitOld() {
	l.stale = true
	status := l.Status()
	age := "nobody knows how old"
	if !status.Since.IsZero() {
		age = fmt.Sprintf("%v old", status.Age.Round(time.Second))
	}
	l.warn("the cluster cannot be asked%s; using the values of event %s, %s", reason(status.Err), status.Position, age)
}

// refused reports whether asking again is of no use.
func refused(err error) bool {
	return errors.Is(err, client.ErrUnauthenticated) || errors.Is(err, client.ErrForbidden) ||
		errors.Is(err, client.ErrNotFound) || errors.Is(err, client.ErrInvalid)
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf(" (%v)", err)
}

// check refuses a namespace that does not exist: its name is mistyped rather than
// its entries all deleted.
func (l *live) check(ctx context.Context, c *client.Client, of client.ViewConfig) error {
	if len(l.entries()) > 0 {
		return nil
	}
	_, err := c.Namespace(ctx, of.Namespace, client.Read{})
	return err
}

// entries are those of the view now.
func (l *live) entries() (entries []formats.Entry) {
	for key, e := range l.All() {
		entries = append(entries, formats.Entry{Key: key, Type: e.Type, Value: e.Value})
	}
	return entries
}

// report says that the view is no longer, or again, up to date.
func (l *live) report() {
	status := l.Status()
	switch {
	case status.Stale && !l.stale:
		l.warn("the values may be out of date: nothing new for %v%s", status.Age.Round(time.Second), reason(status.Err))
	case !status.Stale && l.stale:
		l.note("the values are up to date again, as of event %s", status.Position)
	}
	l.stale = status.Stale
	l.reportFile()
}

// reportFile says what is wrong with the file of the view, once.
func (l *live) reportFile() {
	err := l.Status().FileErr
	if err == nil {
		l.fileSaid = ""
	} else if l.fileSaid != err.Error() {
		l.fileSaid = err.Error()
		l.warn("last known values: %v", err)
	}
}

func (l *live) close() {
	_ = l.Close() // its error is that of the file
	l.reportFile()
}
