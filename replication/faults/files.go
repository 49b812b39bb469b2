package faults

import (
	"os"
	"os/exec"
	"testing"
)

// FlipBit inverts one bit of the file at path: bit offset%8 of the byte at
// offset. Doing it again undoes it.
func FlipBit(t testing.TB, path string, offset int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatalf("flip a bit: %v", err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], offset); err != nil {
		t.Fatalf("flip a bit of %s at %d: %v", path, offset, err)
	}
	b[0] ^= 1 << (offset % 8)
	if _, err := f.WriteAt(b[:], offset); err != nil {
		t.Fatalf("flip a bit of %s at %d: %v", path, offset, err)
	}
}

// CopyDir copies a directory as it is now into a new temporary one and returns
// it: what a process killed at this moment would leave. Holes stay holes, which
// memory-mapped logs mostly are.
func CopyDir(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	if out, err := exec.Command("cp", "-a", "--sparse=always", dir+"/.", to).CombinedOutput(); err != nil {
		t.Fatalf("copy %s: %v: %s", dir, err, out)
	}
	return to
}
