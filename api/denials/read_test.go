package denials

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// Read from behind, a file has the lines that it has from the front.
func TestLinesBackwardAreTheLines(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for range 200 {
		var content []byte
		var begins []int
		for range random.IntN(60) {
			begins = append(begins, len(content))
			length := random.IntN(40)
			switch random.IntN(10) {
			case 0:
				length = random.IntN(maxLine)
			case 1:
				length = random.IntN(3 * block) // longer than any line of ours
			}
			content = append(append(content, bytes.Repeat([]byte{'a' + byte(random.IntN(26))}, length)...), '\n')
		}
		i := len(begins)
		for l, err := range linesBackward(t.Context(), bytes.NewReader(content), int64(len(content))) {
			if err != nil {
				t.Fatal(err)
			}
			i--
			want := content[begins[i] : bytes.IndexByte(content[begins[i]:], '\n')+begins[i]]
			long := len(want) >= maxLine && bytes.HasSuffix(want, l.text)
			if int(l.offset) != begins[i] || !bytes.Equal(l.text, want) && !long {
				t.Fatalf("line %d at %d has %d bytes, want %d at %d", i, l.offset, len(l.text), len(want), begins[i])
			}
		}
		if i != 0 {
			t.Fatalf("%d lines are missing", i)
		}
	}
}

func TestTextsAreShortAndPrintable(t *testing.T) {
	for _, tt := range []struct{ name, given, want string }{
		{"plain", "/api/v1/keys", "/api/v1/keys"},
		{"empty", "", ""},
		{"just fits", strings.Repeat("x", 20), strings.Repeat("x", 20)},
		{"too long", strings.Repeat("x", 21), strings.Repeat("x", 20) + "…"},
		{"cut between letters", strings.Repeat("x", 19) + "ä", strings.Repeat("x", 19) + "…"},
		{"controls", "a\x1b[31m\r\nb\x00", "a�[31m��b�"},
		{"turned around", "a\u202eb", "a�b"},
		{"not UTF-8", "a\xffb", "a�b"},
		{"that grows", strings.Repeat("\x01", 20), "������…"},
	} {
		got := legible(tt.given, 20)
		if got != tt.want || !utf8.ValidString(got) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestMarksAreReadAsWritten(t *testing.T) {
	for _, m := range []Mark{{1, 0}, {12, 345}, {1 << 60, 1 << 60}} {
		if got, err := ParseMark(m.String()); err != nil || got != m {
			t.Errorf("%v: %v, %v", m, got, err)
		}
	}
	for _, text := range []string{"", "1", "1.", "1.-1", "1.2.3", "01.2", "a.b", "1.2 "} {
		if got, err := ParseMark(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
