package admission_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"confman/api/admission"
)

func TestOneFlowHasAtMostHalfOfAQuota(t *testing.T) {
	q := admission.NewQuota(admission.QuotaConfig{Reason: admission.ReasonBytes, Name: "bytes", Flag: "--max-transit-bytes", Most: 100})
	for _, step := range []struct {
		flow string
		n    int64
		want error
	}{
		{"a", 30, nil}, {"a", 20, nil}, {"a", 1, admission.ErrShare}, {"b", 40, nil}, {"c", 11, admission.ErrFull}, {"c", 10, nil}, {"b", 1, admission.ErrFull},
	} {
		err := q.Take(step.flow, step.n)
		if !errors.Is(err, step.want) || (err == nil) != (step.want == nil) {
			t.Fatalf("%+v: %v", step, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "--max-transit-bytes") || !strings.Contains(err.Error(), "100")) {
			t.Errorf("%v names neither limit nor flag", err)
		}
	}
	q.Give("a", 50)
	if err := q.Take("b", 10); err != nil || q.Taken() != 60 {
		t.Errorf("%v, %d taken", err, q.Taken())
	}
}

func TestMemoryRefusesStreamsFirstAndWritesNext(t *testing.T) {
	const limit = 1000
	now, sample := time.Unix(1, 0), admission.Sample{}
	g, err := admission.NewGate(admission.Config{
		Now: func() time.Time { return now }, Sample: func() admission.Sample { return sample },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		sample        admission.Sample
		streams, puts bool
	}{
		{admission.Sample{Live: 799, Limit: limit}, true, true},
		{admission.Sample{Live: 800, Limit: limit}, false, true},
		{admission.Sample{Live: 900, Limit: limit}, false, false},
		{admission.Sample{Live: 1 << 40, Limit: math.MaxInt64}, true, true},
		{admission.Sample{Live: 1 << 40}, true, true},
	} {
		now, sample = now.Add(time.Second), tt.sample
		for range 2 {
			if err := g.Grow("watches"); errors.Is(err, admission.ErrFull) == tt.streams || err != nil && !strings.Contains(err.Error(), "GOMEMLIMIT") {
				t.Errorf("%+v: watches: %v", tt.sample, err)
			}
			for kind, may := range map[admission.Kind]bool{admission.Read: true, admission.Write: tt.puts, admission.Urgent: true} {
				p, err := g.Enter(t.Context(), kind, "somebody", 1)
				if p.Leave(); (err == nil) != may {
					t.Errorf("%+v: %s: %v", tt.sample, kind, err)
				}
			}
			sample.Live = 0 // it is not looked at again so soon
		}
	}
}

func TestTheRuntimeSaysHowMuchMemoryThereIs(t *testing.T) {
	s := admission.ReadSample()
	if s.Limit == 0 || s.Live == 0 || s.Live > s.Limit {
		t.Errorf("%+v", s)
	}
}
