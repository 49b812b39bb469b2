package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"confman/cmd/internal/formats"
)

// folderConfig says how a folder keeps its files.
type folderConfig struct {
	path              string
	mode, dirMode     fs.FileMode
	prune             bool // files of others are replaced and removed
	namespace, prefix string
	as                string // the one file; empty: one for each key
	hooked            bool   // a command is to see every change
	note              func(format string, args ...any)
}

// folder is a directory that sync keeps equal to something. Everything goes
// through root, which no symbolic link leads out of.
type folder struct {
	folderConfig
	root     *os.Root
	lock     *os.File // the directory itself
	manifest manifest
	right    map[string]os.FileInfo // files that were looked at and found right
}

// openFolder opens a directory, which is made if it is missing, for one process
// at a time, and clears away what a crash left behind.
func openFolder(config folderConfig) (*folder, error) {
	if _, err := os.Stat(config.path); errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(config.path, 0o755)
		if err == nil {
			err = os.Chmod(config.path, config.dirMode)
		}
		if err != nil {
			return nil, fmt.Errorf("sync: %w", err)
		}
	}
	root, err := os.OpenRoot(config.path)
	if err != nil {
		return nil, fmt.Errorf("sync: %w", err)
	}
	f := &folder{folderConfig: config, root: root, right: make(map[string]os.FileInfo)}
	if err := f.load(); err != nil {
		root.Close()
		return nil, fmt.Errorf("sync %s: %w", config.path, err)
	}
	return f, nil
}

func (f *folder) load() (err error) {
	lock, err := f.root.Open(".")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("lock: %w; another sync is at work here", err)
	}
	f.lock = lock
	if f.manifest, err = readManifest(f.root, manifest{Namespace: f.namespace, Prefix: f.prefix, As: f.as}); err != nil {
		return err
	}
	return f.clear()
}

func (f *folder) close() {
	f.lock.Close()
	f.root.Close()
}

// clear removes temporary files that a crash left beside files of ours.
func (f *folder) clear() error {
	places := map[string]bool{".": true}
	for name := range f.manifest.Files {
		places[path.Dir(name)] = true
	}
	for place := range places {
		names, err := fs.ReadDir(f.root.FS(), place)
		if err != nil {
			continue // it is not there, or no directory: apply says so if that matters
		}
		for _, n := range names {
			random, ok := strings.CutPrefix(n.Name(), formats.TemporaryPrefix)
			ours := ok && len(random) == temporaryRandom || place == "." && strings.HasPrefix(n.Name(), "."+viewName+".")
			if !ours || !n.Type().IsRegular() {
				continue
			}
			if err := f.root.Remove(path.Join(place, n.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// temporaryRandom is how many characters follow formats.TemporaryPrefix: those of
// rand.Text.
const temporaryRandom = 26

// apply makes the files those that are wanted, as of a position, and reports how
// many it wrote or removed. Files that are right already are not touched.
func (f *folder) apply(wanted map[string][]byte, position string) (changed int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("sync %s: %w", f.path, err)
		}
	}()
	due, err := f.due(wanted)
	if err != nil {
		return 0, err
	}
	doomed, err := f.doomed(wanted)
	if err != nil {
		return 0, err
	}
	files := make(map[string]string, len(wanted))
	for name, content := range wanted {
		files[name] = digest(content)
	}
	if changed = len(due) + len(doomed); changed > 0 {
		if err := f.claim(due); err != nil {
			return 0, err
		}
	} else if maps.Equal(files, f.manifest.Files) {
		return 0, nil
	}
	for _, name := range doomed { // first: a file may be where a directory has to be
		if err := f.remove(name); err != nil {
			return 0, err
		}
	}
	for _, name := range due {
		if err := f.put(name, wanted[name]); err != nil {
			return 0, err
		}
	}
	f.manifest.Position, f.manifest.Files = position, files
	return changed, f.manifest.write(f.root)
}

// due are the files that are not as they should be, in order. One of somebody
// else that may not be replaced is an error.
func (f *folder) due(wanted map[string][]byte) (due []string, err error) {
	var taken []string
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		content := wanted[name]
		recorded, ours := f.manifest.Files[name]
		at, err := f.root.Lstat(name)
		there := err == nil && !at.IsDir() && f.solid(path.Dir(name)) == nil
		if there && same(f.right[name], at) && recorded == digest(content) {
			continue
		}
		var found []byte
		equal := false
		if there && at.Mode().IsRegular() {
			if found, err = f.root.ReadFile(name); err != nil {
				return nil, err
			}
			equal = bytes.Equal(found, content)
		}
		if equal && at.Mode() == f.mode {
			f.right[name] = at
			continue
		}
		due = append(due, name)
		switch {
		case there && !ours && !f.prune && !equal:
			taken = append(taken, name)
		case recorded != "" && (!there || digest(found) != recorded):
			f.note("%s was changed here; it is put back", path.Join(f.path, name))
		}
	}
	if len(taken) > 0 {
		return nil, fmt.Errorf("files of somebody else are in the way, and --prune would replace them: %s", some(taken))
	}
	return due, nil
}

// doomed are our files that are no longer wanted; where others' may go too, all
// that is not wanted, except what begins with a dot.
func (f *folder) doomed(wanted map[string][]byte) (doomed []string, err error) {
	for name := range f.manifest.Files {
		if _, stays := wanted[name]; !stays {
			doomed = append(doomed, name)
		}
	}
	if f.prune {
		err = fs.WalkDir(f.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
			_, stays := wanted[name]
			switch {
			case err != nil || name == ".":
				return err
			case strings.HasPrefix(d.Name(), "."):
				if d.IsDir() {
					return fs.SkipDir
				}
			case !d.IsDir() && !stays:
				doomed = append(doomed, name)
			}
			return nil
		})
	}
	slices.Sort(doomed)
	return slices.Compact(doomed), err
}

// claim writes down what is about to happen, so that after a crash the files are
// known as ours and the command of --exec is known to be due.
func (f *folder) claim(due []string) error {
	files := maps.Clone(f.manifest.Files)
	for _, name := range due {
		if _, ours := files[name]; !ours {
			files[name] = "" // not written yet
		}
	}
	f.manifest.Files, f.manifest.Pending = files, f.hooked
	return f.manifest.write(f.root)
}

// remove removes a file or link, and the directories that it leaves empty.
func (f *folder) remove(name string) error {
	at, err := f.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil || at.IsDir() {
		return err
	}
	if err := f.solid(path.Dir(name)); err != nil {
		return err
	}
	if err := f.root.Remove(name); err != nil {
		return err
	}
	delete(f.right, name)
	above := path.Dir(name)
	for above != "." && f.root.Remove(above) == nil { // until one is not empty
		above = path.Dir(above)
	}
	return nil
}

// put writes one file.
func (f *folder) put(name string, content []byte) error {
	if err := f.solid(path.Dir(name)); err != nil {
		return err
	}
	if err := f.makeDirs(path.Dir(name)); err != nil {
		return err
	}
	if at, err := f.root.Lstat(name); err == nil && at.IsDir() && f.root.Remove(name) != nil {
		return fmt.Errorf("%s is a directory with files of somebody else, where a file belongs", name)
	}
	err := formats.Replace(f.root, name, content, f.mode)
	if err == nil {
		f.right[name], err = f.root.Lstat(name)
	}
	return err
}

// same reports whether a file is as it was when it was found right.
func same(seen, now os.FileInfo) bool {
	return seen != nil && os.SameFile(seen, now) && seen.Size() == now.Size() && seen.Mode() == now.Mode() && seen.ModTime().Equal(now.ModTime())
}

// solid refuses a path that a symbolic link is part of: two keys could be one
// file, and what is behind a link is not ours to write.
func (f *folder) solid(dir string) error {
	for at := dir; at != "."; at = path.Dir(at) {
		info, err := f.root.Lstat(at)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is no directory, and files belong below it", at)
		}
	}
	return nil
}

// makeDirs makes a directory and those above it, with their mode whatever the
// umask is.
func (f *folder) makeDirs(dir string) error {
	if dir == "." {
		return nil
	}
	if err := f.makeDirs(path.Dir(dir)); err != nil {
		return err
	}
	err := f.root.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.root.Chmod(dir, f.dirMode)
}

// done notes that the command of --exec has seen the files as they are.
func (f *folder) done() error {
	if !f.manifest.Pending {
		return nil
	}
	f.manifest.Pending = false
	if err := f.manifest.write(f.root); err != nil {
		return fmt.Errorf("sync %s: %w", f.path, err)
	}
	return nil
}
