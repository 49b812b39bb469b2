package disk

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"
)

// Badger by itself goes on without a table whose checksum is wrong, panics on
// its own goroutine over a damaged footer, and takes a damaged manifest or
// memtable log for one that a crash cut short. What follows looks first.

// verifyViews checks the manifest and every table that it names, and that each
// memtable log still has as many whole bytes as the marker says.
func verifyViews(dir string, logs map[string]int64) error {
	path := filepath.Join(dir, badger.ManifestFilename)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a new store
	}
	if err != nil {
		return err
	}
	defer f.Close()
	manifest, end, err := badger.ReplayManifestFile(f, 0, badger.DefaultOptions(dir))
	if err == nil {
		err = tornTail(f, end)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %w", path, ErrCorrupt, err)
	}
	for id := range manifest.Tables {
		path := table.NewFilename(id, dir)
		if err := verifyTable(path); err != nil {
			return fmt.Errorf("%s: %w: %w", path, ErrCorrupt, err)
		}
	}
	return verifyLogs(dir, logs)
}

// tornTail fails when what follows end in a manifest is not an entry that was
// cut short but a whole one whose length was altered: then its checksum fits
// what is there. An entry is its length, its CRC32C and its body.
func tornTail(f *os.File, end int64) error {
	info, err := f.Stat()
	if err != nil || info.Size()-end <= 8 {
		return err
	}
	tail := make([]byte, info.Size()-end)
	if _, err := f.ReadAt(tail, end); err != nil {
		return err
	}
	want, sum, crc := binary.BigEndian.Uint32(tail[4:]), uint32(0), crc32.MakeTable(crc32.Castagnoli)
	for i := 8; i < len(tail); i++ {
		if sum = crc32.Update(sum, crc, tail[i:i+1]); sum == want {
			return fmt.Errorf("the length of the entry at %d is wrong", end)
		}
	}
	return nil
}

// verifyTable reads one table and checks all its checksums.
func verifyTable(path string) (err error) {
	f, err := z.OpenMmapFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil { // over a length that makes no sense
			err = errors.Join(fmt.Errorf("%.80v", p), f.Close(-1))
		}
	}()
	t, err := table.OpenTable(f, table.Options{ReadOnly: true, ChkMode: options.OnTableRead})
	if err != nil {
		return err // f is closed
	}
	return t.Close(-1)
}

// verifyLogs fails when a memtable log that the marker knows has become shorter
// (one that is gone was flushed to a table), or the header of the value log, which
// holds nothing else, is damaged.
func verifyLogs(dir string, logs map[string]int64) error {
	memory, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return err
	}
	values, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil {
		return err
	}
	for _, path := range append(memory, values...) {
		id, n, err := logLength(path, nil)
		if err != nil {
			return err
		}
		if n < logs[id] {
			return fmt.Errorf("%s: whole up to byte %d, was up to %d at the marker: %w", path, n, logs[id], ErrCorrupt)
		}
	}
	return nil
}

// logLengths returns the whole bytes of every memtable log by its identity,
// given those known from earlier. Writers may go on.
func logLengths(dir string, known map[string]int64) (map[string]int64, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return nil, err
	}
	logs := map[string]int64{}
	for _, path := range paths {
		id, n, err := logLength(path, known)
		if errors.Is(err, fs.ErrNotExist) {
			continue // flushed meanwhile
		}
		if err != nil {
			return nil, err
		}
		if id != "" {
			logs[id] = n
		}
	}
	return logs, nil
}

// logHeaderBytes is the length of a memtable log's header: the ID of a key, 0 as
// nothing is encrypted, and random bytes, which identify the log where names are used again.
const logHeaderBytes = 20

// logLength returns a memtable log's identity, empty if it has no header, and
// the offset at which its last whole entry ends. An entry is two bytes, three
// uvarints (length of the key, of the value, expiry), key, value and the CRC32C
// of all that.
func logLength(path string, known map[string]int64) (id string, n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	var header [logHeaderBytes]byte
	if _, err := f.ReadAt(header[:], 0); errors.Is(err, io.EOF) {
		return "", 0, nil
	} else if err != nil {
		return "", 0, err
	}
	if binary.BigEndian.Uint64(header[:]) != 0 {
		return "", 0, fmt.Errorf("%s: encrypted: %w", path, ErrCorrupt)
	}
	id = hex.EncodeToString(header[:])
	n = max(known[id], logHeaderBytes)
	if _, err := f.Seek(n, io.SeekStart); err != nil {
		return "", 0, err
	}
	r := bufio.NewReaderSize(f, 1<<20)
	for {
		size, err := logEntry(r)
		if err != nil {
			return "", 0, fmt.Errorf("read %s: %w", path, err)
		}
		if size == 0 {
			return id, n, nil
		}
		n += size
	}
}

// logEntry reads one entry and returns its length, 0 where there is no whole one.
func logEntry(r *bufio.Reader) (int64, error) {
	head, err := r.Peek(2 + 3*binary.MaxVarintLen64)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	at := min(2, len(head))
	var lengths [3]uint64
	for i := range lengths {
		v, n := binary.Uvarint(head[at:])
		if n <= 0 {
			return 0, nil
		}
		lengths[i] = v
		at += n
	}
	key, value := lengths[0], lengths[1]
	if key == 0 || key > 1<<16 || value > MaxValueBytes {
		return 0, nil
	}
	body := make([]byte, uint64(at)+key+value+4)
	if _, err := io.ReadFull(r, body); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	sum := len(body) - 4
	if binary.BigEndian.Uint32(body[sum:]) != checksum(body[:sum]) {
		return 0, nil
	}
	return int64(len(body)), nil
}
