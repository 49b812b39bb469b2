package check

import "testing"

func TestWhatANodeUsesIsHeldAgainstItselfRestarted(t *testing.T) {
	fresh := Vitals{Goroutines: 60, Descriptors: 150, Heap: 300 << 20}
	for _, tt := range []struct {
		worn Vitals
		want bool
	}{
		{fresh, false},
		{Vitals{Goroutines: 60 + moreGoroutines, Descriptors: 150 + moreDescriptors, Heap: 300<<20 + moreHeap}, false},
		{Vitals{Goroutines: 60 + moreGoroutines + 1, Descriptors: 150, Heap: 300 << 20}, true},
		{Vitals{Goroutines: 60, Descriptors: 150 + moreDescriptors + 1, Heap: 300 << 20}, true},
		{Vitals{Goroutines: 60, Descriptors: 150, Heap: 300<<20 + moreHeap + 1}, true},
		{Vitals{Goroutines: 60, Descriptors: 150, Heap: 300 << 20, Resident: 1 << 40, Own: mostOwn}, false},
		{Vitals{Goroutines: 60, Descriptors: 150, Heap: 300 << 20, Own: mostOwn + 1}, true},
	} {
		if got := (Wear{Worn: tt.worn, Fresh: fresh}).leaks(); got != tt.want {
			t.Errorf("%+v: leaks %v, want %v", tt.worn, got, tt.want)
		}
	}
}
