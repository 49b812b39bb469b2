package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// From include/uapi/linux/ext4.h: end all I/O at once, the journal not flushed,
// so that only what had been sent to the block device is there afterwards.
const (
	ext4IOCShutdown   = 0x8004587d
	shutdownNoLogSync = 2
)

// Disk is an ext4 file system of its own, in an image file on a loop device. It
// does not model a drive that lies about flushes, nor torn sectors.
type Disk struct {
	t     testing.TB
	image string
	dir   string
	fill  string
}

// NewDisk makes and mounts a file system of so many bytes (at least 16 MiB) and
// unmounts it when the test ends. It skips the test where it cannot be had; as
// root with CI=true that is a failure, so that the tests are not skipped for
// ever unnoticed.
func NewDisk(t testing.TB, bytes int64) *Disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a loop-mounted file system needs root")
	}
	base := t.TempDir()
	d := &Disk{t: t, image: filepath.Join(base, "image"), dir: filepath.Join(base, "mnt")}
	d.fill = filepath.Join(d.dir, "fill")
	if err := d.format(bytes); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no loop-mounted ext4, and CI must have it: %v", err)
		}
		t.Skipf("no loop-mounted ext4 here: %v", err)
	}
	t.Cleanup(func() {
		if err := d.unmount(); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return d
}

// Dir returns the root of the mounted file system.
func (d *Disk) Dir() string { return d.dir }

func (d *Disk) format(bytes int64) error {
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		return err
	}
	if err := errors.Join(os.Truncate(d.image, bytes), os.Mkdir(d.dir, 0o700)); err != nil {
		return err
	}
	if err := run("mkfs.ext4", "-q", "-F", "-m", "0", d.image); err != nil {
		return err
	}
	return d.mount()
}

func (d *Disk) mount() error { return run("mount", "-o", "loop", d.image, d.dir) }

// unmount is lazy: a process that still has files open does not keep the test
// from ending.
func (d *Disk) unmount() error {
	err := syscall.Unmount(d.dir, syscall.MNT_DETACH)
	if errors.Is(err, syscall.EINVAL) {
		return nil // not mounted
	}
	return err
}

// PowerCut ends all I/O of the file system. Every operation on it fails from now
// on, until Remount; what had not reached the device is gone.
func (d *Disk) PowerCut() {
	d.t.Helper()
	f, err := os.Open(d.dir)
	if err != nil {
		d.t.Fatalf("power cut: %v", err)
	}
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), ext4IOCShutdown, shutdownNoLogSync); err != nil {
		d.t.Fatalf("power cut: %v", err)
	}
}

// Remount mounts the file system again, as after a restart. All processes that
// used it must have ended: else the old one lives on and the mount fails.
func (d *Disk) Remount() {
	d.t.Helper()
	if err := syscall.Unmount(d.dir, 0); err != nil {
		d.t.Fatalf("unmount: %v", err)
	}
	if err := d.mount(); err != nil {
		d.t.Fatalf("remount: %v", err)
	}
}

// Fill takes space until about leaveFree bytes are free.
func (d *Disk) Fill(leaveFree int64) {
	d.t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &st); err != nil {
		d.t.Fatalf("fill: %v", err)
	}
	take := int64(st.Bavail)*st.Frsize - leaveFree
	if take <= 0 {
		return
	}
	f, err := os.OpenFile(d.fill, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		d.t.Fatalf("fill: %v", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		d.t.Fatalf("fill: %v", err)
	}
	if err := unix.Fallocate(int(f.Fd()), 0, info.Size(), take); err != nil {
		d.t.Fatalf("fill %d bytes: %v", take, err)
	}
}

// Free gives back what Fill took.
func (d *Disk) Free() {
	d.t.Helper()
	if err := os.Remove(d.fill); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.t.Fatalf("free: %v", err)
	}
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
