package disk

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrCorrupt says that a file does not hold what was written to it. The message
// names the file. The node must neither serve nor vote with this store.
var ErrCorrupt = errors.New("corrupt")

// ErrSync says that a write could not be made durable. It is fatal: the kernel
// reports a failed write-back once, so a later success proves nothing. The
// process must exit and start again from the newest marker.
var ErrSync = errors.New("cannot make durable")

// checksum returns the CRC32C of the parts, one after the other.
func checksum(parts ...[]byte) uint32 {
	table, sum := crc32.MakeTable(crc32.Castagnoli), uint32(0)
	for _, p := range parts {
		sum = crc32.Update(sum, table, p)
	}
	return sum
}

// fsyncPath makes the file or directory at path durable. Pages dirtied through
// a memory map are written by an fsync of any descriptor of the file.
func fsyncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// barrier makes every write to a Badger directory that returned before the call
// durable. Writers, flushes and compactions go on meanwhile: a file that
// vanishes was flushed or compacted, and Badger has synced its successor first.
func barrier(dir string, fsync func(string) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if err := fsync(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %w", ErrSync, err)
		}
	}
	if err := fsync(dir); err != nil {
		return fmt.Errorf("%w: %w", ErrSync, err)
	}
	return nil
}

// dropEmpty removes zero-length .mem and .vlog files, on which badger.Open
// fails. They are new files whose size was not committed, or flushed memtables
// caught between truncation and removal; neither holds anything.
func dropEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".mem" && ext != ".vlog" {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Size() > 0 {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// writeSealed replaces the file at path with v as JSON and its checksum, and
// makes it durable. After a crash the old or the new content is there.
func writeSealed(path string, v any, fsync func(string) error) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	text := fmt.Sprintf("%s\ncrc32c %08x\n", body, checksum(body))
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return err
	}
	if err := fsync(tmp); err != nil {
		return fmt.Errorf("%w: %w", ErrSync, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	if err := fsync(filepath.Dir(path)); err != nil {
		return fmt.Errorf("%w: %w", ErrSync, err)
	}
	return nil
}

// readSealed reads what writeSealed wrote. It fails with fs.ErrNotExist or with
// ErrCorrupt and the name of the file.
func readSealed(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := unseal(text, v); err != nil {
		return fmt.Errorf("%s: %w: %w", path, ErrCorrupt, err)
	}
	return nil
}

func unseal(text []byte, v any) error {
	body, rest, ok := strings.Cut(string(text), "\n")
	if !ok {
		return errors.New("no checksum: cut short")
	}
	sum := fmt.Sprintf("crc32c %08x\n", checksum([]byte(body)))
	if rest != sum {
		return errors.New("checksum does not match")
	}
	return json.Unmarshal([]byte(body), v)
}
