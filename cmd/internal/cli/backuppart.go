package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"confman/replication"
)

const (
	partSuffix = ".part"
	partAge    = 24 * time.Hour // after which nobody means a backup that was begun then
)

// partFile is a backup that is being written, PATH.part, and becomes PATH when it
// is whole. One that an earlier command left is gone on with.
type partFile struct {
	*os.File
	path     string
	has      int64  // bytes of an earlier command
	position string // that they are of
}

// openPart opens the part of a file, which must not exist unless it may be
// replaced, and takes over what is in it if that is wanted.
func openPart(path string, replace, resume bool) (*partFile, error) {
	if _, err := os.Lstat(path); err == nil && !replace {
		return nil, fmt.Errorf("%s: %w; --force replaces it", path, fs.ErrExist)
	}
	file, err := os.OpenFile(path+partSuffix, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	p := &partFile{File: file, path: path}
	if err := p.take(resume); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", path, err), file.Close())
	}
	return p, nil
}

func (p *partFile) take(resume bool) error {
	if err := syscall.Flock(int(p.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("%s is being written by another process", p.Name())
	}
	if err := p.Chmod(0o600); err != nil {
		return err
	}
	info, err := p.Stat()
	if err != nil {
		return err
	}
	if !resume || time.Since(info.ModTime()) > partAge {
		return p.reset()
	}
	position, err := replication.BackupPosition(p)
	if err != nil { // too little of it, or something else
		return p.reset()
	}
	p.position = position.String()
	p.has, err = p.Seek(0, io.SeekEnd)
	return err
}

// beginning reads what an earlier command left, or is nil.
func (p *partFile) beginning() io.Reader {
	if p.has == 0 {
		return nil
	}
	return io.NewSectionReader(p, 0, p.has)
}

// reset forgets what is in it.
func (p *partFile) reset() error {
	p.has, p.position = 0, ""
	if err := p.Truncate(0); err != nil {
		return err
	}
	_, err := p.Seek(0, io.SeekStart)
	return err
}

// end makes it the file, durably, or where err says that it is not whole, keeps it
// for another command if that could go on with it, and if it may.
func (p *partFile) end(err error, keep bool) (kept bool, _ error) {
	err = errors.Join(err, p.Sync())
	if err == nil {
		if err = os.Rename(p.Name(), p.path); err == nil {
			return false, errors.Join(syncDirectory(filepath.Dir(p.path)), p.Close())
		}
	}
	if _, seeking := p.Seek(0, io.SeekStart); keep && seeking == nil {
		_, unreadable := replication.BackupPosition(p)
		kept = unreadable == nil
	}
	if !kept {
		_ = os.Remove(p.Name()) // the error that led here matters more
	}
	return kept, errors.Join(err, p.Close())
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
