package modes

import (
	"strings"
	"testing"
	"time"

	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
)

func TestAReportTellsAPromiseThatWasMissedFromAViolation(t *testing.T) {
	r := &Report{Mode: "m", Networked: true}
	r.Promise("gap", 2*time.Second, 5*time.Second)
	for _, took := range []time.Duration{1, 2, 5} {
		r.Measure("gap", took*time.Second)
	}
	text := func() string {
		b := &strings.Builder{}
		if err := r.Write(b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if r.Failed() || !strings.Contains(text(), "| kept |") || !strings.Contains(text(), "no violation") {
		t.Errorf("kept: %s", text())
	}
	r.Measure("gap", 6*time.Second)
	if r.Failed() || !strings.Contains(text(), "**missed**") {
		t.Errorf("missed: %s", text())
	}
	r.Judge("C1", "operations", 7, nil)
	r.Judge("C1", "operations", 3, []check.Finding{{Check: "C1", Says: "stale"}})
	now := time.Now()
	r.fault(fault.Entry{Fault: "leader killed", From: now, Healed: now.Add(time.Second), To: now.Add(2 * time.Second)}, 300*time.Millisecond)
	for _, want := range []string{"**1 violations**", "- C1: stale", "| C1 | operations | 10 | 1 |", "| leader killed | 1 | 1000 ms | 300 ms | 300 ms | 1000 ms | 1000 ms |"} {
		if !r.Failed() || !strings.Contains(text(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text())
		}
	}
}

func TestAReportDoesNotGrowWithoutBound(t *testing.T) {
	r := &Report{}
	for range 3 * mostListed {
		r.Violate(check.Finding{Check: "C1", Says: "stale"})
	}
	if len(r.Wrong.Violations) != mostListed || r.Wrong.More != 2*mostListed {
		t.Errorf("%d listed, %d more", len(r.Wrong.Violations), r.Wrong.More)
	}
}
