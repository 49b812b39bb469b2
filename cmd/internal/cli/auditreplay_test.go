package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"confman/api/wire"
)

func TestReplaySaysOfEveryLineThatItIsOne(t *testing.T) {
	admin, _ := trail(t)
	out, stderr := admin.does(0, "audit", "replay")
	lines := strings.Split(out, "\n")
	if len(lines) != 6 || !strings.Contains(stderr, "this is a replay: what happened after 0-") || !strings.Contains(stderr, "the replay is over: 5 events") {
		t.Fatalf("%s\n%s", out, stderr)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "replay  ") {
			t.Errorf("a line that could be of the present: %s", line)
		}
	}
	if out, _ := admin.does(0, "audit", "replay", "shop", "--prefix", "u", "--no-values"); strings.Contains(out, "http://") || strings.Count(out, "\n") != 3 {
		t.Errorf("without values:\n%s", out)
	}
	out, _ = admin.does(0, "audit", "replay", "-o", "json", "shop")
	prev, n := uint64(0), 0
	for line := range strings.Lines(out) {
		var f wire.Frame
		if err := json.Unmarshal([]byte(line), &f); err != nil || f.Frame != wire.FrameReplay || n > 0 && f.Prev != prev {
			t.Errorf("after event %d: %s", prev, line)
		}
		prev, n = f.Event.Index, n+1
	}
	if n != 4 {
		t.Errorf("%d events of shop, want 4", n)
	}
}

func TestReplayCoversTheWindow(t *testing.T) {
	admin, _ := trail(t)
	all, _ := admin.asked("--action", "config.*", "--reverse")
	for _, test := range []struct {
		from, to string
		events   int
	}{
		{position(all[1].Index), all[3].Position, 3},
		{"yesterday", "now", 5},
		{"1h", position(all[0].Index), 1},
	} {
		out, _ := admin.does(0, "audit", "replay", "--from", test.from, "--to", test.to, "--speed", "1000000", "--max-pause", "10ms", "-o", "json")
		if n := strings.Count(out, "\n") + 1; n != test.events {
			t.Errorf("from %s to %s: %d events, want %d", test.from, test.to, n, test.events)
		}
	}
	for _, args := range [][]string{{"--speed", "0"}, {"--speed", "fast"}, {"--speed", "NaN"}, {"--key", "a", "--prefix", "b"}, {"--keep-going"}, {"--from", "once"}, {"--max-pause", "-1s"}, {"-n", "a", "b"}} {
		admin.does(2, append([]string{"audit", "replay"}, args...)...)
	}
}

func TestReplayRunsACommandForEachEvent(t *testing.T) {
	admin, _ := trail(t)
	log := filepath.Join(t.TempDir(), "log")
	out, _ := admin.does(0, "audit", "replay", "shop", "--exec", `echo "$CONFMAN_REPLAY $CONFMAN_EVENT $CONFMAN_NAMESPACE/$CONFMAN_KEY" >> `+log+`; grep -q '"index":'"$CONFMAN_INDEX,"`)
	got, err := os.ReadFile(log)
	const want = "1 config.created shop/url\n1 config.updated shop/url\n1 config.created shop/eu/n\n1 config.deleted shop/url\n"
	if err != nil || out != "" || string(got) != want {
		t.Errorf("printed %q, the command got\n%s%v", out, got, err)
	}
	if _, stderr := admin.does(3, "audit", "replay", "shop", "--exec", "exit 3"); !strings.Contains(stderr, "replay of event ") {
		t.Error(stderr)
	}
	if _, stderr := admin.does(0, "audit", "replay", "shop", "--exec", "exit 3", "--keep-going"); strings.Count(stderr, "exit code 3; going on") != 4 {
		t.Error(stderr)
	}
}

func TestReplayOfWhatIsNoLongerKeptSaysSo(t *testing.T) {
	admin, s := solo(t)
	for i := range 9 {
		s.Set("shop", "n", i)
	}
	s.Trim(5)
	if _, stderr := admin.does(1, "audit", "replay", "--from", "2"); !strings.Contains(stderr, "no longer kept") {
		t.Error(stderr)
	}
	admin.does(0, "audit", "replay", "--from", "5")
}
