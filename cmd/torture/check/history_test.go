package check

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// story is a history of three writes: k=a, k=b, k deleted.
func story() History {
	key, a, b := "k", "a", "b"
	h := History{
		{Action: "config.created", Namespace: "app", Key: &key, NewValue: &a},
		{Action: "config.updated", Namespace: "app", Key: &key, NewValue: &b},
		{Action: "config.deleted", Namespace: "app", Key: &key},
		{Action: "publish-request.published"},
	}
	for i := range h {
		h[i].Index = uint64(i) + 1
	}
	h[3].Request = "R"
	return h
}

func TestWhatWasAcknowledgedAndIsNotInTheHistoryIsFound(t *testing.T) {
	right := []Acked{{"app", "k", "a", 1}, {"app", "k", "b", 2}, {"app", "k", "", 3}}
	for _, tt := range []struct {
		name  string
		spoil func(h History, acked []Acked) (History, []Acked)
		says  string
	}{
		{"nothing", func(h History, a []Acked) (History, []Acked) { return h, a }, "[]"},
		{"lost at the end", func(h History, a []Acked) (History, []Acked) { return h[:2], a }, "lost"},
		{"another value", func(h History, a []Acked) (History, []Acked) { a[0].Value = "x"; return h, a }, "which is"},
		{"another key", func(h History, a []Acked) (History, []Acked) { a[0].Key = "x"; return h, a }, "which is"},
		{"not deleted", func(h History, a []Acked) (History, []Acked) { a[2].Index = 2; return h, a }, "which is"},
		{"acknowledged twice", func(h History, a []Acked) (History, []Acked) { return h, append(a, a[0]) }, "two writes were acknowledged"},
		{"written twice", func(h History, a []Acked) (History, []Acked) {
			again := h[0]
			again.Index = 5
			return append(h, again), a
		}, "written twice, at 1 and 5"},
	} {
		h, acked := tt.spoil(story(), append([]Acked(nil), right...))
		if got := fmt.Sprint(h.Kept(acked)); !strings.Contains(got, tt.says) {
			t.Errorf("%s: found %s, want %q", tt.name, got, tt.says)
		}
	}
}

func TestAHoleAndAPublicationThatIsNoneAreFound(t *testing.T) {
	h := story()
	if found := append(h.Dense(), h.Live([]Published{{"R", 4}})...); len(found) > 0 {
		t.Errorf("found %v where nothing is", found)
	}
	for _, p := range []Published{{"R", 3}, {"S", 4}, {"R", 5}, {"R", 0}} {
		if len(h.Live([]Published{p})) != 1 {
			t.Errorf("%+v is not found", p)
		}
	}
	h[1].Index = 7
	if len(h.Dense()) != 1 {
		t.Error("a hole is not found")
	}
}

func TestAnErrorInTheLogIsFoundUnlessSomethingWasWrong(t *testing.T) {
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	faults := []Window{{at.Add(500 * time.Millisecond), at.Add(2 * time.Second)}}
	line := func(level string, seconds int) string {
		return fmt.Sprintf(`{"level":%q,"time":"101.2ms","time":%q,"message":"m"}`, level, at.Add(time.Duration(seconds)*time.Second).Format(time.RFC3339))
	}
	for text, wrong := range map[string]bool{
		line("error", -1): true, line("error", 0): false, line("error", 2): false, line("error", 3): true,
		line("warn", 3): false, line("fatal", 3): true, "panic: oh": true, "  ": false, `{"level":"error"}`: true,
	} {
		if judge(text, faults) != wrong {
			t.Errorf("%s is wrong: %v, want %v", text, !wrong, wrong)
		}
	}
}

func TestTheModelOfARegisterTakesWhatMayBeOnly(t *testing.T) {
	live, gone := register{live: true, version: 3, value: "v"}, register{version: 4}
	for _, tt := range []struct {
		from register
		in   Asked
		out  Got
		next int // how many states may follow
	}{
		{live, Asked{Kind: Read}, Got{Done: true, Version: 3, Value: "v"}, 1},
		{live, Asked{Kind: Read}, Got{Done: true, Version: 2, Value: "u"}, 0},
		{live, Asked{Kind: Read}, Got{}, 0},
		{gone, Asked{Kind: Read}, Got{}, 1},
		{live, Asked{Kind: Put, Value: "w"}, Got{Done: true, Version: 4}, 1},
		{live, Asked{Kind: Put, Value: "w"}, Got{Done: true, Version: 5}, 0},
		{live, Asked{Kind: Put, Value: "w"}, Got{Unknown: true}, 2},
		{live, Asked{Kind: Swap, Match: 3, Value: "w"}, Got{Done: true, Version: 4}, 1},
		{live, Asked{Kind: Swap, Match: 2, Value: "w"}, Got{Done: true, Version: 4}, 0},
		{live, Asked{Kind: Swap, Match: 2, Value: "w"}, Got{}, 1},
		{live, Asked{Kind: Swap, Match: 2, Value: "w"}, Got{Unknown: true}, 1},
		{gone, Asked{Kind: Swap, Value: "w"}, Got{Done: true, Version: 5}, 1},
		{gone, Asked{Kind: Remove}, Got{}, 1},
		{gone, Asked{Kind: Remove}, Got{Done: true}, 0},
		{live, Asked{Kind: Remove}, Got{Doubt: true}, 2},
	} {
		if got := len(tt.from.step(tt.in, tt.out)); got != tt.next {
			t.Errorf("%+v, %+v: %+v: %d states may follow, want %d", tt.from, tt.in, tt.out, got, tt.next)
		}
	}
}
