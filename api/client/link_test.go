package client

import (
	"strings"
	"testing"
)

// Whatever a server sends, reading its links ends, and a next page is one that
// a link with that relation names.
func FuzzNextPage(f *testing.F) {
	for _, seed := range []string{`</x?cursor=a>; rel="next"`, `<a>; rel=prev, <?cursor=b>; rel="first next"; title="x"`, `<`, `<>`, `>;<`, `<a>;rel`, `<%zz?a=b>; rel=next`, ",,,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if _, ok := nextPage([]string{header}); ok && !strings.Contains(strings.ToLower(header), "next") {
			t.Errorf("a next page in %q", header)
		}
	})
}
