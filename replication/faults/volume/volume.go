// Package volume makes file systems that fill up and lose their power. It knows
// no test: package faults wraps it for tests.
package volume

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// From include/uapi/linux/ext4.h: end all I/O at once, the journal not flushed,
// so that only what had been sent to the block device is there afterwards.
const (
	ext4IOCShutdown   = 0x8004587d
	shutdownNoLogSync = 2
)

// Volume is an ext4 file system of its own, in an image file on a loop device. It
// does not model a drive that lies about flushes, nor torn sectors. One goroutine
// at a time may use it.
type Volume struct {
	image string
	dir   string
	fill  string
}

// New makes and mounts a file system of so many bytes (at least 16 MiB) below an
// empty directory. It needs root. Close it.
func New(base string, bytes int64) (*Volume, error) {
	v := &Volume{image: filepath.Join(base, "image"), dir: filepath.Join(base, "mnt")}
	v.fill = filepath.Join(v.dir, "fill")
	if err := os.WriteFile(v.image, nil, 0o600); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Truncate(v.image, bytes), os.Mkdir(v.dir, 0o700)); err != nil {
		return nil, err
	}
	if err := run("mkfs.ext4", "-q", "-F", "-m", "0", v.image); err != nil {
		return nil, err
	}
	return v, v.mount()
}

// Dir returns the root of the mounted file system.
func (v *Volume) Dir() string { return v.dir }

func (v *Volume) mount() error { return run("mount", "-o", "loop", v.image, v.dir) }

// Close unmounts it, lazily: a process that still has files open does not keep
// it from going.
func (v *Volume) Close() error {
	err := syscall.Unmount(v.dir, syscall.MNT_DETACH)
	if errors.Is(err, syscall.EINVAL) {
		return nil // not mounted
	}
	return err
}

// PowerCut ends all I/O of the file system. Every operation on it fails from now
// on, until Remount; what had not reached the device is gone.
func (v *Volume) PowerCut() error {
	f, err := os.Open(v.dir)
	if err != nil {
		return fmt.Errorf("power cut: %w", err)
	}
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), ext4IOCShutdown, shutdownNoLogSync); err != nil {
		return fmt.Errorf("power cut: %w", err)
	}
	return nil
}

// Remount mounts the file system again, as after a restart. All processes that
// used it must have ended: else the old one lives on and the mount fails.
func (v *Volume) Remount() error {
	if err := syscall.Unmount(v.dir, 0); err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	return v.mount()
}

// Room is how many bytes are free.
func (v *Volume) Room() (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(v.dir, &st); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", v.dir, err)
	}
	return int64(st.Bavail) * st.Frsize, nil
}

// Fill takes space until about leaveFree bytes are free.
func (v *Volume) Fill(leaveFree int64) error {
	room, err := v.Room()
	if err != nil {
		return err
	}
	take := room - leaveFree
	if take <= 0 {
		return nil
	}
	f, err := os.OpenFile(v.fill, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	if err := unix.Fallocate(int(f.Fd()), 0, info.Size(), take); err != nil {
		return fmt.Errorf("fill %d bytes: %w", take, err)
	}
	return nil
}

// Free gives back what Fill took; a power cut does not take it again.
func (v *Volume) Free() error {
	if err := os.Remove(v.fill); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("free: %w", err)
	}
	dir, err := os.Open(v.dir)
	if err != nil {
		return fmt.Errorf("free: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("free: %w", err)
	}
	return nil
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
