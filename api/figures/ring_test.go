package figures

import (
	"slices"
	"testing"
	"time"
	"unsafe"

	"confman/api/wire"
)

var began = time.Date(2026, 1, 23, 10, 0, 0, 0, time.UTC)

func at(i int) time.Time { return began.Add(time.Duration(i) * Interval) }

func indexes(samples []wire.Sample) (indexes []uint64) {
	for _, s := range samples {
		indexes = append(indexes, s.EventIndex)
	}
	return indexes
}

func TestARingRemembersAnHour(t *testing.T) {
	var r Ring
	if s := r.Samples(time.Time{}); s == nil || len(s) > 0 {
		t.Errorf("in the beginning: %v", s)
	}
	for i := range 1000 {
		r.Add(wire.Sample{Time: at(i), EventIndex: uint64(i)})
		var want []uint64
		for j := max(0, i-359); j <= i; j++ {
			want = append(want, uint64(j))
		}
		if got := indexes(r.Samples(time.Time{})); !slices.Equal(got, want) {
			t.Fatalf("after %d: %v", i, got)
		}
	}
}

func TestOlderSamplesAreLeftOut(t *testing.T) {
	var r Ring
	for i := range 400 {
		r.Add(wire.Sample{Time: at(i), EventIndex: uint64(i)})
	}
	for after, want := range map[time.Time][]uint64{
		at(397):                  {398, 399},
		at(397).Add(-1):          {397, 398, 399},
		at(399):                  nil,
		at(399).Add(time.Second): nil,
	} {
		if got := indexes(r.Samples(after)); !slices.Equal(got, want) {
			t.Errorf("after %v: %v", after, got)
		}
	}
	if n := len(r.Samples(at(-1))); n != 360 {
		t.Errorf("%d samples in all", n)
	}
}

func TestARingTakesAsMuchMemoryAsItSays(t *testing.T) {
	if n := unsafe.Sizeof(Ring{}); n > 46<<10 {
		t.Errorf("%d bytes", n)
	}
}
