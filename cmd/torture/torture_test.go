package torture

import (
	"os"
	"strings"
	"testing"
	"time"

	"confman/cmd/torture/modes"
)

func TestTortureByAMixOfFaultsFindsNoViolation(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	seed := random(t).Uint64()
	duration := 40 * time.Second
	if long() {
		duration = 10 * time.Minute
	}
	r := &modes.Report{Mode: "mix", Seed: seed, Nodes: 3, Binary: modes.Binary{Version: "of this test"}, Machine: modes.Machine(), Began: time.Now()}
	b := modes.NewBench(modes.Config{
		Dir: t.ArtifactDir(), Binary: self, Env: []string{asNode + "=1"}, Seed: seed, Time: duration, Namespaces: true, Log: t.Output(), Report: r,
	})
	for _, m := range modes.All() {
		if m.Name == "mix" {
			err = m.Run(t.Context(), b)
		}
	}
	r.Took = time.Since(r.Began)
	var text strings.Builder
	if failed := r.Write(&text); failed != nil {
		t.Error(failed)
	}
	t.Logf("\n%s", text.String())
	if err != nil || r.Failed() {
		t.Errorf("%d violations, %v; `./task torture -- --mode mix --seed %d` makes the same faults; logs and data are kept with -artifacts", len(r.Wrong.Violations), err, seed)
	}
}
