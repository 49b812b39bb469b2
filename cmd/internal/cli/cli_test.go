package cli_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"
	"golang.org/x/term"

	"confman/api/wire"
	"confman/cmd/internal/cli"
)

// asCommand in the environment makes the test binary confman itself, for tests of
// signals and of what outlives a process.
const asCommand = "CLI_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // as main does
	defer stop()
	environ := slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, asCommand+"=") })
	os.Exit(cli.Run(ctx, os.Args[1:], cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: environ, Interactive: term.IsTerminal(int(os.Stdin.Fd())),
	}))
}

// shell is one invocation after another in one environment.
type shell struct {
	t           *testing.T
	environ     []string
	stdin       string
	interactive bool
}

func newShell(t *testing.T, s *server) *shell {
	return &shell{t: t, environ: []string{"CONFMAN_ADDR=" + s.URL, "CONFMAN_API_KEY=" + goodKey, "HOME=" + t.TempDir(), "PATH=/bin"}}
}

// setenv sets NAME=VALUE.
func (s *shell) setenv(variable string) {
	name, _, _ := strings.Cut(variable, "=")
	s.environ = slices.DeleteFunc(s.environ, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	s.environ = append(s.environ, variable)
}

func (s *shell) run(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	var out, err bytes.Buffer
	code = cli.Run(s.t.Context(), args, cli.Env{
		Stdin: strings.NewReader(s.stdin), Stdout: &out, Stderr: &err, Environ: s.environ, Version: "v1.2.3", Interactive: s.interactive,
	})
	return out.String(), err.String(), code
}

func TestWhatCommandsPrint(t *testing.T) {
	server := newServer(t)
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("from <file>\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args   string
		stdin  string
		stdout string
		stderr string
		change string // what the server was asked to change
	}{
		{args: "get teams/pay db.url", stdout: "postgres://a&b\n"},
		{args: "get teams/pay db.url -o raw", stdout: "postgres://a&b"},
		{args: "get teams/pay pool", stdout: "1.50\n"},
		{args: "get teams/pay cert -o raw", stdout: "\x00\x01\xff"},
		{args: "get teams/pay db.url -o json", stdout: `{
  "namespace": "teams/pay",
  "key": "db.url",
  "value": "postgres://a&b",
  "type": "string",
  "version": 3,
  "updatedAt": "2026-01-31T12:00:00Z",
  "updatedBy": "ana",
  "index": 42,
  "comment": "moved"
}
`},
		{args: "get teams/pay pool -o yaml", stdout: `namespace: teams/pay
key: pool
value: 1.50
type: number
version: 2
updatedAt: '2026-01-31T12:00:00Z'
updatedBy: ana
`},
		{args: "list teams/pay", stdout: `KEY      TYPE     VERSION   UPDATED                BY    VALUE
cert     binary   1         2026-01-31T12:00:00Z   ana   "AAH/"
db.url   string   3         2026-01-31T12:00:00Z   ana   postgres://a&b
pool     number   2         2026-01-31T12:00:00Z   ana   1.50
`},
		{args: "list", stdout: `NAMESPACE   KEY     TYPE     VERSION   UPDATED                BY   VALUE
teams/web   title   string   1         2026-01-31T12:00:00Z   bo   line\nline
`},
		{args: "history teams/pay db.url", stdout: `VERSION   ACTION           TIME                   BY    EVENT   COMMENT   VALUE
1         config.created   2026-01-31T12:00:00Z   ana   7       first     x
2         config.deleted   2026-01-31T12:00:00Z   bo    9       -         -
`},
		{args: "set teams/pay new hello", stderr: "teams/pay/new created: version 1\n", change: `PUT /api/v1/namespaces/teams%2Fpay/config/new string "hello"`},
		{args: "set teams/pay db.url @" + file + " --if-version 3 --comment why", stderr: "teams/pay/db.url set: version 4\n", change: `PUT /api/v1/namespaces/teams%2Fpay/config/db.url string "from <file>\n" why`},
		{args: "set teams/pay pool - --type number -q", stdin: "7\n", change: `PUT /api/v1/namespaces/teams%2Fpay/config/pool number "7"`},
		{args: "set teams/pay cert - --type binary -q", stdin: "\x00\xff", change: `PUT /api/v1/namespaces/teams%2Fpay/config/cert binary "AP8="`},
		{args: "set -q teams/pay k -- -5", change: `PUT /api/v1/namespaces/teams%2Fpay/config/k string "-5"`},
		{args: "set teams/pay new 1 -o yaml -q", stdout: "namespace: teams/pay\nkey: new\nvalue: '1'\ntype: string\nversion: 1\nupdatedAt: '2026-01-31T12:00:00Z'\nupdatedBy: ana\n", change: `PUT /api/v1/namespaces/teams%2Fpay/config/new string "1"`},
		{args: "set teams/pay db.url x --dry-run", stderr: "would set teams/pay/db.url, version 3, from postgres://a&b to x\n"},
		{args: "set teams/pay new x --dry-run --if-version 0", stderr: "would create teams/pay/new as x\n"},
		{args: "delete teams/pay db.url --yes --if-version 3", stderr: "teams/pay/db.url deleted\n", change: `DELETE /api/v1/namespaces/teams%2Fpay/config/db.url "v3"`},
		{args: "delete teams/pay db.url --dry-run", stderr: "would delete teams/pay/db.url\n"},
		{args: "namespace list", stdout: `NAMESPACE   OWNER   CREATED                DESCRIPTION
teams/pay   ana     2026-01-31T12:00:00Z   Payments
teams/web   bo      2026-01-31T12:00:00Z   -
`},
		{args: "namespace show teams/x", stdout: "NAMESPACE   OWNER   CREATED                DESCRIPTION\nteams/x     ana     2026-01-31T12:00:00Z   -\n"},
		{args: "namespace create teams/x --owner bo", stderr: "namespace teams/x created\n", change: `PUT /api/v1/namespaces/teams%2Fx {"owner":"bo"}`},
		{args: "namespace delete teams/x -y", stderr: "namespace teams/x deleted\n", change: "DELETE /api/v1/namespaces/teams%2Fx"},
		{
			args: "key create ci --grant teams/pay=editor --grant /=viewer:db/* --expires 2027-01-01T00:00:00+01:00", stdout: "cf_shown_once\n", stderr: "API key 01KEY created for ci; it is shown only now\n",
			change: `POST /api/v1/keys {"name":"ci","grants":[{"namespace":"teams/pay","role":"editor"},{"namespace":"/","role":"viewer","keys":"db/*"}],"expiresAt":"2026-12-31T23:00:00Z"}`,
		},
		{args: "key list", stdout: `ID      NAME   PRINCIPAL   CREATED                EXPIRES   REVOKED                LAST USED              FROM       GRANTS
01KEY   ci     ci          2026-01-31T12:00:00Z   never     2026-01-31T12:00:00Z   2026-01-31T12:00:00Z   10.0.0.7   teams/pay=editor /=viewer:db/*
`},
		{args: "key list --unused 90d -o json", stdout: "[]\n"}, // it is revoked
		{args: "key revoke 01KEY --yes", stderr: "API key 01KEY revoked\n", change: "DELETE /api/v1/keys/01KEY"},
		{args: "whoami", stdout: "PRINCIPAL   KEY     EXPIRES   GRANTS\nana         01KEY   never     teams/pay=editor /=viewer:db/*\n"},
		{args: "cluster add n4 10.0.0.4:6100 --learner", stderr: "added n4 10.0.0.4:6100\n", change: `POST /api/v1/cluster/members {"id":"n4","address":"10.0.0.4:6100","learner":true}`},
		{args: "cluster promote n4", stderr: "promoted n4\n", change: `POST /api/v1/cluster/members {"id":"n4"}`},
		{args: "cluster remove n4 --yes", stderr: "removed n4\n", change: "DELETE /api/v1/cluster/members/n4"},
		{args: "cluster transfer-leader", stderr: "leadership handed to the member that is furthest ahead\n", change: "POST /api/v1/cluster/transfer-leader {}"},
		{args: "cluster transfer-leader n2", stderr: "leadership handed to n2\n", change: `POST /api/v1/cluster/transfer-leader {"to":"n2"}`},
		{args: "cluster snapshot", stderr: "snapshot taken on n1 at event 42-9f3c2a1b\n", change: "POST /api/v1/cluster/snapshot"},
		{args: "events --from 9", stdout: `{"timestamp":"2026-01-31T12:00:00Z","action":"config.updated","actor":"ana","namespace":"teams/pay","key":"k","oldValue":null,"newValue":"<1>","id":"01J","index":9,"position":"9-00000000","raftTerm":0,"raftIndex":0}
{"timestamp":"2026-01-31T12:00:00Z","action":"config.updated","actor":"ana","namespace":"teams/pay","key":"k","oldValue":null,"newValue":"<1>","id":"01J","index":10,"position":"10-00000000","raftTerm":0,"raftIndex":0}
`},
		{args: "events --from 4 --to 5 -o table", stdout: `EVENT     TIME                 ACTION                 BY               NAMESPACE                    KEY
4         2026-01-31T12:00:00Z config.updated         ana              teams/pay                    k
5         2026-01-31T12:00:00Z config.updated         ana              teams/pay                    k
`},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			sh := newShell(t, server)
			sh.stdin = test.stdin
			server.changes = nil
			stdout, stderr, code := sh.run(strings.Fields(test.args)...)
			if code != 0 {
				t.Errorf("exit %d", code)
			}
			if diff := cmp.Diff(test.stdout, stdout); diff != "" {
				t.Errorf("stdout (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.stderr, stderr); diff != "" {
				t.Errorf("stderr (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.change, strings.Join(server.changes, "\n")); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEventsGoOnAfterABreak(t *testing.T) {
	stdout, _, code := newShell(t, newServer(t)).run("events")
	if n := strings.Count(stdout, "\n"); n != 10 || code != 0 {
		t.Errorf("%d lines, exit %d", n, code)
	}
}

func TestEveryEndHasItsExitCode(t *testing.T) {
	server := newServer(t)
	tests := []struct {
		args    string
		environ []string // in place of what it replaces
		code    int
		stderr  string // its beginning
	}{
		{"get teams/pay absent", nil, 3, "confman: get teams/pay/absent: 404 Not Found: teams/pay/absent does not exist (correlation corr-1)\n"},
		{"delete teams/pay absent --dry-run", nil, 3, "confman: get teams/pay/absent"},
		{"set teams/pay db.url x --if-version 2", nil, 4, "confman: put teams/pay/db.url: 412 Precondition Failed: teams/pay/db.url is at version 3 (correlation corr-1)\n"},
		{"set teams/pay db.url x --if-version 0", nil, 4, "confman: put"},
		{"set teams/pay db.url x --if-version 2 --dry-run", nil, 4, "confman: condition failed: teams/pay/db.url is at version 3, not 2\n"},
		{"get teams/pay secret", nil, 5, "confman: get teams/pay/secret: 403 Forbidden: viewer needed on teams/pay (correlation corr-1)\nhint: confman whoami"},
		{"get teams/pay db.url", []string{"CONFMAN_API_KEY="}, 5, "confman: get teams/pay/db.url: 401 Unauthorized (correlation corr-1)\nhint: give a valid API key: CONFMAN_API_KEY, CONFMAN_API_KEY_FILE"},
		{"get teams/pay db.url --timeout 300ms", []string{"CONFMAN_ADDR=http://127.0.0.1:1"}, 6, "confman: get teams/pay/db.url: "},
		{"set teams/pay pool x --type number", nil, 7, "confman: put teams/pay/pool: 400 Bad Request: /value does not parse as number; /type is number (correlation corr-1)\n"},
		{"set teams/pay lost 1 --timeout 200ms --idempotency-key mine", nil, 8, "confman: put teams/pay/lost: outcome unknown (idempotency key mine): "},
		{"get teams/pay broken", nil, 1, "confman: get teams/pay/broken: 500 Internal Server Error: boom"},
		{"set teams/pay k @/does/not/exist", nil, 1, "confman: read the value: open /does/not/exist"},

		{"get", nil, 2, "confman: too few arguments: confman get NS KEY [flags]\nhint: confman get --help\n"},
		{"get a b c", nil, 2, "confman: too many arguments, from \"c\" on"},
		{"get db.url", nil, 2, "confman: no namespace"},
		{"get teams/pay db.url -n other", nil, 2, "confman: the namespace is given twice"},
		{"get teams/pay db.url --att 3", nil, 2, "confman: unknown flag: --att\nhint: confman get --help\n"},
		{"list teams/pay -o raw", nil, 2, "confman: invalid argument \"raw\""},
		{"list --prefix x", nil, 2, "confman: --prefix"},
		{"gte teams/pay db.url", nil, 2, "confman: unknown command \"gte\"; did you mean get"},
		{"cluster", nil, 2, "confman: say which: add, promote, recover, remove, replace, snapshot, status, transfer-leader\nhint: confman cluster --help\n"},
		{"help statsu", nil, 2, "confman: unknown command \"statsu\"; want one of access, audit, backup, bisect, cluster, completion"},
		{"help cluster statsu", nil, 2, "confman: unknown command \"statsu\"; did you mean status?\nhint: confman cluster --help\n"},
		{"completion bahs", nil, 2, "confman: unknown command \"bahs\"; did you mean bash?\n"},
		{"completion bash zsh", nil, 2, "confman: unknown command \"zsh\" for"},
		{"cluster statsu", nil, 2, "confman: unknown command \"statsu\"; did you mean status?\n"},
		{"delete teams/pay db.url", nil, 2, "confman: to delete teams/pay/db.url without a terminal to ask on, add --yes\n"},
		{"delete teams/pay db.url --if-version 0 --yes", nil, 2, "confman: --if-version 0"},
		{"key create ci", nil, 2, "confman: a key needs at least one --grant"},
		{"key create ci --grant teams/pay", nil, 2, "confman: --grant \"teams/pay\": want NAMESPACE=ROLE"},
		{"key create ci --grant a=viewer --expires tomorrow", nil, 2, "confman: --expires"},
		{"whoami", []string{"CONFMAN_ADDRESS=x"}, 2, "confman: env CONFMAN_ADDRESS: unknown setting"},
		{"whoami --context nope", nil, 2, "confman: no context \"nope\""},
		{"whoami --addr 127.0.0.1:6100", nil, 2, "confman: setting addr or api-key: endpoint"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			sh := newShell(t, server)
			for _, variable := range test.environ {
				sh.setenv(variable)
			}
			server.changes = nil
			stdout, stderr, code := sh.run(strings.Fields(test.args)...)
			if code != test.code || !strings.HasPrefix(stderr, test.stderr) {
				t.Errorf("exit %d, stderr %q\nwant %d, %q", code, stderr, test.code, test.stderr)
			}
			if stdout != "" || len(server.changes) > 0 {
				t.Errorf("stdout %q, changes %q", stdout, server.changes)
			}
			if lines := strings.Count(stderr, "\n"); lines > 2 {
				t.Errorf("%d lines on stderr:\n%s", lines, stderr)
			}
		})
	}
}

func TestInterruptedIs130(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(arrived); <-release }))
	defer hanging.Close()
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	var stderr bytes.Buffer
	code := cli.Run(ctx, []string{"whoami"}, cli.Env{Environ: []string{"CONFMAN_ADDR=" + hanging.URL}, Stdout: &stderr, Stderr: &stderr, Stdin: strings.NewReader("")})
	if code != 130 || stderr.String() != "confman: interrupted\n" {
		t.Errorf("exit %d, %q", code, stderr.String())
	}
}

func TestDestructiveCommandsAskThePerson(t *testing.T) {
	server := newServer(t)
	for reply, goes := range map[string]bool{"y\n": true, "YES\n": true, "n\n": false, "\n": false, "": false, "yikes\n": false} {
		sh := newShell(t, server)
		sh.interactive, sh.stdin = true, reply
		server.changes = nil
		_, stderr, code := sh.run("key", "revoke", "01KEY")
		if (len(server.changes) == 1) != goes || (code == 0) != goes || !strings.HasPrefix(stderr, "Revoke API key 01KEY? [y/N] ") {
			t.Errorf("reply %q: exit %d, %q, changes %v", reply, code, stderr, server.changes)
		}
	}
}

func TestNamespaceMayComeFromTheEnvironment(t *testing.T) {
	sh := newShell(t, newServer(t))
	sh.setenv("CONFMAN_NAMESPACE=teams/pay")
	for _, args := range []string{"get pool", "get teams/pay pool", "get -n teams/pay pool"} {
		if stdout, stderr, code := sh.run(strings.Fields(args)...); stdout != "1.50\n" || code != 0 {
			t.Errorf("%s: %q %q %d", args, stdout, stderr, code)
		}
	}
	if stdout, _, _ := sh.run("list"); !strings.HasPrefix(stdout, "KEY ") {
		t.Errorf("list without a namespace: %q", stdout)
	}
	if stdout, _, _ := sh.run("list", "/"); !strings.HasPrefix(stdout, "NAMESPACE ") {
		t.Errorf("list /: %q", stdout)
	}
}

// At 3 a.m. nobody may be left to answer for the cluster; each node still says
// what it knows.
func TestClusterStatusAsksEachNodeWhenTheClusterDoesNotSay(t *testing.T) {
	sh := newShell(t, newServer(t))
	sh.setenv("CONFMAN_API_KEY=wrong")
	stdout, stderr, code := sh.run("cluster", "status")
	if code != 5 || !strings.Contains(stderr, "401") || !strings.Contains(stdout, "not_ready   candidate   none     6      41      no leader\n") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestShellCompletesNamespacesAndKeys(t *testing.T) {
	sh := newShell(t, newServer(t))
	for args, want := range map[string]string{
		"get|":                      "teams/pay\nteams/web\n:4\n",
		"get|teams/pay|":            "cert\ndb.url\npool\n:4\n",
		"get|-n|teams/pay|":         "cert\ndb.url\npool\nteams/pay\nteams/web\n:4\n",
		"get|teams/pay|pool|":       ":4\n",
		"set|teams/pay|pool|":       ":0\n",
		"namespace|delete|":         "teams/pay\nteams/web\n:4\n",
		"get|-o|":                   "table\njson\nyaml\nraw\n:4\n",
		"get|--api-key|wrong|":      ":4\n",
		"set|teams/pay|k|1|--type|": "string\nnumber\nboolean\njson\nbinary\nsecret-ref\n:4\n",
	} {
		stdout, _, code := sh.run(append([]string{"__complete"}, strings.Split(args, "|")...)...)
		if stdout != want || code != 0 {
			t.Errorf("%s: %q, want %q", args, stdout, want)
		}
	}
	if stdout, _, code := sh.run("completion", "bash"); code != 0 || !strings.Contains(stdout, "__start_confman") {
		t.Errorf("completion bash: exit %d", code)
	}
}

func TestHelpAndVersionAreData(t *testing.T) {
	sh := newShell(t, newServer(t))
	for _, args := range [][]string{nil, {"--help"}, {"get", "--help"}, {"version"}, {"version", "-o", "json"}} {
		if stdout, stderr, code := sh.run(args...); code != 0 || stderr != "" || stdout == "" {
			t.Errorf("%q: exit %d, stderr %q, stdout %q", args, code, stderr, stdout)
		}
	}
	if stdout, _, _ := sh.run("version"); !strings.HasPrefix(stdout, "confman v1.2.3 go1.") {
		t.Errorf("version: %q", stdout)
	}
}

// --expires 720h is another time whenever it is said, so a retry under the same
// idempotency key is told which one to say.
func TestKeyCreateSaysWhyItsRetryIsAnotherRequest(t *testing.T) {
	for _, test := range []struct {
		status        int
		kind, expires string
		code          int
		stderr        string // empty: nothing about the expiry
	}{
		{422, wire.ProblemIdempotencyMismatch, "720h", 7, "--expires 720h counts from now"},
		{422, wire.ProblemIdempotencyMismatch, "2030-01-31T12:00:00+01:00", 7, ""},
		{504, wire.ProblemOutcomeUnknown, "720h", 8, "to repeat it say --expires 2"},
		{403, wire.ProblemForbidden, "720h", 5, ""},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", wire.MediaProblem)
			w.WriteHeader(test.status)
			_, _ = w.Write(problemBody(test.status, test.kind, nil))
		}))
		sh := newShell(t, &server{Server: s})
		_, stderr, code := sh.run("key", "create", "ci", "--grant", "a=viewer", "--expires", test.expires, "--timeout", "500ms")
		s.Close()
		if code != test.code || !strings.Contains(stderr, test.stderr) || strings.Contains(stderr, "--expires") != (test.stderr != "") {
			t.Errorf("%+v: exit %d, %s", test, code, stderr)
		}
	}
}

// Commands of other packages take part: their settings are known to all, and an
// ExitError keeps its code.
func TestOtherCommandsAreAdded(t *testing.T) {
	server := newServer(t)
	var out, errs bytes.Buffer
	serve := &cobra.Command{Use: "serve", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, args []string) error {
		return &cli.ExitError{Code: 42, Err: os.ErrInvalid}
	}}
	serve.Flags().String("data", "", "")
	env := cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Environ: []string{"CONFMAN_DATA=/x", "CONFMAN_ADDR=" + server.URL, "CONFMAN_API_KEY=" + goodKey}}
	if code := cli.Run(t.Context(), []string{"serve"}, env, serve); code != 42 {
		t.Errorf("exit %d", code)
	}
	for _, args := range [][]string{{"serve", "extra"}, {"config"}, {"config", "extra"}, {"serve", "--extra"}} {
		config := &cobra.Command{Use: "config"}
		config.AddCommand(&cobra.Command{Use: "show", Run: func(*cobra.Command, []string) {}})
		if code := cli.Run(t.Context(), args, env, serve, config); code != cli.ExitUsage {
			t.Errorf("%v: exit %d, want %d", args, code, cli.ExitUsage)
		}
	}
	if code := cli.Run(t.Context(), []string{"whoami"}, env, serve); code != 0 {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}
