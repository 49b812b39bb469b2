package disk

import (
	"bytes"
	"errors"
	"testing"
)

// A copy as of an event must not show what an event after it erased: nothing in it
// would say why, and whoever installs it would refuse it.
func TestACopyFailsWhenRowsAreWrittenOverMeanwhile(t *testing.T) {
	s := open(t, t.TempDir())
	write(t, s, put("a", 1, "hunter2"), put("b", 2, "b"))
	erase := func() { write(t, s, put("a", 1, "erased")) }
	var out bytes.Buffer
	if err := s.Copy(&out, position(2)); err != nil {
		t.Fatalf("before: %v", err)
	}
	write(t, s, put("c", 3, "the erasure"))
	began := false
	err := s.Copy(writerFunc(func(b []byte) (int, error) {
		if !began {
			began = true
			erase()
		}
		return len(b), nil
	}), position(2))
	if !errors.Is(err, errOvertaken) {
		t.Errorf("meanwhile: %v", err)
	}
	if err := s.Copy(&out, position(2)); !errors.Is(err, errOvertaken) {
		t.Errorf("as of an event before the erasure: %v", err)
	}
	if err := s.Copy(&out, position(3)); err != nil {
		t.Errorf("as of the erasure: %v", err)
	}
}
