package load

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAGapIsTheLongestTimeWithoutAnAcknowledgementThatTouchesTheFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecord()
		began := time.Now()
		at := func(milliseconds int) time.Time { return began.Add(time.Duration(milliseconds) * time.Millisecond) }
		for _, ack := range []int{10, 500, 510, 520, 900, 910} {
			time.Sleep(time.Until(at(ack)))
			r.ack("put")
		}
		time.Sleep(time.Until(at(1000)))
		for _, tt := range []struct{ from, to, want int }{
			{505, 508, 10},  // between two
			{515, 600, 380}, // begun before, ended after
			{0, 5, 10},      // before the first
			{0, 915, 490},   // all
			{905, 1000, 90}, // up to now
			{950, 1000, 90}, // after the last
			{511, 519, 10},  // the next gap does not touch it
			{520, 521, 380}, // an acknowledgement at its very beginning
		} {
			if got := r.Gap(at(tt.from), at(tt.to)); got != time.Duration(tt.want)*time.Millisecond {
				t.Errorf("gap from %d to %d: %v, want %d ms", tt.from, tt.to, got, tt.want)
			}
		}
		if got := r.Acks(at(500), at(900)); got != 3 {
			t.Errorf("%d acknowledgements, want 3", got)
		}
	})
}

func TestAQuantileCountsWhatWasAcknowledged(t *testing.T) {
	var pulses []Pulse
	for i := range 100 {
		pulses = append(pulses, Pulse{Took: time.Duration(100-i) * time.Millisecond})
	}
	pulses = append(pulses, Pulse{Took: time.Hour, Error: "refused"})
	if got := Quantile(pulses, 0.99); got != 100*time.Millisecond {
		t.Errorf("p99 is %v", got)
	}
	if got := Quantile(pulses, 0.5); got != 51*time.Millisecond {
		t.Errorf("the median is %v", got)
	}
	if got := Quantile(pulses[100:], 0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
