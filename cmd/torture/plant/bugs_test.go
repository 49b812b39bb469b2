package plant_test

import (
	"path/filepath"
	"testing"

	"confman/cmd/torture/modes"
	"confman/cmd/torture/plant"
)

func TestEveryBugStillFitsAndBuilds(t *testing.T) {
	names := map[string]bool{}
	for _, m := range modes.All() {
		names[m.Name] = true
	}
	for _, b := range plant.Bugs() {
		t.Run(b.Name, func(t *testing.T) {
			if err := plant.Build(t.Context(), b, b.Package(), filepath.Join(t.TempDir(), "package")); err != nil {
				t.Error(err)
			}
			if !names[b.Mode] {
				t.Errorf("there is no mode %q to find it", b.Mode)
			}
		})
	}
}
