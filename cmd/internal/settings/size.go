package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// sizeType is the name of [Size] in help texts.
const sizeType = "size"

// Size is a number of bytes, 0 or more, as a flag: use it with [pflag.FlagSet.Var]. It is written as a whole number with
// or without a unit: B, kB, MB, GB, TB are powers of 1000, KiB, MiB, GiB, TiB powers of 1024. Case and one space before
// the unit do not matter.
type Size int64

// unit is one suffix of a [Size].
type unit struct {
	name  string
	bytes int64
}

// units returns the units of a [Size], the largest of each kind first, the binary ones before the decimal ones.
func units() []unit {
	return []unit{
		{"TiB", 1 << 40},
		{"GiB", 1 << 30},
		{"MiB", 1 << 20},
		{"KiB", 1 << 10},
		{"TB", 1e12},
		{"GB", 1e9},
		{"MB", 1e6},
		{"kB", 1e3},
		{"B", 1},
	}
}

// Set reads a size. The error says what is wrong with the text.
func (s *Size) Set(text string) error {
	end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(text)
	}
	number, err := strconv.ParseInt(text[:end], 10, 64)
	if err != nil {
		return fmt.Errorf("size %q does not begin with a whole number of at most %d", text, int64(math.MaxInt64))
	}
	name := strings.TrimPrefix(text[end:], " ")
	if name == "" && end == len(text) {
		name = "B"
	}
	for _, u := range units() {
		if !strings.EqualFold(u.name, name) {
			continue
		}
		if number > math.MaxInt64/u.bytes {
			return fmt.Errorf("size %q is more than %d bytes", text, int64(math.MaxInt64))
		}
		*s = Size(number * u.bytes)
		return nil
	}
	return fmt.Errorf("size %q has the unit %q, want B, kB, MB, GB, TB, KiB, MiB, GiB or TiB", text, name)
}

// String returns the size in the largest binary unit that divides it, else the largest decimal one, else as a bare
// number. [Size.Set] reads it back.
func (s *Size) String() string {
	for _, u := range units() {
		if *s != 0 && int64(*s)%u.bytes == 0 && u.bytes > 1 {
			return fmt.Sprintf("%d%s", int64(*s)/u.bytes, u.name)
		}
	}
	return strconv.FormatInt(int64(*s), 10)
}

// Type returns "size".
func (s *Size) Type() string { return sizeType }
