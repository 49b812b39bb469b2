package replication

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// site is where a data directory is built: beside it, where one rename can put it
// in its place, or, where it is a mount point, in it.
type site struct {
	target  string // the data directory
	dir     string // the site
	data    string // what becomes the data directory, or the content of it
	scratch string // what is thrown away
	within  bool   // the site lies in the target
	lock    *os.File
	empty   bool // the target was found to be, and is ours since
}

const siteName = "restoring"

// openSite begins a site for a data directory, which must be absent or empty. What
// a restore left that was killed is removed.
func openSite(target string) (*site, error) {
	target, err := filepath.Abs(target)
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	if real, err := filepath.EvalSymlinks(target); err == nil {
		target = real
	}
	within, err := isMount(target)
	if err != nil {
		return nil, fmt.Errorf("restore into %s: %w", target, err)
	}
	s := &site{target: target, dir: target + "." + siteName, within: within}
	if within {
		s.dir = filepath.Join(target, siteName)
	}
	s.data, s.scratch = filepath.Join(s.dir, "data"), filepath.Join(s.dir, "backup")
	if err := os.Mkdir(s.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("restore into %s: %w", target, err)
	}
	if err := s.isOurs(); err != nil {
		return nil, fmt.Errorf("restore into %s: %w", target, err)
	}
	if s.lock, err = lockDirectory(s.dir); err != nil {
		return nil, fmt.Errorf("restore into %s: %w", target, err)
	}
	if err := s.clear(); err != nil {
		return nil, errors.Join(fmt.Errorf("restore into %s: %w", target, err), s.close())
	}
	return s, nil
}

// isOurs refuses a site that holds what no restore left there.
func (s *site) isOurs() error {
	entries, err := os.ReadDir(s.dir)
	for _, e := range entries {
		if name := e.Name(); name != "LOCK" && name != filepath.Base(s.data) && name != filepath.Base(s.scratch) {
			err = fmt.Errorf("%s holds %s, which is not of a restore: move it away", s.dir, name)
		}
	}
	return err
}

// isMount reports whether a directory that is there lies on another file system
// than the one above it.
func isMount(dir string) (bool, error) {
	var own, above syscall.Stat_t
	if err := syscall.Stat(dir, &own); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return false, err
	}
	if err := syscall.Stat(filepath.Dir(dir), &above); err != nil {
		return false, err
	}
	return own.Dev != above.Dev, nil
}

// clear removes what an earlier restore left, and refuses a target that holds
// anything else.
func (s *site) clear() error {
	begun := false
	for _, left := range []string{s.data, s.scratch} {
		if _, err := os.Lstat(left); err == nil {
			begun = true
		}
	}
	if begun {
		if err := s.takeBack(); err != nil {
			return err
		}
	}
	if err := errors.Join(os.RemoveAll(s.data), os.RemoveAll(s.scratch)); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.target)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var names []string
	for _, e := range entries {
		if e.Name() != siteName && e.Name() != "lost+found" || !s.within {
			names = append(names, e.Name())
		}
	}
	if len(names) > 0 {
		return fmt.Errorf("%w: it is not empty, there is %s; a backup is restored into an empty one", ErrDirectory, strings.Join(names, ", "))
	}
	s.empty = true
	return nil
}

// finish makes what was built durable and puts it in its place. crash is called
// before each step.
func (s *site) finish(crash func(step string) error) error {
	if err := errors.Join(crash("sync"), syncTree(s.data)); err != nil {
		return err
	}
	if err := crash("place"); err != nil {
		return err
	}
	if !s.within {
		if err := os.Rename(s.data, s.target); err != nil {
			return err
		}
		return syncDir(filepath.Dir(s.target))
	}
	if err := os.Rename(viewsDir(s.data), viewsDir(s.target)); err != nil {
		return err
	}
	if err := crash("half placed"); err != nil {
		return err
	}
	if err := os.Rename(raftDir(s.data), raftDir(s.target)); err != nil {
		return err
	}
	return syncDir(s.target)
}

// close removes the site, and what is not finished with it.
func (s *site) close() error {
	var err error
	if s.empty {
		err = s.takeBack()
	}
	return errors.Join(err, os.RemoveAll(s.dir), s.lock.Close())
}

// takeBack removes the half of a data directory that was put in its place without
// the other one.
func (s *site) takeBack() error {
	if _, err := os.Lstat(raftDir(s.target)); !s.within || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return os.RemoveAll(viewsDir(s.target))
}

// syncTree makes a directory and all that is in it durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncDir(path) // files too
	})
}
