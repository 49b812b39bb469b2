package cli

import (
	"strings"
	"testing"
	"time"
)

func TestProgressSpeaksNowAndThen(t *testing.T) {
	tests := []struct {
		name    string
		bar     bool
		total   int
		seconds int
		want    string
	}{
		{"log", false, 200, 12, "50 of 200 written, 10/s\n100 of 200 written, 10/s\n"},
		{"log without a total", false, 0, 12, "50 written, 10/s\n100 written, 10/s\n"},
		{"bar", true, 20, 2, "\r\x1b[K[===============               ] 10 of 20 written, 10/s\r\x1b[K[==============================] 20 of 20 written, 10/s\r\x1b[K"},
	}
	for _, test := range tests {
		var out strings.Builder
		now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
		p := newProgress(&out, false, "written", test.total)
		p.bar, p.began, p.said, p.now = test.bar, now, now, func() time.Time { return now }
		for i := 1; i <= test.seconds; i++ {
			now = now.Add(time.Second)
			p.reached(10 * i)
			p.reached(10 * i) // not said again
		}
		p.end()
		if out.String() != test.want {
			t.Errorf("%s: %q, want %q", test.name, out.String(), test.want)
		}
	}
	var out strings.Builder
	quiet := newProgress(&out, true, "written", 1)
	quiet.said = time.Time{}
	quiet.reached(1)
	quiet.end()
	if out.String() != "" {
		t.Errorf("quiet: %q", out.String())
	}
}
