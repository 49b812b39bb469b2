package settings_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"confman/cmd/internal/settings"
)

func TestSizesInEveryUnit(t *testing.T) {
	for text, want := range map[string]settings.Size{
		"0": 0, "1048576": 1 << 20, "512B": 512, "1kB": 1000, "1KB": 1000, "1KiB": 1024, "256MiB": 256 << 20, "256mib": 256 << 20,
		"1MB": 1e6, "1GB": 1e9, "2 GiB": 2 << 30, "3TB": 3e12, "1TiB": 1 << 40, "9223372036854775807": math.MaxInt64,
	} {
		var got settings.Size
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%q is %d (%v), want %d", text, got, err, want)
		}
	}
}

func TestSizesThatAreNone(t *testing.T) {
	for _, text := range []string{
		"", "MiB", "-1", "+1", "1.5GiB", "1 ", "1  MiB", "1M", "1K", "1MiBB", "0x10", "1_000", "9223372036854775808", "8388608TiB", "1e3", "١",
	} {
		got := settings.Size(7)
		if err := got.Set(text); err == nil || got != 7 {
			t.Errorf("%q is taken for %d (%v)", text, got, err)
		}
	}
}

func TestSizeReadsBackWhatItPrints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := settings.Size(rapid.Int64Min(0).Draw(t, "bytes"))
		if rapid.Bool().Draw(t, "round") {
			want = want >> 20 << 20
		}
		var got settings.Size
		if err := got.Set(want.String()); err != nil || got != want {
			t.Fatalf("%d prints as %s, which reads as %d (%v)", want, want.String(), got, err)
		}
	})
	for size, want := range map[settings.Size]string{0: "0", 1: "1", 1 << 20: "1MiB", 1e9: "1GB", 1536: "1536"} {
		if got := size.String(); got != want {
			t.Errorf("%d prints as %s, want %s", size, got, want)
		}
	}
}
