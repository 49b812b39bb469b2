package peer

import (
	"fmt"
	"testing"
)

func TestEachStrangerIsLoggedOnce(t *testing.T) {
	var s strangers
	logged := 0
	for range 3 {
		for i := range 2 * maxStrangers {
			if s.first(fmt.Sprint("caller ", i)) {
				logged++
			}
		}
	}
	if logged != maxStrangers {
		t.Errorf("%d lines, want %d", logged, maxStrangers)
	}
}
