package events_test

import (
	"errors"
	"strings"
	"testing"

	"confman/events"
)

func TestNamespacePaths(t *testing.T) {
	many := func(n int) string { return strings.TrimSuffix(strings.Repeat("a/", n), "/") }
	tests := []struct{ path, refused string }{
		{"a", ""},
		{"teams/payments", ""},
		{"A-Z.a_z/0-9", ""},
		{"...", ""},
		{"Config", ""}, // only the lower-case word is reserved
		{"configs/my-config", ""},
		{many(16), ""},
		{strings.Repeat("x", 64), ""},
		{strings.TrimSuffix(strings.Repeat(strings.Repeat("x", 63)+"/", 8), "/"), ""}, // 511 bytes
		{"", "is empty"},
		{"/", "empty segment"},
		{"/a", "empty segment"},
		{"a/", "empty segment"},
		{"a//b", "empty segment"},
		{"a/./b", `segment "."`},
		{"..", `segment ".."`},
		{many(17), "17 segments"},
		{strings.Repeat("x", 65), "65 bytes"},
		{strings.Repeat(strings.Repeat("x", 63)+"/", 8) + "x", "513 bytes"},
		{"a b", "character"},
		{"a\x00", "character"},
		{"é", "character"},
		{"a%2Fb", "character"},
		{"a\xff", "character"},
	}
	for _, word := range strings.Fields("config drafts history rollback explain audit roles schema settings publish-requests watch") {
		tests = append(tests, struct{ path, refused string }{"a/" + word, "reserved"})
		if !events.Reserved(word) {
			t.Errorf("%q is not reserved", word)
		}
	}
	for _, tt := range tests {
		checkRefusal(t, tt.path, events.CheckNamespace(tt.path), tt.refused)
	}
}

func TestKeys(t *testing.T) {
	for _, tt := range []struct{ key, refused string }{
		{"a", ""},
		{"stripe/api-version", ""},
		{"config/watch", ""}, // nothing is reserved in a key
		{".env", ""},
		{"a..b", ""},
		{strings.Repeat("k", 512), ""},
		{"", "is empty"},
		{strings.Repeat("k", 513), "513 bytes"},
		{"/a", "empty segment"},
		{"a/", "empty segment"},
		{"a//b", "empty segment"},
		{"a/../b", `segment ".."`},
		{".", `segment "."`},
		{"a b", "character"},
		{"a\n", "character"},
		{"ключ", "character"},
		{"a*", "character"},
	} {
		checkRefusal(t, tt.key, events.CheckKey(tt.key), tt.refused)
	}
}

func TestTexts(t *testing.T) {
	for _, tt := range []struct{ text, refused string }{
		{"", ""},
		{"two\nlines\ttab é 日", ""},
		{strings.Repeat("x", 20), ""},
		{strings.Repeat("x", 21), "21 bytes"},
		{"\xff", "UTF-8"},
		{"a\x00b", "U+0000"},
		{"a\rb", "U+000D"},
		{"\x1b[31m", "U+001B"},
		{"\x7f", "U+007F"},
		{"\u0085", "U+0085"},
	} {
		checkRefusal(t, tt.text, events.CheckText("/comment", tt.text, 20), tt.refused)
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ name, refused string }{
		{"ann", ""},
		{"Ann Ünal <ann@example.org>", ""},
		{strings.Repeat("n", 128), ""},
		{"", "is empty"},
		{"two\nlines", "one line"},
		{"a\ttab", "one line"},
		{"a\x00", "U+0000"},
		{strings.Repeat("n", 129), "129 bytes"},
	} {
		checkRefusal(t, tt.name, events.CheckName("/owner", tt.name), tt.refused)
	}
}

func TestSubtrees(t *testing.T) {
	for _, tt := range []struct {
		path, root string
		want       bool
	}{
		{"a", "a", true},
		{"a/b/c", "a", true},
		{"a/b", "a/b", true},
		{"a", "/", true},
		{"", "/", true}, // a fact about no namespace is below the root only
		{"", "a", false},
		{"ab", "a", false},
		{"a", "a/b", false},
		{"b/a", "a", false},
		{"A/b", "a", false},
	} {
		if got := events.Within(tt.path, tt.root); got != tt.want {
			t.Errorf("%q within %q: %v", tt.path, tt.root, got)
		}
	}
}

// checkRefusal checks that err is nil where nothing is to be refused, and else
// is an ErrInvalid that says so.
func checkRefusal(t *testing.T, what string, err error, refused string) {
	t.Helper()
	switch {
	case refused == "" && err != nil:
		t.Errorf("%.60q: refused: %v", what, err)
	case refused != "" && err == nil:
		t.Errorf("%.60q: accepted, want it refused: %s", what, refused)
	case refused != "" && (!errors.Is(err, events.ErrInvalid) || !strings.Contains(err.Error(), refused)):
		t.Errorf("%.60q: %v, want ErrInvalid that says %q", what, err, refused)
	}
}
