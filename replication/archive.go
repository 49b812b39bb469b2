package replication

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"confman/events"
	"confman/events/proof"
	"confman/projections"
	"confman/replication/disk"
)

// archive is a directory to which a node writes records before it lets go of
// them: record lines (see [proof]), compressed, in files named by the first and
// the last event that they hold, each beginning where the one before ends. A file
// that is there is whole. Nothing is ever written into one again; what is erased
// after it was trimmed stays in it.
type archive struct {
	dir      string // empty: records just go
	header   proof.Header
	reserve  uint64                      // bytes that stay free on its file system
	verified atomic.Pointer[archiveFile] // the newest file, read to its end once
	failing  atomic.Bool
	changing sync.Mutex // held by keep and retract
}

// archiveFile is a file of an archive and where it ends.
type archiveFile struct {
	from, to uint64
	chain    events.Chain
}

const archivePattern = "events-%012d-%012d.ndjson.gz"

func (f archiveFile) name() string { return fmt.Sprintf(archivePattern, f.from, f.to) }

// keep writes the records up to an index that the archive lacks. Doing it again
// changes nothing.
func (a *archive) keep(ctx context.Context, h *projections.History, to uint64) (err error) {
	if a.dir == "" {
		return nil
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	defer func() { a.failing.Store(err != nil && ctx.Err() == nil) }()
	last, err := a.last()
	if err != nil {
		return fmt.Errorf("archive %s: %w", a.dir, err)
	}
	if last.to >= to {
		return nil
	}
	header, err := a.follow(h, last)
	if err == nil && header.From <= to {
		header.To = to
		err = a.write(ctx, h, header)
	}
	if err != nil {
		return fmt.Errorf("archive events up to %d in %s: %w", to, a.dir, err)
	}
	return nil
}

// retract removes the files that hold nothing but records which are still served:
// a leader that ended before it trimmed has left them. They are written again when
// it is time, as the records are then.
func (a *archive) retract(oldest uint64) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	for a.dir != "" {
		last, err := a.last()
		if err == nil && (last.to < oldest || last.from < oldest) {
			return nil
		}
		if err == nil {
			a.verified.Store(nil)
			err = errors.Join(os.Remove(filepath.Join(a.dir, last.name())), syncDir(a.dir))
		}
		if err != nil {
			return fmt.Errorf("take back what was archived in %s from event %d on: %w", a.dir, oldest, err)
		}
	}
	return nil
}

// last is the newest file, the zero value when there is none. It is read once
// after a start: a damaged one must be noticed before what it should hold is gone.
func (a *archive) last() (last archiveFile, err error) {
	if v := a.verified.Load(); v != nil {
		return *v, nil
	}
	if err := errors.Join(os.MkdirAll(a.dir, 0o700), a.sweep()); err != nil {
		return last, err
	}
	files, err := os.ReadDir(a.dir)
	if err != nil {
		return last, err
	}
	for _, f := range files {
		var found archiveFile
		if _, err := fmt.Sscanf(f.Name(), archivePattern, &found.from, &found.to); err == nil && f.Name() == found.name() && found.to > last.to {
			last = found
		}
	}
	if last.to > 0 {
		if last.chain, err = readArchive(filepath.Join(a.dir, last.name()), last); err != nil {
			return last, fmt.Errorf("%s: %w: move it away, and what it held is written again if it is still there", last.name(), err)
		}
	}
	a.verified.Store(&last)
	return last, nil
}

// readArchive reads a file to its end and returns the chain there.
func readArchive(path string, want archiveFile) (chain events.Chain, err error) {
	f, err := os.Open(path)
	if err != nil {
		return chain, err
	}
	defer f.Close()
	text, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return chain, err
	}
	records, err := proof.NewReader(text)
	if err != nil {
		return chain, err
	}
	if h := records.Header(); h.From != want.from || h.To != want.to {
		return chain, fmt.Errorf("holds events %d to %d", h.From, h.To)
	}
	for {
		r, err := records.Next()
		if errors.Is(err, io.EOF) {
			return chain, nil
		}
		if err != nil {
			return chain, err
		}
		chain = r.Chain
	}
}

// follow is the header of the file that comes next. Where the history on disk
// begins after the archive's end, because the archive is new or because this node
// was sent a history that others had trimmed, there is a gap.
func (a *archive) follow(h *projections.History, last archiveFile) (proof.Header, error) {
	header := a.header
	oldest, err := oldestOnDisk(h)
	if err != nil {
		return header, err
	}
	if header.From = last.to + 1; header.From > oldest {
		edge, err := h.Record(last.to)
		if err == nil && edge.Chain != last.chain {
			err = fmt.Errorf("%s ends at %s, the history has %s there: it is the archive of another", last.name(), last.chain.At(last.to), edge.Position())
		}
		header.Before = last.chain
		return header, err
	}
	if header.From == oldest {
		header.Before = last.chain
		return header, nil
	}
	header.From = oldest
	header.Before, err = edgeChain(h, oldest)
	return header, err
}

// oldestOnDisk is the first record that is still there, served or not.
func oldestOnDisk(h *projections.History) (uint64, error) {
	for r, err := range h.Records(0) {
		return r.Index, err
	}
	return h.Index() + 1, nil
}

// edgeChain is the chain before the first record that is on disk, which the trim
// that began the history there has noted.
func edgeChain(h *projections.History, oldest uint64) (chain events.Chain, err error) {
	for r, err := range h.Select(projections.Query{Kinds: []events.Kind{events.HistoryTrimmed{}.Kind()}, Ascending: true}) {
		if err != nil {
			return chain, err
		}
		e, err := r.Event()
		if err != nil {
			return chain, err
		}
		if t, ok := e.Data.(events.HistoryTrimmed); ok && t.Oldest == oldest {
			return t.Chain, nil
		}
	}
	return chain, fmt.Errorf("the chain before event %d, the oldest on disk, is not known", oldest)
}

// write makes one file, whole or not at all.
func (a *archive) write(ctx context.Context, h *projections.History, header proof.Header) error {
	made := archiveFile{from: header.From, to: header.To}
	path := filepath.Join(a.dir, made.name())
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	made.chain, err = a.encode(ctx, f, h, header)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path+".tmp"))
	}
	if err := errors.Join(os.Rename(path+".tmp", path), syncDir(a.dir)); err != nil {
		return err
	}
	a.verified.Store(&made)
	return nil
}

// lookEvery is after how many records it is asked whether to go on.
const lookEvery = 4096

func (a *archive) encode(ctx context.Context, w io.Writer, h *projections.History, header proof.Header) (chain events.Chain, err error) {
	buffer := bufio.NewWriterSize(w, 1<<20)
	packed := gzip.NewWriter(buffer)
	cluster, err := h.ClusterAt(header.To)
	if err != nil {
		return chain, err
	}
	if cluster.ID != "" { // another one than now, where the history went on in another
		header.Cluster = cluster.ID
	}
	lines, err := proof.NewWriter(packed, header)
	if err != nil {
		return chain, err
	}
	for r, err := range h.Records(header.From) {
		if err != nil {
			return chain, err
		}
		if r.Index > header.To {
			break
		}
		if (r.Index-header.From)%lookEvery == 0 {
			if err := errors.Join(ctx.Err(), disk.Preflight(a.dir, a.reserve)); err != nil {
				return chain, err
			}
		}
		if err := lines.Write(r); err != nil {
			return chain, err
		}
		chain = r.Chain
	}
	return chain, errors.Join(lines.Close(), packed.Close(), buffer.Flush())
}

// sweep removes what a crash left half-written.
func (a *archive) sweep() error {
	left, err := filepath.Glob(filepath.Join(a.dir, "events-*.ndjson.gz.tmp"))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
