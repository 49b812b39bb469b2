package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

// The format of a raft-wal segment, version 0: a header, then frames. A commit
// frame has the CRC32C of all since the one before it where others have a length.
const (
	segmentHeader = 32
	typeEntry     = 1
	typeIndex     = 2
	typeCommit    = 3
)

// mendTail fails with ErrCorrupt when the newest segment has lost entries that
// were durable. raft-wal takes all behind a damaged frame for a write that was
// torn by a crash, and forgets it. Behind such a write there is nothing, so a whole
// batch there says that it was not one. What cannot be told from a torn write is
// damage to the last batch, and to the last but one if its commit frame is hit:
// the caller knows where its log must reach to (Open says why).
//
// A segment that a crash left half made is removed: raft-wal makes one that is
// missing, and would write into this one without allocating it, so that the next
// look took it for cut short.
func mendTail(dir string) error {
	tail, err := newestTail(dir)
	if err != nil || tail == nil {
		return err
	}
	name := filepath.Join(dir, segment.FileName(*tail))
	content, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // recorded, not yet created
	}
	if err == nil {
		err = intact(content, int(tail.SizeLimit))
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %w", name, ErrCorrupt, err)
	}
	if len(content) < int(tail.SizeLimit) {
		return os.Remove(name)
	}
	return nil
}

// newestTail is the segment that is written to, nil when there is none.
func newestTail(dir string) (tail *types.SegmentInfo, err error) {
	if _, err := os.Stat(filepath.Join(dir, metadb.FileName)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	meta := &metadb.BoltMetaDB{}
	state, err := meta.Load(dir)
	if err != nil {
		return nil, fmt.Errorf("load the segment table: %w", err)
	}
	defer func() { err = errors.Join(err, meta.Close()) }()
	n := len(state.Segments)
	if n == 0 || !state.Segments[n-1].SealTime.IsZero() {
		return nil, nil
	}
	return &state.Segments[n-1], nil
}

// intact judges the content of a tail that was allocated with so many bytes.
func intact(content []byte, allocated int) error {
	end := lastCommit(content)
	if end > 0 && len(content) < allocated { // one without a commit may be half made
		return fmt.Errorf("cut short: %d bytes, %d were allocated", len(content), allocated)
	}
	table, after := crc32.MakeTable(crc32.Castagnoli), 0
	for at := max(end, segmentHeader); at+frameHeader <= len(content); at += frameHeader {
		if binary.LittleEndian.Uint32(content[at:]) != typeCommit {
			continue
		}
		if after > 0 && crc32.Checksum(content[after:at], table) == binary.LittleEndian.Uint32(content[at+4:]) {
			return fmt.Errorf("damaged behind byte %d: a whole batch of entries follows at byte %d", end, after)
		}
		after = at + frameHeader
	}
	return nil
}

// lastCommit is where the last commit frame that raft-wal finds ends, 0 for none.
func lastCommit(content []byte) (end int) {
	for at := segmentHeader; at+frameHeader <= len(content); {
		size := 0
		switch content[at] {
		case typeCommit:
			end = at + frameHeader
		case typeEntry, typeIndex:
			size = int(binary.LittleEndian.Uint32(content[at+4:]))
		default:
			return end
		}
		at += frameHeader + (size+frameHeader-1)/frameHeader*frameHeader
	}
	return end
}
