package server

import (
	"runtime/debug"
	"testing"

	"github.com/rs/zerolog"
)

func TestTheHeapGrowsByHalfUnlessTheEnvironmentSaysOtherwise(t *testing.T) {
	const before = 100
	for environment, want := range map[string]int{"": gcPercent, "200": before} {
		t.Setenv("GOGC", environment)
		was, limit := debug.SetGCPercent(before), debug.SetMemoryLimit(-1)
		fitMachine(t.Context(), zerolog.Nop())
		debug.SetMemoryLimit(limit)
		if got := debug.SetGCPercent(was); got != want {
			t.Errorf("with GOGC=%q the percentage is %d, want %d", environment, got, want)
		}
	}
}
