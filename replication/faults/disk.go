package faults

import (
	"os"
	"testing"

	"confman/replication/faults/volume"
)

// Disk is a [volume.Volume] of one test, which fails with it.
type Disk struct {
	t      testing.TB
	volume *volume.Volume
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
	v, err := volume.New(t.TempDir(), bytes)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no loop-mounted ext4, and CI must have it: %v", err)
		}
		t.Skipf("no loop-mounted ext4 here: %v", err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return &Disk{t: t, volume: v}
}

// Dir returns the root of the mounted file system.
func (d *Disk) Dir() string { return d.volume.Dir() }

// PowerCut is [volume.Volume.PowerCut].
func (d *Disk) PowerCut() {
	d.t.Helper()
	d.must(d.volume.PowerCut())
}

// Remount is [volume.Volume.Remount].
func (d *Disk) Remount() {
	d.t.Helper()
	d.must(d.volume.Remount())
}

// Fill is [volume.Volume.Fill].
func (d *Disk) Fill(leaveFree int64) {
	d.t.Helper()
	d.must(d.volume.Fill(leaveFree))
}

// Free is [volume.Volume.Free].
func (d *Disk) Free() {
	d.t.Helper()
	d.must(d.volume.Free())
}

func (d *Disk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}
