package formats

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// newFileMode is the mode of files that did not exist before, less the umask. Those that did keep theirs.
const newFileMode = 0o644

// maxNameBytes is what the file systems of Linux allow for one name in a path.
const maxNameBytes = 255

// WriteDir writes each entry to the file at its key within dir (see [Entry.Bytes]), which is made if it is missing.
// Files that no entry names stay as they are.
//
// Nothing is written when an entry is not valid, when one key has a value and keys below it (a cannot be a file and a
// directory), or when [Read] would pass the file over: keys like .git/config would otherwise let whoever edits a
// namespace reach into the working copies of those who export it. A link that leads out of dir is not followed. Every
// file is replaced at once, so a reader sees the old bytes or the new ones; an error may come when some are replaced
// and others not.
func WriteDir(dir string, entries []Entry) error {
	files, err := Files(entries)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer root.Close()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return fmt.Errorf("export to %s: %w", dir, err)
		}
		if err := Replace(root, name, files[name], 0); err != nil {
			return fmt.Errorf("export %s to %s: %w", name, dir, err)
		}
	}
	return nil
}

// Files returns the content of the file that each entry is, by its path, which is the key. The error names every key
// that cannot be a file, for the reasons that [WriteDir] gives or because one of its names has more than 255 bytes.
func Files(entries []Entry) (map[string][]byte, error) {
	files := make(map[string][]byte, len(entries))
	keys := make(map[string]bool, len(entries))
	var problems []error
	for _, e := range entries {
		content, err := e.Bytes()
		if err == nil && keys[e.Key] {
			err = fmt.Errorf("entry %s is given twice", e.Key)
		}
		if err != nil {
			problems = append(problems, err)
		}
		files[e.Key], keys[e.Key] = content, true
	}
	for _, e := range entries {
		if above := valueAbove(keys, e.Key); above != "" {
			problems = append(problems, fmt.Errorf("entries %s and %s: a path cannot be a file and a directory", above, e.Key))
		}
		for name := range strings.SplitSeq(e.Key, "/") {
			switch {
			case skipped(name):
				problems = append(problems, fmt.Errorf("entry %s: files and folders named %s are not written, as they are not read", e.Key, name))
			case len(name) > maxNameBytes:
				problems = append(problems, fmt.Errorf("entry %s: a file's name has at most %d bytes", e.Key, maxNameBytes))
			}
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return files, nil
}

// WriteFile replaces the file at path with data, at once: a reader sees the old bytes or the new ones.
func WriteFile(path string, data []byte) error {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer root.Close()
	if err := Replace(root, filepath.Base(path), data, 0); err != nil {
		return fmt.Errorf("export %s: %w", path, err)
	}
	return nil
}

// TemporaryPrefix begins the name of a file that is about to replace another. A crash may leave it behind.
const TemporaryPrefix = ".confman-"

// Replace writes a file of the given mode beside name and renames it over name once it is on disk: whoever reads name
// has the old bytes or the new ones, also after a power cut. Mode 0 keeps that of the old file. Name may be a symbolic
// link, which is then replaced itself; the directory above must be there.
func Replace(root *os.Root, name string, data []byte, mode fs.FileMode) (err error) {
	if old, statErr := root.Lstat(name); mode == 0 && statErr == nil && old.Mode().IsRegular() {
		mode = old.Mode().Perm()
	}
	first := fs.FileMode(newFileMode)
	if mode != 0 {
		first = 0o600 // nobody may open it before it has its mode
	}
	temporary := path.Join(path.Dir(name), TemporaryPrefix+rand.Text())
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, first)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = root.Remove(temporary) // the error that led here matters more
		}
	}()
	if mode != 0 {
		err = f.Chmod(mode)
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
