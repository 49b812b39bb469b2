package denials

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"time"

	"confman/api/wire"
)

const (
	block   = 64 << 10 // bytes that are read at a time
	maxLine = 16 << 10 // bytes; no row of ours is longer
)

// Query selects rows. An empty member selects all.
type Query struct {
	Since, Until      time.Time // both inclusive
	Principal, Reason string
	Before            Mark // only rows before this one
}

// Mark says where a row stands: in which file, and how many bytes after its
// beginning. No row has the zero Mark.
type Mark struct {
	File   uint64
	Offset int64
}

// String writes a mark as [ParseMark] reads it.
func (m Mark) String() string { return fmt.Sprintf("%d.%d", m.File, m.Offset) }

// ParseMark reads a mark.
func ParseMark(text string) (m Mark, err error) {
	if n, err := fmt.Sscanf(text, "%d.%d", &m.File, &m.Offset); n != 2 || err != nil || m.Offset < 0 || m.String() != text {
		return Mark{}, fmt.Errorf("%.40q is no mark of a row", text)
	}
	return m, nil
}

// Row is one row and where it stands.
type Row struct {
	wire.Denied
	Mark Mark
}

// Rows yields what a query selects, newest first, in memory that does not depend
// on how much that is. It begins with all that was recorded before; what is recorded meanwhile
// is left out, and rows that rotation lets go of meanwhile may be. An error is
// yielded once and ends it.
func (l *Log) Rows(ctx context.Context, q Query) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		_ = l.flush() // what cannot be written is logged and counted
		l.writing.Lock()
		all := slices.Clone(l.store.files)
		l.writing.Unlock()
		for _, f := range slices.Backward(all) {
			switch {
			case q.Before == Mark{} || f.number < q.Before.File:
			case f.number > q.Before.File:
				continue
			default:
				f.size = min(f.size, q.Before.Offset)
			}
			goOn, err := f.rowsBackward(ctx, q, yield)
			if err != nil {
				yield(Row{}, fmt.Errorf("read denials: %w", err))
			}
			if !goOn || err != nil {
				return
			}
		}
	}
}

// rowsBackward yields the rows of one file that a query selects, the last first.
func (f *file) rowsBackward(ctx context.Context, q Query, yield func(Row, error) bool) (goOn bool, err error) {
	opened, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // rotation was faster
	}
	if err != nil {
		return false, err
	}
	defer opened.Close()
	for line, err := range linesBackward(ctx, opened, f.size) {
		if err != nil {
			return false, err
		}
		row := Row{Mark: Mark{f.number, line.offset}}
		if json.Unmarshal(line.text, &row.Denied) == nil && q.selects(&row.Denied) && !yield(row, nil) {
			return false, nil
		}
	}
	return true, nil
}

func (q *Query) selects(d *wire.Denied) bool {
	return (q.Principal == "" || q.Principal == d.Principal) && (q.Reason == "" || q.Reason == d.Reason) &&
		(q.Since.IsZero() || !d.Time.Before(q.Since)) && (q.Until.IsZero() || !d.Time.After(q.Until))
}

// line is one of a file, valid until the next.
type line struct {
	offset int64
	text   []byte // without its end
}

// linesBackward yields the lines of a file up to an offset where one ends, the
// last first. Of a line that is too long it yields the end.
func linesBackward(ctx context.Context, f io.ReaderAt, end int64) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		buffer := make([]byte, block+maxLine)
		var rest [maxLine]byte // of a line that begins before what was read
		kept := 0
		for end > 0 {
			if err := ctx.Err(); err != nil {
				yield(line{}, err)
				return
			}
			n := min(block, end)
			end -= n
			if _, err := f.ReadAt(buffer[:n], end); err != nil {
				yield(line{}, err)
				return
			}
			unread := append(buffer[:n], rest[:kept]...)
			for len(unread) > 0 {
				begin := bytes.LastIndexByte(unread[:len(unread)-1], '\n') + 1
				if begin == 0 && end > 0 {
					break
				}
				if !yield(line{end + int64(begin), unread[begin : len(unread)-1]}, nil) {
					return
				}
				unread = unread[:begin]
			}
			kept = copy(rest[:], unread[max(0, len(unread)-maxLine):])
		}
	}
}
