package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"confman/api/wire"
)

// newRoutes is a server that answers these routes with these bodies, or as a
// handler does; it remembers the requests that write.
func newRoutes(t *testing.T, routes map[string]any) *server {
	t.Helper()
	s := &server{}
	mux := http.NewServeMux()
	for pattern, body := range routes {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				sent, _ := io.ReadAll(r.Body)
				s.changes = append(s.changes, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+string(sent)))
			}
			switch body := body.(type) {
			case http.HandlerFunc:
				body(w, r)
			case nil:
				w.WriteHeader(204)
			default:
				answer(w, 200, body)
			}
		})
	}
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// changing answers a preview and the deed itself.
func changing(preview, done wire.Changed) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("dry_run") == "true" {
			preview.DryRun = true
			answer(w, 200, preview)
			return
		}
		status := map[bool]int{true: 201, false: 200}[done.Request != ""]
		answer(w, status, done)
	}
}

func valueChange(key, before, after string, version uint64) wire.ValueChange {
	c := wire.ValueChange{Namespace: "pay", Key: key, Action: wire.ActionUpdate, Old: json.RawMessage(before), OldType: "number", New: json.RawMessage(after), NewType: "number", OldVersion: 7, NewVersion: version}
	switch {
	case before == "":
		c.Action, c.Old, c.OldType, c.OldVersion = wire.ActionCreate, nil, "", 0
	case after == "":
		c.Action, c.New, c.NewType = wire.ActionDelete, nil, ""
	}
	return c
}

const (
	twoChanges = "~ pay/pool (number, version 7)\n    - 1\n    + 2\n- pay/new (number, version 7)\n    - 3\n"
	twoDone    = "pay/pool set: version 8\npay/new deleted: version 8\n"
)

func changeRoutes(t *testing.T) *server {
	changes := []wire.ValueChange{valueChange("pool", "1", "2", 8), valueChange("new", "3", "", 8)}
	preview := wire.Changed{Changes: []wire.ValueChange{valueChange("pool", "1", "2", 0), valueChange("new", "3", "", 0)}}
	done := changing(preview, wire.Changed{Changes: changes, Index: 50, Position: "50-00000000"})
	nothing := wire.Changed{Changes: []wire.ValueChange{}}
	requested := changing(preview, wire.Changed{Changes: changes, Request: "01REQ", Index: 50})
	return newRoutes(t, map[string]any{
		"POST /api/v1/namespaces/pay/rollback":             done,
		"POST /api/v1/namespaces/pay/rollback/pool":        done,
		"POST /api/v1/namespaces/pay/rollback/same":        changing(nothing, nothing),
		"POST /api/v1/namespaces/approved/rollback":        requested,
		"POST /api/v1/publish-requests/01OLD/rollback":     done,
		"POST /api/v1/promote":                             requested,
		"POST /api/v1/revert":                              http.HandlerFunc(revertOf(done)),
		"GET /api/v1/diff":                                 http.HandlerFunc(compared),
		"POST /api/v1/namespaces/forbidden/rollback/{key}": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { problem(w, 403, "publisher needed on forbidden") }),
	})
}

func revertOf(done http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Idempotency-Key") == "conflict" {
			problem(w, 409, "later changes touched the same keys",
				wire.FieldError{Pointer: "/changes/0", Detail: "pay/pool was changed by bo at event 44"}, wire.FieldError{Pointer: "/changes/1"})
			return
		}
		done(w, r)
	}
}

func compared(w http.ResponseWriter, r *http.Request) {
	d := wire.Diff{From: wire.DiffSide{Namespace: "stage", Index: 40}, To: wire.DiffSide{Namespace: "pay", Index: 42}, Changes: []wire.ValueChange{}, Equal: 3}
	if r.URL.Query().Get("from") != r.URL.Query().Get("to") {
		d.Changes = append(d.Changes, valueChange("pool", "1", "2", 3), valueChange("db.url", "", "5", 1))
	}
	answer(w, 200, d)
}

func TestChangesAreMadeAndSaid(t *testing.T) {
	s := changeRoutes(t)
	tests := []struct {
		args   string
		code   int
		stdout string
		stderr string
		change string
	}{
		{args: "rollback pay pool --to-version 3 --comment why --yes", stderr: twoChanges + twoDone, change: `POST /api/v1/namespaces/pay/rollback/pool {"toVersion":3,"comment":"why"}`},
		{args: "rollback pay --to-index 12 --yes -q", change: `POST /api/v1/namespaces/pay/rollback {"toIndex":12}`},
		{args: "rollback pay --to-time 2026-01-31T13:00:00+01:00 --yes -q", change: `POST /api/v1/namespaces/pay/rollback {"toTime":"2026-01-31T12:00:00Z"}`},
		{args: "rollback pay --to-index 12 --dry-run", stdout: twoChanges, stderr: "would roll back all of pay to event 12: 2 changes\n", change: `POST /api/v1/namespaces/pay/rollback?dry_run=true {"toIndex":12}`},
		{args: "rollback pay same --to-version 1 --dry-run", stderr: "nothing to do: everything is so already\n", change: `POST /api/v1/namespaces/pay/rollback/same?dry_run=true {"toVersion":1}`},
		{args: "rollback pay same --to-version 1 --yes", stderr: "nothing was done: everything is so already\n", change: `POST /api/v1/namespaces/pay/rollback/same {"toVersion":1}`},
		{
			args: "rollback approved --to-index 12 --yes", stdout: "01REQ\n", change: `POST /api/v1/namespaces/approved/rollback {"toIndex":12}`,
			stderr: twoChanges + "submitted as a publish request, 2 changes; see it with: confman request show 01REQ\n",
		},
		{args: "rollback --request 01OLD --comment why --yes -q", change: `POST /api/v1/publish-requests/01OLD/rollback {"comment":"why"}`},
		{args: "revert 12-9f3c2a1b --yes", stderr: twoChanges + twoDone, change: `POST /api/v1/revert {"index":12}`},
		{args: "revert --request 01OLD --comment why --dry-run -q", stdout: twoChanges, change: `POST /api/v1/revert?dry_run=true {"request":"01OLD","comment":"why"}`},
		{
			args: "revert 12 --yes --idempotency-key conflict", code: 4, change: `POST /api/v1/revert {"index":12}`,
			stderr: "confman: later changes touched the same keys as event 12:\n  pay/pool was changed by bo at event 44\n  /changes/1\n" +
				"confman: event 12 was not reverted, nothing changed; revert the later changes first, or take the keys back beyond them with confman rollback\n",
		},
		{args: "promote stage pay --dry-run --delete --keys a,db.*", stdout: twoChanges, stderr: "would promote stage to pay: 2 changes\n", change: `POST /api/v1/promote?dry_run=true {"from":"stage","to":"pay","keys":["a","db.*"],"delete":true}`},
		{
			args: "promote stage pay --comment rel --publish-at 2026-01-31T12:00:00Z", stdout: "01REQ\n", stderr: twoChanges + "submitted as a publish request, 2 changes; see it with: confman request show 01REQ\n",
			change: `POST /api/v1/promote {"from":"stage","to":"pay","comment":"rel","publishAt":"2026-01-31T12:00:00Z"}`,
		},
		{args: "diff pay pay"},
		{args: "diff stage@40 pay", code: 1, stdout: "~ pay/pool (number, version 7)\n    - 1\n    + 2\n+ pay/db.url (number)\n    + 5\n", stderr: "2 differences from stage at 40 to pay at 42\n"},
		{args: "diff stage pay --keys db.*", code: 1, stdout: "+ pay/db.url (number)\n    + 5\n", stderr: "1 difference from stage at 40 to pay at 42\n"},
		{args: "diff stage pay --keys db"},

		{args: "rollback pay --to-index 12", code: 2, stderr: "confman: to roll back all of pay to event 12 without a terminal to ask on, add --yes\nhint: confman rollback --help\n"},
		{args: "rollback pay", code: 2, stderr: "confman: say where to go back to: one of --to-version, --to-index, --to-time and --request\nhint: confman rollback --help\n"},
		{args: "rollback pay k --to-version 1 --to-index 2", code: 2, stderr: "confman: say where to go back to: one of --to-version, --to-index, --to-time and --request\nhint: confman rollback --help\n"},
		{args: "rollback pay --to-version 1", code: 2, stderr: "confman: --to-version is for one key, and versions begin at 1; for a namespace there are --to-index and --to-time\nhint: confman rollback --help\n"},
		{args: "rollback --to-index 1", code: 2, stderr: "confman: say which namespace: confman rollback NS [KEY] [flags]\nhint: confman rollback --help\n"},
		{args: "rollback pay --request 01OLD", code: 2, stderr: "confman: --request names the keys already; leave \"pay\" out\nhint: confman rollback --help\n"},
		{args: "revert", code: 2, stderr: "confman: say what to undo: the INDEX of an event, or --request ID\nhint: confman revert --help\n"},
		{args: "revert x", code: 2, stderr: "confman: \"x\" is no event index: want a number such as 1042 (confman history and confman events show them)\nhint: confman revert --help\n"},
		{args: "rollback forbidden k --to-version 1 --yes", code: 5, change: `POST /api/v1/namespaces/forbidden/rollback/k {"toVersion":1}`, stderr: "confman: roll back forbidden/k: 403 Forbidden: publisher needed on forbidden (correlation corr-1)\nhint: confman whoami shows what this key may do\n"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			s.changes = nil
			stdout, stderr, code := newShell(t, s).run(strings.Fields(test.args)...)
			if code != test.code {
				t.Errorf("exit %d, want %d", code, test.code)
			}
			if diff := cmp.Diff(test.stdout, stdout); diff != "" {
				t.Errorf("stdout (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.stderr, stderr); diff != "" {
				t.Errorf("stderr (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.change, strings.Join(s.changes, "\n")); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// A person sees both images of every key before anything is done.
func TestRollbackShowsAndAsks(t *testing.T) {
	const preview, deed = `POST /api/v1/namespaces/pay/rollback/pool?dry_run=true {"toVersion":3}`, `POST /api/v1/namespaces/pay/rollback/pool {"toVersion":3}`
	for reply, want := range map[string]struct {
		code    int
		stderr  string
		changes []string
	}{
		"y\n": {0, twoChanges + "Roll back pay/pool to version 3? [y/N] " + twoDone, []string{preview, deed}},
		"\n":  {1, twoChanges + "Roll back pay/pool to version 3? [y/N] confman: not confirmed; nothing was changed\n", []string{preview}},
	} {
		s := changeRoutes(t)
		sh := newShell(t, s)
		sh.stdin, sh.interactive = reply, true
		stdout, stderr, code := sh.run("rollback", "pay", "pool", "--to-version", "3")
		if code != want.code || stdout != "" {
			t.Errorf("%q: exit %d, stdout %q", reply, code, stdout)
		}
		if diff := cmp.Diff(want.stderr, stderr); diff != "" {
			t.Errorf("%q (-want +got):\n%s", reply, diff)
		}
		if diff := cmp.Diff(want.changes, s.changes); diff != "" {
			t.Errorf("%q (-want +got):\n%s", reply, diff)
		}
	}
}

func TestChangesAreForMachinesToo(t *testing.T) {
	s := changeRoutes(t)
	stdout, _, code := newShell(t, s).run("rollback", "approved", "--to-index", "12", "--yes", "-o", "json")
	var done wire.Changed
	if err := json.Unmarshal([]byte(stdout), &done); err != nil || code != 0 || done.Request != "01REQ" || len(done.Changes) != 2 {
		t.Errorf("exit %d, %v, %s", code, err, stdout)
	}
	stdout, _, code = newShell(t, s).run("diff", "stage", "pay", "--keys", "pool", "-o", "json")
	var found wire.Diff
	if err := json.Unmarshal([]byte(stdout), &found); err != nil || code != 1 || len(found.Changes) != 1 || found.Equal != 3 {
		t.Errorf("exit %d, %v, %s", code, err, stdout)
	}
}

// What a hook is told is about the event, not about the commands in the hook.
func TestAHookMayRollBack(t *testing.T) {
	s := changeRoutes(t)
	sh := newShell(t, s)
	sh.setenv("CONFMAN_REQUEST=01OTHER")
	if _, stderr, code := sh.run("rollback", "pay", "--to-index", "12", "--yes", "-q"); code != 0 || stderr != "" {
		t.Errorf("exit %d, %s", code, stderr)
	}
	if diff := cmp.Diff([]string{`POST /api/v1/namespaces/pay/rollback {"toIndex":12}`}, s.changes); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}
