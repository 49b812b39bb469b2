package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
)

// A member may have answered for one page of the list and not for another.
func TestAMemberThatWasSilentOnAnyPageIsNamed(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", wire.MediaJSON)
		id := "last"
		if !r.URL.Query().Has("cursor") {
			id = "first"
			w.Header().Set(wire.HeaderSilent, "n3")
			w.Header().Set("Link", `</api/v1/keys?cursor=x>; rel="next"`)
		}
		fmt.Fprintf(w, `[{"id":%q,"name":"k","createdAt":"2020-01-01T00:00:00Z"}]`, id)
	}))
	defer node.Close()
	var stdout, stderr bytes.Buffer
	code := Run(t.Context(), []string{"key", "list", "--unused", "90d"}, Env{
		Environ: []string{"CONFMAN_ADDR=" + node.URL, "CONFMAN_API_KEY=k", "HOME=" + t.TempDir()}, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
	})
	if code != 0 || !strings.Contains(stdout.String(), "first") || !strings.Contains(stdout.String(), "last") || !strings.Contains(stderr.String(), "n3 did not answer") {
		t.Errorf("%d\n%s\n%s", code, &stdout, &stderr)
	}
}

func TestIdleKeysAreUsableOnesThatNobodyUsed(t *testing.T) {
	now := time.Now()
	day := func(n int) *time.Time { at := now.AddDate(0, 0, n); return &at }
	since := *day(-90)
	for _, test := range []struct {
		why  string
		key  wire.APIKey
		want bool
	}{
		{"never used", wire.APIKey{CreatedAt: *day(-100)}, true},
		{"used long ago", wire.APIKey{CreatedAt: *day(-200), LastUsedAt: day(-91)}, true},
		{"used lately", wire.APIKey{CreatedAt: *day(-200), LastUsedAt: day(-89)}, false},
		{"made lately", wire.APIKey{CreatedAt: *day(-1)}, false},
		{"revoked", wire.APIKey{CreatedAt: *day(-100), RevokedAt: day(-50)}, false},
		{"expired", wire.APIKey{CreatedAt: *day(-100), ExpiresAt: day(-1)}, false},
		{"expires later", wire.APIKey{CreatedAt: *day(-100), ExpiresAt: day(1)}, true},
	} {
		if got := idle(test.key, since); got != test.want {
			t.Errorf("%s: %v", test.why, got)
		}
	}
}
