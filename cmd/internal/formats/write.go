package formats

import (
	"crypto/rand"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// newFileMode is the mode of files that did not exist before, less the umask. Those that did keep theirs.
const newFileMode = 0o644

// WriteDir writes each entry to the file at its key within dir (see [Entry.Bytes]), which is made if it is missing.
// Files that no entry names stay as they are.
//
// Nothing is written when an entry is not valid, when one key has a value and keys below it (a cannot be a file and a
// directory), or when [Read] would pass the file over: keys like .git/config would otherwise let whoever edits a
// namespace reach into the working copies of those who export it. A link that leads out of dir is not followed. Every
// file is replaced at once, so a reader sees the old bytes or the new ones; an error may come when some are replaced
// and others not.
func WriteDir(dir string, entries []Entry) error {
	contents := make([][]byte, len(entries))
	keys := make(map[string]bool, len(entries))
	for i, e := range entries {
		content, err := e.Bytes()
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		if keys[e.Key] {
			return fmt.Errorf("export: entry %s is given twice", e.Key)
		}
		contents[i], keys[e.Key] = content, true
	}
	for _, e := range entries {
		if above := valueAbove(keys, e.Key); above != "" {
			return fmt.Errorf("export: entries %s and %s: a path cannot be a file and a directory", above, e.Key)
		}
		for name := range strings.SplitSeq(e.Key, "/") {
			if skipped(name) {
				return fmt.Errorf("export: entry %s: files and folders named %s are not written, as they are not read", e.Key, name)
			}
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer root.Close()
	for i, e := range entries {
		if err := root.MkdirAll(path.Dir(e.Key), 0o755); err != nil {
			return fmt.Errorf("export to %s: %w", dir, err)
		}
		if err := replace(root, e.Key, contents[i]); err != nil {
			return fmt.Errorf("export %s to %s: %w", e.Key, dir, err)
		}
	}
	return nil
}

// WriteFile replaces the file at path with data, at once: a reader sees the old bytes or the new ones.
func WriteFile(path string, data []byte) error {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer root.Close()
	if err := replace(root, filepath.Base(path), data); err != nil {
		return fmt.Errorf("export %s: %w", path, err)
	}
	return nil
}

// replace writes a new file beside name and renames it over name once it is on disk.
func replace(root *os.Root, name string, data []byte) (err error) {
	temporary := path.Join(path.Dir(name), ".confman-"+rand.Text())
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, newFileMode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = root.Remove(temporary) // the error that led here matters more
		}
	}()
	if old, statErr := root.Lstat(name); statErr == nil && old.Mode().IsRegular() {
		err = f.Chmod(old.Mode().Perm())
	}
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return root.Rename(temporary, name)
}
