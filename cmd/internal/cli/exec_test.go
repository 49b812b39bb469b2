package cli_test

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestExecGivesTheCommandTheNamespace(t *testing.T) {
	f := newFeed(t)
	f.set("app", "db/pool.size", "number", "5")
	f.set("app", "title", "string", `"a b\n$HOME"`)
	f.set("app", "cert", "binary", `"AAH/"`)
	f.set("app", "INHERITED", "string", `"from the namespace"`)
	f.set("app/below", "hidden", "string", `"x"`)
	f.set("app", "gone", "string", `"x"`)
	f.set("app", "gone", "", "")
	tests := []struct{ args, stdin, stdout string }{
		{args: "exec -n app --pristine -- /usr/bin/env", stdout: "INHERITED=from the namespace\ncert=AAH/\ndb_pool_size=5\ntitle=a b\n$HOME\n"},
		{args: "exec -n app --pristine --upper --prefix db/ /usr/bin/env", stdout: "DB_POOL_SIZE=5\n"},
		{args: "exec -n app --pristine -- /usr/bin/env -0 -u cert", stdout: "INHERITED=from the namespace\x00db_pool_size=5\x00title=a b\n$HOME\x00"},
		{args: "exec -n app --pristine --prefix none- -- /usr/bin/env", stdout: ""},
		{args: "exec -n app -- cat", stdin: "through\nstdin", stdout: "through\nstdin"},
		{args: "exec -n app -- sh -c echo;echo;$INHERITED;$OTHER", stdout: "from the namespace stays\n"},
		{args: "exec -n app --required title,cert -- echo -n --prefix", stdout: "--prefix"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			sh := f.shell()
			sh.t, sh.stdin = t, test.stdin
			sh.setenv("INHERITED=from outside")
			sh.setenv("OTHER=stays")
			args := strings.Fields(test.args)
			if i := len(args) - 1; strings.HasPrefix(args[i], "echo;") {
				args[i] = `echo "$INHERITED" "$OTHER"`
			}
			stdout, stderr, code := sh.run(args...)
			if diff := cmp.Diff(test.stdout, stdout); code != 0 || stderr != "" || diff != "" {
				t.Errorf("exit %d, %s (-want +got):\n%s", code, stderr, diff)
			}
		})
	}
}

func TestExecEndsAsTheCommandDoes(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "number", "1")
	f.set("clash", "a.b", "number", "1")
	f.set("clash", "a/b", "number", "1")
	f.set("clash", "null", "json", "null")
	f.set("big", "k", "string", `"`+strings.Repeat("x", 128<<10)+`"`)
	notExecutable := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notExecutable, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]struct {
		code   int
		stderr string // its beginning
	}{
		"exec -n app -- true":                               {0, ""},
		"exec -n app -- sh -c kill§-9§$$":                   {137, ""},
		"exec -n app -- sh -c kill§-TERM§$$":                {143, ""},
		"exec -n app -- sh -c exit§3":                       {3, ""},
		"exec -n app -- /does/not/exist":                    {127, "confman: start /does/not/exist: "},
		"exec -n app -- does-not-exist":                     {127, "confman: start does-not-exist: "},
		"exec -n app -- " + notExecutable:                   {126, "confman: start " + notExecutable},
		"exec -n clash -- true":                             {7, "confman: environment of clash: entries a.b and a/b both are the variable a_b; entry null is null"},
		"exec -n big -- true":                               {7, "confman: environment of big: variable k has 131074 bytes, more than the 131071"},
		"exec -n app --required b --required a,c/d -- true": {3, "confman: app has no b, no c/d\n"},
		"exec -n absent -- true":                            {3, "confman: read namespace absent: 404"},
		"exec -- true":                                      {2, "confman: no namespace: confman exec -n NS -- CMD [ARG...]"},
		"exec -n app":                                       {2, "confman: too few arguments"},
		"exec -n app --on-change never -- true":             {2, `confman: --on-change "never": want none, signal or restart`},
		"exec -n app --signal NOPE -- true":                 {2, `confman: --signal "NOPE": there is no such signal`},
	} {
		fields := strings.Fields(args)
		for i := range fields {
			fields[i] = strings.ReplaceAll(fields[i], "§", " ")
		}
		stdout, stderr, code := f.shell().run(fields...)
		if code != want.code || stdout != "" || !strings.HasPrefix(stderr, want.stderr) || (stderr == "") != (want.stderr == "") {
			t.Errorf("%s: exit %d, %s%s", args, code, stdout, stderr)
		}
	}
}

func TestExecPassesSignalsOn(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "number", "1")
	const script = `for s in HUP INT QUIT USR1 USR2; do trap "echo got $s" $s; done; trap 'echo got TERM; exit 9' TERM; echo ready; while :; do sleep 0.02; done`
	p := f.shell().start("exec", "-n", "app", "--", "sh", "-c", script)
	p.awaitOutput("ready", 1)
	want := 1 // SIGTERM
	for name, s := range map[string]syscall.Signal{
		"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
	} {
		if signal.Ignored(s) {
			continue // as nohup has it, and no shell traps what it began with ignoring (POSIX, trap)
		}
		want++
		p.signal(s)
		p.awaitOutput("got "+name, 1)
	}
	p.signal(syscall.SIGTERM)
	if code := p.code(); code != 9 {
		t.Errorf("exit %d", code)
	}
	if got := strings.Count(p.out.String(), "got"); got != want {
		t.Errorf("%d signals, want %d:\n%s", got, want, p.out.String())
	}
}

// What the command started is asked to end with it.
func TestExecSignalsWhatTheCommandStarted(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "number", "1")
	p := f.shell().start("exec", "-n", "app", "--", "sh", "-c", "sh -c 'while :; do sleep 0.05; done' & echo $!; wait")
	p.awaitOutput("\n", 1)
	pid, err := strconv.Atoi(strings.TrimSpace(p.out.String()))
	if err != nil || !runs(pid) {
		t.Fatalf("pid %d, %v", pid, err)
	}
	p.signal(syscall.SIGTERM)
	if code := p.code(); code != 143 {
		t.Errorf("exit %d", code)
	}
	await(t, "what it started to end", func() bool { return !runs(pid) })
}

// Nothing may be left running when confman itself is killed.
func TestExecTakesTheCommandWithIt(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "number", "1")
	p := f.shell().start("exec", "-n", "app", "--", "sh", "-c", "echo $$; while :; do sleep 0.05; done")
	p.awaitOutput("\n", 1)
	pid, err := strconv.Atoi(strings.TrimSpace(p.out.String()))
	if err != nil || !runs(pid) {
		t.Fatalf("pid %d, %v", pid, err)
	}
	p.signal(syscall.SIGKILL)
	await(t, "the command to end", func() bool { return !runs(pid) })
}

const showsValues = `echo "start a=$a b=$b"; trap 'echo stopping; exit 0' TERM; while :; do sleep 0.02; done`

func TestExecRestartsOnceForChangesThatComeTogether(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "number", "1")
	p := f.shell().start("exec", "-n", "app", "--on-change", "restart", "--settle", "500ms", "--", "sh", "-c", showsValues)
	p.awaitOutput("start a=1 b=\n", 1)
	f.transact(change{"app", "a", "number", "2"}, change{"app", "b", "number", "2"})
	<-time.After(150 * time.Millisecond) // the claim is about time: a restart takes less
	f.set("app", "a", "number", "3")
	p.awaitOutput("start a=3 b=2\n", 1)
	f.set("other", "a", "number", "4") // not of the namespace
	f.set("app", "a", "number", "3")   // another version of the same value
	<-time.After(600 * time.Millisecond)
	f.set("app", "b", "", "")
	p.awaitOutput("start a=3 b=\n", 1)
	if want := "start a=1 b=\nstopping\nstart a=3 b=2\nstopping\nstart a=3 b=\n"; p.out.String() != want {
		t.Errorf("%q", p.out.String())
	}
	p.signal(syscall.SIGTERM)
	if code := p.code(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if n := strings.Count(p.errors.String(), "restarting the command"); n != 2 {
		t.Errorf("%d restarts: %s", n, p.errors.String())
	}
}

func TestExecKillsACommandThatDoesNotStop(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "number", "1")
	// It ends when the test's directory is gone: no signal but one would end it.
	stubborn := `trap '' TERM; echo "start a=$a"; while [ -d '` + t.TempDir() + `' ]; do sleep 0.02; done`
	p := f.shell().start("exec", "-n", "app", "--on-change", "restart", "--settle", "1ms", "--grace", "300ms", "--", "sh", "-c", stubborn)
	p.awaitOutput("start a=1", 1)
	f.set("app", "a", "number", "2")
	p.awaitError("restarting the command")
	f.set("app", "a", "number", "3") // while it is being stopped
	p.awaitOutput("start a=3", 1)
	if strings.Contains(p.out.String(), "start a=2") {
		t.Error("it was started with values that were old by then")
	}
}

func TestExecKeepsRunningWhatNewValuesCannotStart(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "number", "1")
	p := f.shell().start("exec", "-n", "app", "--on-change", "restart", "--settle", "1ms", "--required", "a", "--", "sh", "-c", showsValues)
	p.awaitOutput("start a=1", 1)
	f.set("app", "a", "", "")
	p.awaitError("app has no a; the command keeps running as it is")
	f.transact(change{"app", "x.y", "number", "2"}, change{"app", "x/y", "number", "2"}, change{"app", "a", "number", "2"})
	p.awaitError("confman: environment of app: entries x.y and x/y both are the variable x_y; the command keeps running as it is")
	f.set("app", "x.y", "", "")
	p.awaitOutput("start a=2", 1)
	if n := strings.Count(p.out.String(), "start"); n != 2 {
		t.Errorf("%d starts", n)
	}
}

func TestExecSignalsACommandOnChange(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "number", "1")
	const script = `trap 'echo told' USR1; echo "start a=$a"; while :; do sleep 0.02; done`
	p := f.shell().start("exec", "-n", "app", "--on-change", "signal", "--signal", "usr1", "--settle", "1ms", "--", "sh", "-c", script)
	p.awaitOutput("start a=1", 1)
	for i := range 2 {
		f.set("app", "a", "number", fmt.Sprint(i+2))
		p.awaitOutput("told", i+1)
	}
	if n := strings.Count(p.out.String(), "start"); n != 1 {
		t.Errorf("%d starts", n)
	}
}

func TestExecStartsFromTheLastKnownValues(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "number", "1")
	state := filepath.Join(t.TempDir(), "state")
	exec := []string{"exec", "-n", "app", "--state", state, "--timeout", "500ms", "--", "sh", "-c", `echo a=$a`}
	sh := f.shell()
	if stdout, stderr, code := sh.run(exec...); code != 0 || stdout != "a=1\n" || stderr != "" {
		t.Fatalf("exit %d, %s%s", code, stdout, stderr)
	}
	if at, err := os.Stat(state); err != nil || at.Mode() != 0o600 {
		t.Fatalf("%v, %v", at, err)
	}
	f.set("app", "a", "number", "2")
	if stdout, stderr, code := sh.run(exec...); code != 0 || stdout != "a=2\n" || stderr != "" {
		t.Errorf("the file went before the cluster: exit %d, %s%s", code, stdout, stderr)
	}
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusUnauthorized} {
		f.refuse(status)
		stdout, stderr, code := sh.run(exec...)
		if code != 0 || stdout != "a=2\n" || !strings.HasPrefix(stderr, "confman: the cluster cannot be asked (") || !strings.Contains(stderr, "); using the values of event 2-00000002, ") {
			t.Errorf("%d: exit %d, %s%s", status, code, stdout, stderr)
		}
	}
	f.refuse(http.StatusServiceUnavailable)
	if err := os.WriteFile(state, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{exec, {"exec", "-n", "app", "--timeout", "300ms", "--", "true"}} {
		stdout, stderr, code := sh.run(args...)
		if code != 6 || stdout != "" || !strings.HasPrefix(stderr, "confman: unavailable: no values of app within ") {
			t.Errorf("exit %d, %s%s", code, stdout, stderr)
		}
	}
}

// It starts with old values, and restarts with the new ones when they come.
func TestExecCatchesUpWhenTheClusterIsBack(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "number", "1")
	state := filepath.Join(t.TempDir(), "state")
	f.shell().run("exec", "-n", "app", "--state", state, "true")
	f.set("app", "a", "number", "2")
	f.refuse(http.StatusServiceUnavailable)
	p := f.shell().start("exec", "-n", "app", "--state", state, "--timeout", "100ms", "--on-change", "restart", "--settle", "1ms", "--", "sh", "-c", showsValues)
	p.awaitOutput("start a=1", 1)
	f.refuse(0)
	p.awaitOutput("start a=2", 1)
}
