package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	walfs "github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

const frameHeader = 8 // bytes: type, three reserved, length; payloads are padded to as much

// FinishRotation completes what raft-wal v0.4.2 leaves undone when it is killed,
// closed or out of space around the sealing of a segment; without it, the next
// Open would succeed and every append after it be refused. It says whether there
// was something to do. Open calls it; the log must not be open.
//
// Sealing is one write: the last entries, an index of the segment, a commit mark.
// Then the metadata says "sealed" and names the next segment. Interrupted after
// the write, the metadata is completed, in one transaction. Interrupted within it,
// nobody was told of those entries; if the index is damaged they are cut off, so
// that the segment is open again.
func FinishRotation(dir string) (repaired bool, err error) {
	if _, err := os.Stat(filepath.Join(dir, metadb.FileName)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	meta := &metadb.BoltMetaDB{}
	state, err := meta.Load(dir)
	if err != nil {
		return false, fmt.Errorf("load the segment table: %w", err)
	}
	defer func() { err = errors.Join(err, meta.Close()) }()
	n := len(state.Segments)
	if n == 0 || !state.Segments[n-1].SealTime.IsZero() {
		return false, nil
	}
	name := filepath.Join(dir, segment.FileName(state.Segments[n-1]))
	repaired, err = finish(meta, state, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // recorded, not yet created: raft-wal does that
	}
	if err != nil {
		return false, fmt.Errorf("finish the rotation of segment %s: %w", filepath.Base(name), err)
	}
	return repaired, nil
}

// finish looks at the tail, the last segment of state, in the file called name.
func finish(meta *metadb.BoltMetaDB, state types.PersistentState, name string) (bool, error) {
	tail := &state.Segments[len(state.Segments)-1]
	filer := segment.NewFiler(filepath.Dir(name), walfs.New())
	w, err := filer.RecoverTail(*tail) // reads only
	if err != nil {
		return false, err
	}
	defer w.Close()
	// What a killed process wrote may be in the page cache only. From here on Raft counts on it.
	if err := syncPath(name); err != nil {
		return false, err
	}
	sealed, indexStart, err := w.Sealed()
	if err != nil || !sealed {
		return false, err
	}
	offsets, err := entryOffsets(w, *tail)
	if err != nil {
		return false, err
	}
	whole, err := indexHolds(name, int64(indexStart)+4*int64(tail.MinIndex-tail.BaseIndex), offsets)
	if err != nil {
		return false, err
	}
	if !whole {
		return true, cutUncommitted(name, offsets)
	}
	files, err := filer.List() // a next segment may lie there half made: its ID is spent
	if err != nil {
		return false, err
	}
	next := state.NextSegmentID
	for id := range files {
		next = max(next, id+1)
	}
	now := time.Now()
	last := w.LastIndex()
	tail.SealTime, tail.MaxIndex, tail.IndexStart = now, last, indexStart
	state.Segments = append(state.Segments, types.SegmentInfo{
		ID: next, BaseIndex: last + 1, MinIndex: last + 1, Codec: tail.Codec, CreateTime: now, SizeLimit: tail.SizeLimit,
	})
	state.NextSegmentID = next + 1
	return true, meta.CommitState(state) // raft-wal's Open creates the file and removes strays
}

// entryOffsets returns where in the tail its committed entries lie, from MinIndex on.
func entryOffsets(w types.SegmentWriter, tail types.SegmentInfo) ([]byte, error) {
	locate, ok := w.(interface {
		OffsetForFrame(index uint64) (uint32, error)
	})
	if !ok {
		return nil, fmt.Errorf("%T does not tell where entries are", w)
	}
	var offsets []byte
	for i := tail.MinIndex; i <= w.LastIndex(); i++ {
		o, err := locate.OffsetForFrame(i)
		if err != nil {
			return nil, fmt.Errorf("locate entry %d: %w", i, err)
		}
		offsets = binary.LittleEndian.AppendUint32(offsets, o)
	}
	return offsets, nil
}

// indexHolds reports whether the index on disk, from position at on, says the same as offsets.
func indexHolds(name string, at int64, offsets []byte) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	index := make([]byte, len(offsets))
	if _, err := f.ReadAt(index, at); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return len(offsets) > 0 && bytes.Equal(index, offsets), nil
}

// cutUncommitted ends the file behind the commit mark of the last of the entries at offsets.
func cutUncommitted(name string, offsets []byte) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	end := int64(0) // nothing was ever committed
	if n := len(offsets); n > 0 {
		end, err = commitEnd(f, int64(binary.LittleEndian.Uint32(offsets[n-4:])))
	}
	if err == nil {
		err = f.Truncate(end)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// commitEnd returns where the commit mark ends that follows the entry at offset.
func commitEnd(f io.ReaderAt, offset int64) (int64, error) {
	var entry, mark [frameHeader]byte
	if _, err := f.ReadAt(entry[:], offset); err != nil {
		return 0, err
	}
	size := int64(binary.LittleEndian.Uint32(entry[4:]))
	end := offset + frameHeader + (size+frameHeader-1)/frameHeader*frameHeader
	if _, err := f.ReadAt(mark[:], end); err != nil {
		return 0, err
	}
	if mark[0] != segment.FrameCommit {
		return 0, fmt.Errorf("no commit mark at offset %d", end)
	}
	return end + frameHeader, nil
}
