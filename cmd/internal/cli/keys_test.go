package cli

import (
	"testing"
	"time"

	"confman/api/wire"
)

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
