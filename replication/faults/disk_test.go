package faults

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestPowerCutLosesWhatWasNotSyncedOnly(t *testing.T) {
	d := NewDisk(t, 16<<20)
	write := func(name string, sync bool) {
		f, err := os.Create(filepath.Join(d.Dir(), name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("content"); err != nil {
			t.Fatal(err)
		}
		if sync {
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
	}
	write("kept", true)
	write("lost", false)
	d.PowerCut()
	if err := os.WriteFile(filepath.Join(d.Dir(), "late"), nil, 0o600); err == nil {
		t.Error("a file could be written after the power cut")
	}
	d.Remount()
	if b, err := os.ReadFile(filepath.Join(d.Dir(), "kept")); err != nil || string(b) != "content" {
		t.Errorf("synced file: %q, %v", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(d.Dir(), "lost")); err == nil && len(b) > 0 {
		t.Errorf("the file that was not synced survived: %q; the power cut cuts nothing", b)
	}
}

func TestFillLeavesSoMuchAndFreeGivesItBack(t *testing.T) {
	d := NewDisk(t, 32<<20)
	free := func() int64 {
		var st syscall.Statfs_t
		if err := syscall.Statfs(d.Dir(), &st); err != nil {
			t.Fatal(err)
		}
		return int64(st.Bavail) * st.Frsize
	}
	before := free()
	for _, leave := range []int64{4 << 20, 1 << 20} {
		d.Fill(leave)
		if got := free(); got > leave || got < leave-(1<<20) {
			t.Errorf("filled to %d: %d free", leave, got)
		}
	}
	if err := os.WriteFile(filepath.Join(d.Dir(), "big"), make([]byte, 2<<20), 0o600); err == nil {
		t.Error("2 MiB fitted into 1 MiB")
	}
	os.Remove(filepath.Join(d.Dir(), "big"))
	d.Free()
	if got := free(); got < before-(1<<20) {
		t.Errorf("freed: %d, before %d", got, before)
	}
}

func TestFlipBitAndCopyDir(t *testing.T) {
	dir := t.TempDir()
	os.Mkdir(filepath.Join(dir, "sub"), 0o700)
	path := filepath.Join(dir, "sub", "file")
	want := []byte("some bytes")
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	copied := CopyDir(t, dir)
	FlipBit(t, path, 3)
	if got, _ := os.ReadFile(path); len(got) != len(want) || bytes.Equal(got, want) || got[3] != want[3]^(1<<3) {
		t.Errorf("flipped: %q", got)
	}
	if got, _ := os.ReadFile(filepath.Join(copied, "sub", "file")); !bytes.Equal(got, want) {
		t.Errorf("copy: %q", got)
	}
}
