package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"confman/api/wire"
)

// busy is a feed with a history of every kind of line.
func busy(t *testing.T) *feed {
	f := newFeed(t)
	f.set("pay", "db.url", "string", `"postgres://a"`)
	f.set("pay", "db.url", "string", `"postgres://b\n<c>"`)
	f.transact(change{"pay/eu", "pool", "number", "5"}, change{"web", "title", "string", `"x"`}, change{"pay", "cert", "binary", `"AAH/"`})
	f.set("pay", "db.url", "", "")
	f.mu.Lock()
	f.append(wire.Event{Type: "namespace.updated", Namespace: "pay"}, map[string]string{"owner": "bo"})
	f.mu.Unlock()
	return f
}

func TestWatchPrintsOneLineForEachEvent(t *testing.T) {
	const header = "TIME                     EVENT  WHAT                NAMESPACE                 KEY                       BY            VALUE\n"
	line := func(rest string) string { return "2026-01-31T12:00:00Z  " + rest + "\n" }
	created := line(`       1  config.created      pay                       db.url                    ana           postgres://a`)
	updated := line(`       2  config.updated      pay                       db.url                    ana           postgres://a → postgres://b\n<c>`)
	pool := line(`       3  config.created      pay/eu                    pool                      ana           5`)
	title := line(`       4  config.created      web                       title                     ana           x`)
	cert := line(`       5  config.created      pay                       cert                      ana           AAH/`)
	deleted := line(`       6  config.deleted      pay                       db.url                    ana           postgres://b\n<c> → deleted`)
	owner := line(`       7  namespace.updated   pay                       -                         ana           {"owner":"bo"}`)
	f := busy(t)
	for args, want := range map[string]string{
		"watch --after start --events all --count 7":      header + created + updated + pool + title + cert + deleted + owner,
		"watch / --after start --events all --count 7":    header + created + updated + pool + title + cert + deleted + owner,
		"watch pay --after 2 --count 3":                   header + pool + cert + deleted,
		"watch pay web --after 2 --count 2":               header + pool + title,
		"watch -n pay --after start --prefix p --count 1": header + pool,
		"watch --key db.url --after start --count 3":      header + created + updated + deleted,
		"watch pay --after snapshot --timeout 400ms": header + cert[:22] + "       5  entry               pay                       cert                      ana           \"AAH/\"\n" +
			pool[:22] + "       3  entry               pay/eu                    pool                      ana           5\n",
	} {
		stdout, stderr, code := f.shell().run(append(strings.Fields(args), "-q")...)
		if diff := cmp.Diff(want, stdout); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
		if strings.Contains(args, "timeout") {
			if code != 6 {
				t.Errorf("%s: exit %d, %s", args, code, stderr)
			}
		} else if code != 0 || stderr != "" {
			t.Errorf("%s: exit %d, %s", args, code, stderr)
		}
	}
}

func TestWatchWritesFramesAsJSON(t *testing.T) {
	f := busy(t)
	for args, want := range map[string][]string{
		"watch pay --after start --count 2 -o json":            {"event 1", "event 2"},
		"watch pay --after start --count 1 -o json --progress": {"resumed 0", "event 1"},
	} {
		stdout, stderr, code := f.shell().run(strings.Fields(args)...)
		var got []string
		for text := range strings.Lines(stdout) {
			var frame wire.Frame
			if err := json.Unmarshal([]byte(text), &frame); err != nil {
				t.Fatalf("%s: %v", args, err)
			}
			index := uint64(0)
			if frame.Event != nil {
				index = frame.Event.Index
			}
			got = append(got, fmt.Sprintf("%s %d", frame.Frame, index))
		}
		if !slices.Equal(got, want) || code != 0 {
			t.Errorf("%s: exit %d, %q, %s", args, code, got, stderr)
		}
	}
	stdout, _, _ := f.shell().run("watch", "pay", "--after", "1", "--count", "1", "-o", "json")
	want := `{"frame":"event","prev":1,"event":{"index":2,"position":"2-00000002","id":"01J","type":"config.updated","time":"2026-01-31T12:00:00Z","actor":"ana","namespace":"pay","key":"db.url",` +
		`"data":{"value":"postgres://b\n<c>","type":"string","version":2,"previous":{"value":"postgres://a","version":1}}}}` + "\n"
	if diff := cmp.Diff(want, stdout); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWatchGoesOnOverBrokenConnections(t *testing.T) {
	f := busy(t)
	p := f.shell().start("watch", "--after", "start", "-o", "json", "--count", "26", "--events", "all")
	p.awaitOutput(`"namespace.updated"`, 1)
	for i := range 19 {
		f.set("pay", "n", "number", fmt.Sprint(i))
		if i%5 == 0 {
			f.cut()
			f.awaitWatches(2 + i/5)
		}
	}
	if code := p.code(); code != 0 {
		t.Errorf("exit %d", code)
	}
	var want []string
	for i := range 26 {
		want = append(want, fmt.Sprintf(`"index":%d,`, i+1))
	}
	rest := p.out.String()
	for _, index := range want {
		_, after, found := strings.Cut(rest, index)
		if !found {
			t.Fatalf("no %s in\n%s", index, p.out.String())
		}
		rest = after
	}
	if n := strings.Count(p.out.String(), "\n"); n != 26 {
		t.Errorf("%d lines", n)
	}
	if stderr := p.errors.String(); !strings.Contains(stderr, "; trying again in ") || !strings.Contains(stderr, "connected again; going on after ") {
		t.Errorf("stderr does not tell of it: %s", stderr)
	}
}

func TestWatchStateGoesOnWhereItEnded(t *testing.T) {
	f := busy(t)
	state := filepath.Join(t.TempDir(), "state")
	sh := f.shell()
	saved := func() string {
		data, _ := os.ReadFile(state)
		return string(data)
	}
	for _, step := range []struct{ events, saved string }{
		{`"index":1`, "1-00000001"},
		{`"index":2`, "2-00000002"},
		{`"index":3`, "3-00000003"}, // in the middle of a transaction, as was asked
		{`"index":5`, "5-00000005"},
		{`"index":6`, "6-00000006"},
	} {
		stdout, stderr, code := sh.run("watch", "pay", "--after", "start", "--state", state, "--count", "1", "-o", "json")
		if code != 0 || !strings.Contains(stdout, step.events+",") || !strings.Contains(saved(), step.saved) {
			t.Fatalf("exit %d, %s%s, want %s; state %s", code, stdout, stderr, step.events, saved())
		}
	}
	if at, _ := os.Stat(state); at.Mode() != 0o600 {
		t.Errorf("mode %v", at.Mode())
	}
	for _, other := range [][]string{{"web"}, {"pay", "web"}, {"pay", "--key", "x"}, {"pay", "--prefix", "x"}, {"pay", "--events", "all"}, {"/"}} {
		_, stderr, code := sh.run(append([]string{"watch", "--state", state, "--count", "1"}, other...)...)
		if code != 1 || !strings.HasPrefix(stderr, "confman: state "+state+" is of the watch of pay, not of ") {
			t.Errorf("%v: exit %d, %s", other, code, stderr)
		}
	}
	for _, damaged := range []string{"", "{", "{}", `{"watch":{}}`} {
		if err := os.WriteFile(state, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		_, stderr, code := sh.run("watch", "pay", "--state", state)
		if code != 1 || !strings.Contains(stderr, "remove it to begin anew") || saved() != damaged {
			t.Errorf("%q: exit %d, %s", damaged, code, stderr)
		}
	}
}

// A watch that began now and saw nothing must not lose what comes before the next.
func TestWatchStateRemembersWhereNowWas(t *testing.T) {
	f := busy(t)
	state := filepath.Join(t.TempDir(), "state")
	_, _, code := f.shell().run("watch", "pay", "--state", state, "--timeout", "300ms")
	if code != 6 {
		t.Fatalf("exit %d", code)
	}
	f.set("pay", "missed", "number", "1")
	stdout, stderr, code := f.shell().run("watch", "pay", "--state", state, "--count", "1")
	if code != 0 || !strings.Contains(stdout, "missed") {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
}

func TestWatchRunsACommandForEachChange(t *testing.T) {
	f := newFeed(t)
	f.set("pay", "k", "string", `"a b"`)
	f.set("pay", "k", "string", `"c"`)
	f.set("pay", "k", "", "")
	f.set("pay", "bin", "binary", `"AAH/"`)
	f.set("pay", "big", "string", `"`+strings.Repeat("x", 128<<10)+`"`)
	f.set("pay", "fits", "string", `"`+strings.Repeat("y", 128<<10-len("CONFMAN_VALUE=")-1)+`"`)
	f.set("pay", "nul", "string", `"a\u0000b"`)
	sh := f.shell()
	sh.setenv("CONFMAN_OLD_VALUE=from outside")
	command := `read -r json; echo "$CONFMAN_EVENT|$CONFMAN_NAMESPACE|$CONFMAN_KEY|${CONFMAN_VALUE-none}|$CONFMAN_VALUE_TYPE|${CONFMAN_OLD_VALUE-none}|$CONFMAN_VERSION|$CONFMAN_INDEX|$CONFMAN_POSITION|$CONFMAN_ACTOR|$CONFMAN_TIME|$CONFMAN_VALUE_TRUNCATED|${#json}" | tr -s y`
	stdout, stderr, code := sh.run("watch", "--after", "start", "--count", "7", "--exec", command, "-q")
	want := `config.created|pay|k|a b|string|none|1|1|1-00000001|ana|2026-01-31T12:00:00Z||193
config.updated|pay|k|c|string|a b|2|2|2-00000002|ana|2026-01-31T12:00:00Z||230
config.deleted|pay|k|none||c|3|3|3-00000003|ana|2026-01-31T12:00:00Z||200
config.created|pay|bin|AAH/|binary|none|1|4|4-00000004|ana|2026-01-31T12:00:00Z||196
config.created|pay|big|none|string|none|1|5|5-00000005|ana|2026-01-31T12:00:00Z|1|131264
config.created|pay|fits|y|string|none|1|6|6-00000006|ana|2026-01-31T12:00:00Z||131250
config.created|pay|nul|none|string|none|1|7|7-00000007|ana|2026-01-31T12:00:00Z|1|200
`
	if diff := cmp.Diff(want, stdout); code != 0 || stderr != "" || diff != "" {
		t.Errorf("exit %d, %s (-want +got):\n%s", code, stderr, diff)
	}
	stdout, _, _ = f.shell().run("watch", "--after", "snapshot", "--key", "k", "--prefix", "", "--exec", `echo $CONFMAN_EVENT $CONFMAN_KEY`, "--timeout", "400ms", "-q")
	if want := "entry big\nentry bin\nentry fits\nentry nul\n"; stdout != want {
		t.Errorf("snapshot: %q", stdout)
	}
}

// A confman that a hook runs must not choke on the hook's variables.
func TestWatchCommandMayBeConfman(t *testing.T) {
	f := newFeed(t)
	f.set("pay", "k", "string", `"v"`)
	self, _ := os.Executable()
	sh := f.shell()
	stdout, stderr, code := sh.run("watch", "--after", "start", "--count", "1", "-q", "--exec",
		fmt.Sprintf("%s=1 '%s' watch --after start --count 1 -o json; echo $?", asCommand, self))
	if !strings.HasSuffix(stdout, "\n0\n") || code != 0 {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
}

func TestWatchStopsAtACommandThatFails(t *testing.T) {
	f := busy(t)
	state := filepath.Join(t.TempDir(), "state")
	log := filepath.Join(t.TempDir(), "log")
	sh := f.shell()
	sh.setenv("LOG=" + log)
	fails := func(index string) []string {
		return []string{"watch", "--after", "start", "--state", state, "-q", "--exec", `echo $CONFMAN_INDEX >> $LOG; [ $CONFMAN_INDEX != ` + index + ` ] || exit 7`}
	}
	// In the middle of a transaction: it comes again as a whole.
	_, stderr, code := sh.run(fails("4")...)
	if code != 7 || stderr != "confman: event 4, config.created web/title: the command ended with exit code 7\n" {
		t.Errorf("exit %d, %s", code, stderr)
	}
	if data, _ := os.ReadFile(state); !strings.Contains(string(data), `"2-00000002"`) {
		t.Errorf("state %s", data)
	}
	sh.run(fails("6")...)
	if data, _ := os.ReadFile(state); !strings.Contains(string(data), `"5-00000005"`) {
		t.Errorf("state %s", data)
	}
	_, stderr, code = sh.run(append(slices.DeleteFunc(fails("6"), func(a string) bool { return a == "-q" }), "--keep-going", "--count", "1")...)
	if code != 0 || !strings.Contains(stderr, "event 6, config.deleted pay/db.url: the command ended with exit code 7; going on\n") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	if data, _ := os.ReadFile(log); strings.Join(strings.Fields(string(data)), " ") != "1 2 3 4 3 4 5 6 6" {
		t.Errorf("events %q", data)
	}
}

func TestWatchSaysWhatToDoWhenItCannotGoOn(t *testing.T) {
	f := busy(t)
	f.oldest = 4
	state := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(state, []byte(`{"watch":{"namespaces":["pay"],"events":"config"},"position":"2-00000002"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := f.shell().run("watch", "pay", "--after", "3")
	if code != 1 || !strings.HasPrefix(stderr, "confman: watch pay: watch reset: compacted") || !strings.Contains(stderr, "begin again with --after snapshot\n") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	_, stderr, code = f.shell().run("watch", "pay", "--state", state)
	if code != 1 || !strings.Contains(stderr, "remove "+state+" and begin again with --after snapshot\n") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	for reason, want := range map[string]int{wire.ReasonCompacted: 1, wire.ReasonOtherHistory: 1, wire.ReasonRevoked: 5, wire.ReasonForbidden: 5} {
		f := busy(t)
		p := f.shell().start("watch", "pay")
		p.awaitError("watching pay after 7-00000007")
		f.say(wire.Frame{Frame: wire.FrameReset, Reason: reason})
		if code := p.code(); code != want {
			t.Errorf("%s: exit %d", reason, code)
		}
	}
}

func TestWatchEndsAsTheSignalSays(t *testing.T) {
	f := busy(t)
	for signal, want := range map[syscall.Signal]int{syscall.SIGTERM: 0, syscall.SIGINT: 130} {
		p := f.shell().start("watch", "pay")
		p.awaitError("watching pay")
		p.signal(signal)
		if code := p.code(); code != want {
			t.Errorf("%v: exit %d, want %d", signal, code, want)
		}
	}
}

// The command is asked to end, too; what it did not finish comes again.
func TestWatchEndsACommandInGoodOrder(t *testing.T) {
	f := busy(t)
	state := filepath.Join(t.TempDir(), "state")
	for command, saved := range map[string]string{
		`trap 'echo told; exit 1' TERM; echo begun; while :; do sleep 0.05; done`: `"0-00000000"`,
		`trap 'echo told; exit 0' TERM; echo begun; while :; do sleep 0.05; done`: `"1-00000001"`,
		`trap 'echo told' TERM; echo begun; while :; do sleep 0.05; done`:         `"0-00000000"`, // killed
	} {
		os.Remove(state)
		p := f.shell().start("watch", "pay", "--after", "start", "--state", state, "--grace", "200ms", "--exec", command)
		p.awaitOutput("begun", 1)
		p.signal(syscall.SIGTERM)
		if code := p.code(); code != 0 || !strings.Contains(p.out.String(), "told") {
			t.Errorf("%s: exit %d, %s", command, code, p.out.String())
		}
		if data, _ := os.ReadFile(state); !strings.Contains(string(data), saved) {
			t.Errorf("%s: state %s, want %s", command, data, saved)
		}
	}
}
