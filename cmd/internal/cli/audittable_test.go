package cli

import (
	"strings"
	"testing"
	"unicode/utf8"

	"confman/api/wire"
)

func TestChangesAreCutToTheRoomThereIs(t *testing.T) {
	long := strings.Repeat("0123456789", 20)
	tests := []struct {
		name     string
		old, now *string
		comment  string
		room     int
		want     string
	}{
		{"new", nil, new("b"), "", 20, "b"},
		{"changed", new("a"), new("b"), "", 20, "a → b"},
		{"deleted", new("a"), nil, "", 20, "a → deleted"},
		{"no value", nil, nil, "why", 20, "why"},
		{"nothing to say", nil, nil, "", 20, "-"},
		{"long", new(long), new(long), "", 23, "012345678… → 0123456789…"},
		{"the short one leaves room", new(long), new("b"), "", 23, "012345678901234567… → b"},
		{"controls", new("\x1b[31m"), new("a\nb"), "", 40, `\u001b[31m → a\nb`},
	}
	for _, test := range tests {
		got := auditedChange(wire.AuditEvent{OldValue: test.old, NewValue: test.now, Provenance: wire.Provenance{Comment: test.comment}}, test.room)
		if got != test.want || utf8.RuneCountInString(got) > test.room+1 {
			t.Errorf("%s: %q has %d characters, want %q", test.name, got, utf8.RuneCountInString(got), test.want)
		}
	}
}
