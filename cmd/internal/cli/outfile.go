package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"confman/cmd/internal/formats"
)

// outFile is a file that comes to be whole or not at all: what is written goes to
// another one beside it, readable by its owner only, until commit.
type outFile struct {
	*os.File
	path string
}

// createFile begins a file, which must not exist unless it may be replaced.
func createFile(path string, replace bool) (*outFile, error) {
	if _, err := os.Lstat(path); err == nil && !replace {
		return nil, fmt.Errorf("%s: %w; --force replaces it", path, fs.ErrExist)
	}
	file, err := os.CreateTemp(filepath.Dir(path), formats.TemporaryPrefix)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return &outFile{File: file, path: path}, nil
}

// end makes what was written the file, durably, or where err says that it is not
// whole, removes it.
func (f *outFile) end(err error) error {
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), f.path)
	}
	if err == nil {
		return syncDirectory(filepath.Dir(f.path))
	}
	_ = os.Remove(f.Name()) // the error that led here matters more
	return err
}
