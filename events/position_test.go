package events_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"confman/events"
)

func TestPositions(t *testing.T) {
	for _, tt := range []struct {
		text string
		want events.Position
		ok   bool
	}{
		{"0", events.Position{}, true},
		{"1042", events.Position{Index: 1042}, true},
		{"18446744073709551615", events.Position{Index: 1<<64 - 1}, true},
		{"1042-9f3c2a1b", events.Position{Index: 1042, Proof: "9f3c2a1b"}, true},
		{"0-00000000", events.Position{Proof: "00000000"}, true},
		{text: ""},
		{text: "-"},
		{text: "-9f3c2a1b"},
		{text: "1042-"},
		{text: "1042-9f3c2a1"},
		{text: "1042-9f3c2a1b0"},
		{text: "1042-9F3C2A1B"},
		{text: "1042-9f3c2a1x"},
		{text: "1042-9f3c2a1b-"},
		{text: "01042"},
		{text: "00"},
		{text: "+1"},
		{text: "1_0"},
		{text: "0x10"},
		{text: " 1"},
		{text: "1e3"},
		{text: "18446744073709551616"},
		{text: "٣"},
		{text: strings.Repeat("9", 5000)},
	} {
		got, err := events.ParsePosition(tt.text)
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("%.40q: %+v, %v; want %+v, ok %v", tt.text, got, err, tt.want, tt.ok)
		}
		if err == nil && got.String() != tt.text {
			t.Errorf("%q is written %q", tt.text, got)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("%.40q: the error has %d bytes", tt.text, len(err.Error()))
		}
	}
}

func TestTheChainIsTheHashOfTheChainBeforeAndTheBytes(t *testing.T) {
	one := events.Chain(sha256.Sum256(append(make([]byte, 32), "first"...)))
	two := events.Chain(sha256.Sum256(append(one[:], "second"...)))
	if got := (events.Chain{}).Next([]byte("first")); got != one {
		t.Errorf("after the first: %s, want %s", got, one)
	}
	if got := one.Next([]byte("second")); got != two {
		t.Errorf("after the second: %s, want %s", got, two)
	}
	if p := two.At(2); p.String() != "2-"+two.String()[:8] {
		t.Errorf("position %s of chain %s", p, two)
	}
	if got, err := events.ParseChain(two.String()); err != nil || got != two {
		t.Errorf("parsed %s, %v", got, err)
	}
	for _, s := range []string{"", "00", two.String() + "00", strings.Repeat("x", 64)} {
		if c, err := events.ParseChain(s); err == nil {
			t.Errorf("%q parsed as %s", s, c)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	for _, s := range []string{"0", "1042-9f3c2a1b", "01", "1-", "-1", "18446744073709551616"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := events.ParsePosition(s); err == nil && p.String() != s {
			t.Errorf("%q is a position, yet written %q", s, p)
		}
	})
}
