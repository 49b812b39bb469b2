package denials

import "testing"

// FuzzParseMark reads what comes back in a cursor.
func FuzzParseMark(f *testing.F) {
	for _, seed := range []string{"1.0", "18446744073709551615.9223372036854775807", "1.-1", "01.0", "1.0 ", "", "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := ParseMark(text); err == nil && (m.String() != text || m.Offset < 0) {
			t.Errorf("%q is read as %+v", text, m)
		}
	})
}
