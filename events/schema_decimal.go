package events

import (
	"cmp"
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// decimal is an exact number, digits × 10^exp. Nothing is ever written out, so
// 1e1000000000 costs as little as 1. An exponent beyond ±10^18 counts as that.
type decimal struct {
	negative bool
	digits   string // without leading and trailing zeros; empty for zero
	exp      int64
}

const maxExponent = 1_000_000_000_000_000_000

// parseDecimal reads a JSON number.
func parseDecimal(n json.Number) decimal {
	text, negative := strings.CutPrefix(string(n), "-")
	var exp int64
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		var err error
		if exp, err = strconv.ParseInt(text[i+1:], 10, 64); err != nil || exp > maxExponent || exp < -maxExponent {
			exp = maxExponent
			if text[i+1] == '-' {
				exp = -maxExponent
			}
		}
		text = text[:i]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	exp -= int64(len(fraction))
	digits := strings.TrimLeft(whole+fraction, "0")
	trimmed := strings.TrimRight(digits, "0")
	if trimmed == "" {
		return decimal{}
	}
	return decimal{negative, trimmed, exp + int64(len(digits)-len(trimmed))}
}

// decimalOf is a number that the compiler read from a schema. Its denominator
// has no factors but 2 and 5.
func decimalOf(r *big.Rat) *decimal {
	if r == nil {
		return nil
	}
	places, _ := r.FloatPrec()
	d := parseDecimal(json.Number(r.FloatString(places)))
	return &d
}

func (d decimal) zero() bool    { return d.digits == "" }
func (d decimal) integer() bool { return d.exp >= 0 }

// written is how many digits the number has when written out.
func (d decimal) written() int64 {
	n := int64(len(d.digits))
	return max(n, n+d.exp, -d.exp)
}

func (d decimal) compare(e decimal) int {
	sign := func(d decimal) int {
		switch {
		case d.zero():
			return 0
		case d.negative:
			return -1
		}
		return 1
	}
	if c := cmp.Compare(sign(d), sign(e)); c != 0 || d.zero() {
		return c
	}
	c := cmp.Compare(int64(len(d.digits))+d.exp, int64(len(e.digits))+e.exp)
	if c == 0 {
		c = strings.Compare(d.digits, e.digits)
	}
	return c * sign(d)
}

// multipleOf reports whether d is an integral multiple of m, which is positive.
// As d's digits do not end in a zero, no power of ten above them divides it.
func (d decimal) multipleOf(m decimal) bool {
	if d.zero() {
		return true
	}
	if d.exp < m.exp {
		return false
	}
	divisor, _ := new(big.Int).SetString(m.digits, 10)
	rest, ten := new(big.Int), big.NewInt(10)
	for part := range slices.Chunk([]byte(d.digits), MaxSchemaDigits) { // parsing all at once takes quadratic time
		piece, _ := new(big.Int).SetString(string(part), 10)
		rest.Mul(rest, new(big.Int).Exp(ten, big.NewInt(int64(len(part))), nil))
		rest.Mod(rest.Add(rest, piece), divisor)
	}
	power := new(big.Int).Exp(ten, big.NewInt(d.exp-m.exp), divisor)
	return rest.Mod(rest.Mul(rest, power), divisor).Sign() == 0
}

// appendIdentity appends bytes that two JSON values have in common exactly when
// JSON Schema calls them equal: 1 is 1.0, and the order of members is nothing.
// The bytes that had to be read are added to work.
func appendIdentity(dst []byte, v any, work *int) []byte {
	*work++
	switch v := v.(type) {
	case nil:
		return append(dst, 'n')
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		*work += len(v)
		dst = strconv.AppendInt(dst, int64(len(v)), 10)
		return append(append(dst, ':'), v...)
	case json.Number:
		*work += len(v)
		d := parseDecimal(v)
		if d.negative {
			dst = append(dst, '-')
		}
		dst = append(append(append(dst, '#'), d.digits...), 'e')
		return append(strconv.AppendInt(dst, d.exp, 10), ';')
	case []any:
		dst = append(dst, '[')
		for _, item := range v {
			dst = appendIdentity(dst, item, work)
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			dst = appendIdentity(appendIdentity(dst, name, work), v[name], work)
		}
		return append(dst, '}')
	}
	return dst
}
