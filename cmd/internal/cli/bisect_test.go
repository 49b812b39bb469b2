package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"confman/api/client"
	"confman/api/wire"
)

// found is what bisect -o json prints.
type found struct {
	Changes int `json:"changes"`
	Runs    []struct {
		Index   uint64 `json:"index"`
		Verdict string `json:"verdict"`
		Exit    int    `json:"exit"`
		Why     string `json:"why"`
	} `json:"runs"`
	Suspects []struct {
		First  uint64 `json:"first"`
		Last   uint64 `json:"last"`
		Events int    `json:"events"`
	} `json:"suspects"`
	Events  []wire.AuditEvent    `json:"events"`
	Request *wire.PublishRequest `json:"request"`
}

// bisects runs bisect with a shell script as its check.
func (p person) bisects(code int, script string, args ...string) (f found, stderr string) {
	p.t.Helper()
	args = append(append([]string{"bisect", "-o", "json"}, args...), "--", "/bin/sh", "-c", script)
	stdout, stderr, got := p.run(args...)
	if got != code {
		p.t.Fatalf("%v: exit %d, want %d\n%s%s", args, got, code, stdout, stderr)
	}
	if stdout != "" {
		if err := json.Unmarshal([]byte(stdout), &f); err != nil {
			p.t.Fatalf("%v: %s", err, stdout)
		}
	}
	return f, stderr
}

// Among 10,000 changes a planted bad one is found in 14 runs of the check.
func TestBisectFindsOneBadChangeAmongTenThousand(t *testing.T) {
	admin, s := solo(t)
	good := s.Set("shop", "url", "https://shop")
	const changes, culprit = 10_000, 6_789
	planted := uint64(0)
	for i := range changes {
		if i == culprit {
			planted = s.Set("shop", "url", "http://shop")
			continue
		}
		s.Set("shop", "n", i)
	}
	f, _ := admin.bisects(0, `case $(cat "$CONFMAN_DIR/url") in https:*) ;; *) exit 1;; esac; [ "$url" = "$(cat "$CONFMAN_DIR/url")" ]`, "--good", fmt.Sprint(good), "shop")
	if f.Changes != changes || len(f.Runs) > 14 || len(f.Suspects) != 1 || f.Suspects[0].Last != planted || len(f.Events) != 1 || *f.Events[0].NewValue != "http://shop" {
		t.Errorf("of %d changes event %d is bad; %d runs found %+v of %d: %+v", changes, planted, len(f.Runs), f.Suspects, f.Changes, f.Events)
	}
	told, stderr := admin.does(0, "bisect", "shop", "--good", fmt.Sprint(planted-3), "--bad", fmt.Sprint(planted+3), "--verify-ends", "--", "sh", "-c", `echo looking; grep -q https: "$CONFMAN_DIR/url"`)
	for _, want := range []string{fmt.Sprintf("broken by   event %d\n", planted), "~ shop/url\n    - https://shop\n    + http://shop"} {
		if !strings.Contains(told, want) {
			t.Errorf("no %q in\n%s", want, told)
		}
	}
	for _, want := range []string{"6 changes between", "at most 3 runs", "looking\n", fmt.Sprintf("event %d: good (exit 0, ", planted-3), fmt.Sprintf("event %d: bad (exit 1, ", planted+3)} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in\n%s", want, stderr)
		}
	}
}

// What a namespace inherits breaks it as well as what it has itself, and what
// happens elsewhere does not.
func TestBisectLooksAboveAndNotBeside(t *testing.T) {
	admin, s := solo(t)
	s.Set("shop", "own", 1)
	good := s.Set("shop/eu", "own", 1)
	s.Set("shop/us", "x", 1)
	s.Set("shopping", "x", 1)
	bad := s.Set("shop", "rate", 9)
	s.Set("shop/eu", "own", 2)
	s.Set("shop", "own", 3) // hidden by shop/eu
	f, _ := admin.bisects(0, `[ ! -e "$CONFMAN_DIR/rate" ]`, "--good", fmt.Sprint(good), "shop/eu")
	if f.Changes != 3 || len(f.Suspects) != 1 || f.Suspects[0].Last != bad {
		t.Errorf("event %d is bad; found %+v of %d", bad, f.Suspects, f.Changes)
	}
	at, _ := admin.bisects(0, `[ "$CONFMAN_NAMESPACE" = shop/eu ] && [ "$own" != 2 ]`, "--good", fmt.Sprint(good), "-n", "shop/eu")
	if len(at.Events) != 1 || at.Events[0].Namespace != "shop/eu" {
		t.Errorf("found %+v", at.Events)
	}
}

func TestBisectKeepsTransactionsWhole(t *testing.T) {
	admin, s := solo(t)
	good := s.Set("shop", "a", 0)
	c, err := client.New(client.Config{Endpoints: []string{s.URL}, Key: s.Key})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 5 {
		set := []wire.SetOperation{}
		for _, key := range []string{"a", "b", "c"} {
			set = append(set, wire.SetOperation{Namespace: "shop", Key: key, Value: json.RawMessage(fmt.Sprint(i + 1))})
		}
		if _, err := c.Transact(t.Context(), wire.Transaction{Set: set}, client.Write{}); err != nil {
			t.Fatal(err)
		}
	}
	f, _ := admin.bisects(0, `[ "$a" = 0 ] || { [ "$a" = "$b" ] && [ "$a" = "$c" ] && [ "$c" -lt 4 ]; }`, "--good", fmt.Sprint(good), "shop")
	if f.Changes != 5 || len(f.Suspects) != 1 || f.Suspects[0].Events != 3 || len(f.Events) != 3 || *f.Events[0].NewValue != "4" {
		t.Errorf("found %+v of %d: %+v", f.Suspects, f.Changes, f.Events)
	}
}

func TestBisectNamesThePublishRequest(t *testing.T) {
	admin, ana, bo := office(t)
	started, _ := admin.does(0, "get", "pay", "pool", "-o", "json")
	var good wire.ConfigEntry
	if err := json.Unmarshal([]byte(started), &good); err != nil {
		t.Fatal(err)
	}
	bad := ""
	for i := range 6 {
		id, _ := ana.does(0, "request", "submit", "pay", "--set", fmt.Sprintf("pool:number=%d", 10+i), "--set", fmt.Sprintf("name=v%d", i), "--comment", fmt.Sprintf("step %d", i), "-q")
		bo.does(0, "request", "approve", id, "--yes", "--comment", "looks fine")
		if i == 3 {
			bad = id
		}
	}
	for by, changes := range map[string]int{"event": 7, "request": 6} { // settings were changed before the first
		f, _ := admin.bisects(0, `[ "$pool" -lt 13 ]`, "--good", fmt.Sprint(good.Index), "--by", by, "pay")
		if f.Changes != changes || f.Request == nil || f.Request.ID != bad || len(f.Events) != 2 {
			t.Errorf("by %s: request %s is bad; found %+v in %d changes, %+v", by, bad, f.Request, f.Changes, f.Events)
		}
	}
	told, _ := admin.does(0, "bisect", "pay", "--good", fmt.Sprint(good.Index), "--", "sh", "-c", `[ "$pool" -lt 13 ]`)
	for _, want := range []string{"publish request " + bad, "by ana: step 3", "by bo: looks fine", "~ pay/pool\n    - 12\n    + 13"} {
		if !strings.Contains(told, want) {
			t.Errorf("no %q in\n%s", want, told)
		}
	}
}

// A state that cannot be told, or cannot be had as files or variables, is passed
// over; what could not be told apart is named.
func TestBisectSaysWhatItCouldNotTellApart(t *testing.T) {
	admin, s := solo(t)
	good := s.Set("shop", "n", 0)
	for i := 1; i <= 8; i++ {
		if i == 3 {
			s.Set("shop", "n/below", 1) // n cannot be a file and a directory
		}
		if i == 5 {
			s.Delete("shop", "n/below")
		}
		s.Set("shop", "n", i)
	}
	f, stderr := admin.bisects(1, `[ "$n" -lt 4 ]`, "--good", fmt.Sprint(good), "shop")
	if len(f.Suspects) != 4 || !strings.Contains(stderr, "a path cannot be a file and a directory") || !strings.Contains(stderr, "could not tell 4 changes apart") {
		t.Errorf("suspects %+v\n%s", f.Suspects, stderr)
	}
	f, _ = admin.bisects(1, `[ "$n" -eq 6 ] && exit 125; [ "$n" -lt 7 ]`, "--good", fmt.Sprint(good+6), "shop")
	if len(f.Suspects) != 2 || *f.Events[0].NewValue != "6" || f.Runs[0].Verdict != "skip" || f.Runs[0].Exit != 125 {
		t.Errorf("suspects %+v after %+v", f.Suspects, f.Runs)
	}
}

func TestBisectEndsWhenTheCheckIsBroken(t *testing.T) {
	admin, s := solo(t)
	good := fmt.Sprint(s.Set("shop", "n", 0))
	for i := range 4 {
		s.Set("shop", "n", i+1)
	}
	full := filepath.Join(t.TempDir(), "full")
	if err := os.MkdirAll(filepath.Join(full, "mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"killed", []string{"--good", good, "shop", "--", "sh", "-c", "kill -9 $$"}, 1, "exit code 137"},
		{"no command", []string{"--good", good, "shop", "--", "no-such-command"}, 127, "no-such-command"},
		{"nothing to run", []string{"--good", good, "shop"}, 2, "after --"},
		{"nothing after the dashes", []string{"--good", good, "shop", "--"}, 2, "after --"},
		{"no good state", []string{"shop", "--", "true"}, 2, "--good is missing"},
		{"swapped", []string{"--good", "now", "--bad", good, "shop", "--", "true"}, 2, "has to be before"},
		{"good is bad", []string{"--good", good, "shop", "--verify-ends", "--", "false"}, 1, "is said to be good, and the check says bad"},
		{"nothing changed", []string{"--good", good, "elsewhere", "--", "true"}, 3, "nothing that you may see changed in elsewhere"},
		{"somebody's directory", []string{"--good", good, "shop", "--dir", full, "--", "true"}, 1, "is not empty"},
		{"not a moment", []string{"--good", "once", "shop", "--", "true"}, 2, "want an event index"},
	}
	for _, test := range tests {
		if _, stderr := admin.does(test.code, append([]string{"bisect"}, test.args...)...); !strings.Contains(stderr, test.want) {
			t.Errorf("%s: no %q in\n%s", test.name, test.want, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(full, "mine")); err != nil {
		t.Error("it touched what was in the directory:", err)
	}
}

func TestBisectLeavesNothingBehind(t *testing.T) {
	admin, s := solo(t)
	good := fmt.Sprint(s.Set("shop", "deep/n", 0))
	for i := range 8 {
		s.Set("shop", "deep/n", i+1)
	}
	temporary, dir := t.TempDir(), filepath.Join(t.TempDir(), "state")
	t.Setenv("TMPDIR", temporary)
	admin.bisects(0, `[ "$(cat "$CONFMAN_DIR/deep/n")" -lt 5 ]`, "--good", good, "shop")
	admin.bisects(0, `[ "$CONFMAN_DIR" = '`+dir+`' ] && [ "$(cat "$CONFMAN_DIR/deep/n")" -lt 5 ]`, "--good", good, "--dir", dir, "shop")
	for _, place := range []string{temporary, dir} {
		if left, err := os.ReadDir(place); err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v, %v", place, left, err)
		}
	}
}
