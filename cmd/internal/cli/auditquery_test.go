package cli_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"confman/api/wire"
)

// trail is a server with a small history: shop, what is below it, and web, by two
// people.
func trail(t *testing.T) (admin, ana person) {
	t.Helper()
	admin, _ = solo(t)
	key, _ := admin.does(0, "key", "create", "ana", "--grant", "/=editor")
	ana = person{&shell{t: t, environ: append(slices.Clone(admin.environ), "CONFMAN_API_KEY="+key)}, "ana"}
	admin.does(0, "set", "shop", "url", "http://a", "--comment", "first")
	ana.does(0, "set", "shop", "url", "http://b\n\"quoted\"", "--comment", "line\nbreak")
	admin.does(0, "set", "shop/eu", "n", "1", "--type", "number")
	admin.does(0, "set", "web", "title", "Shop")
	ana.does(0, "delete", "shop", "url", "--yes")
	return admin, ana
}

// asked are the events that a query prints as JSON: "action namespace/key".
func (p person) asked(args ...string) (events []wire.AuditEvent, names []string) {
	p.t.Helper()
	out, _ := p.does(0, append([]string{"audit", "query", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &events); err != nil {
		p.t.Fatal(err, out)
	}
	for _, e := range events {
		if e.Key != nil {
			names = append(names, strings.TrimPrefix(e.Action, "config.")+" "+e.Namespace+"/"+*e.Key)
		}
	}
	return events, names
}

func TestAuditAnswersWhoDidWhatWhen(t *testing.T) {
	admin, _ := trail(t)
	all, _ := admin.asked("--action", "config.*", "--reverse")
	at := func(i int) string { return fmt.Sprint(all[i].Index) }
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"--action", "config.*"}, "deleted shop/url, created web/title, created shop/eu/n, updated shop/url, created shop/url"},
		{[]string{"--action", "config.*", "--reverse", "--limit", "2"}, "created shop/url, updated shop/url"},
		{[]string{"shop", "--action", "config.created,config.deleted"}, "deleted shop/url, created shop/eu/n, created shop/url"},
		{[]string{"shop", "--exact"}, "deleted shop/url, updated shop/url, created shop/url"},
		{[]string{"-n", "shop", "--key", "url", "--actor", "ana"}, "deleted shop/url, updated shop/url"},
		{[]string{"--since", at(2), "--until", at(3)}, "created web/title, created shop/eu/n"},
		{[]string{"--after", at(2), "--before", at(4)}, "created web/title"},
		{[]string{"--since", at(3), "--until", at(4)}, "deleted shop/url, created web/title"}, // up to the newest
		{[]string{"--since", at(3) + "-" + strings.Split(all[3].Position, "-")[1], "--until", "now"}, "deleted shop/url, created web/title"},
		{[]string{"--action", "config.*", "--since", "1h"}, "deleted shop/url, created web/title, created shop/eu/n, updated shop/url, created shop/url"},
		{[]string{"--action", "config.*", "--until", "yesterday"}, ""},
		{[]string{"--correlation", all[1].CorrelationID}, "updated shop/url"},
		{[]string{"--action", "config.*", "--actor", "nobody"}, ""},
	}
	for _, test := range tests {
		if _, names := admin.asked(test.args...); strings.Join(names, ", ") != test.want {
			t.Errorf("audit query %v: %v\nwant %s", test.args, names, test.want)
		}
	}
	for _, args := range [][]string{{"shop", "-n", "shop"}, {"--key", "url"}, {"--since", "7", "--after", "7"}, {"--until", "7", "--before", "7"}, {"--limit", "-1"}, {"--since", "someday"}, {"-o", "raw"}} {
		admin.does(2, append([]string{"audit", "query"}, args...)...)
	}
}

func TestAuditTableShowsBothValues(t *testing.T) {
	admin, _ := trail(t)
	out, _ := admin.does(0, "audit", "query", "shop", "--action", "config.*")
	for _, want := range []string{`http://a → http://b\n"quoted"`, `http://b\n"quoted" → deleted`, "TIME", "CHANGE"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestAuditExportsAreWhole(t *testing.T) {
	admin, _ := trail(t)
	every, _ := admin.asked("--limit", "0", "--reverse")
	dir := t.TempDir()
	file := filepath.Join(dir, "trail")
	read := func(format string, args ...string) []byte {
		t.Helper()
		args = append([]string{"audit", "query", "--reverse", "-o", format, "--out", file}, args...)
		if out, stderr := admin.does(0, args...); out != "" || !strings.Contains(stderr, " event") {
			t.Errorf("%v: %s%s", args, out, stderr)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if lines := bytes.Count(read("ndjson"), []byte("\n")); lines != len(every) {
		t.Errorf("%d lines of NDJSON, want %d", lines, len(every))
	}
	rows, err := csv.NewReader(bytes.NewReader(read("csv"))).ReadAll()
	if err != nil || len(rows) != len(every)+1 {
		t.Errorf("%d rows of CSV, want %d and the header; %v", len(rows), len(every), err)
	}
	rows, err = csv.NewReader(bytes.NewReader(read("csv", "shop", "--key", "url", "--limit", "2"))).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Errorf("%d rows of CSV, want 2 and the header; %v", len(rows), err)
	}
	if lines := bytes.Count(read("ndjson", "--limit", "3"), []byte("\n")); lines != 3 {
		t.Errorf("%d lines of NDJSON, want 3", lines)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left beside the file: %v", left)
	}
}

// Without -o the name of the file says what it is to be.
func TestAuditFilesAreWhatTheirNamesSay(t *testing.T) {
	admin, _ := trail(t)
	dir := t.TempDir()
	for name, begins := range map[string]string{"a.csv": "index,position,", "a.ndjson": `{"timestamp":`, "a.json": "[\n", "a.yaml": "- timestamp:", "a.txt": "TIME ", "csv": "TIME "} {
		file := filepath.Join(dir, name)
		admin.does(0, "audit", "query", "--out", file)
		if data, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(data), begins) {
			t.Errorf("%s: %.80s, %v", name, data, err)
		}
	}
	admin.does(0, "audit", "query", "--out", filepath.Join(dir, "b.csv"), "-o", "ndjson")
	if data, err := os.ReadFile(filepath.Join(dir, "b.csv")); err != nil || !strings.HasPrefix(string(data), "{") {
		t.Errorf("-o decides: %.80s, %v", data, err)
	}
}

// What breaks off leaves the file that was there.
func TestAuditExportThatFailsChangesNothing(t *testing.T) {
	s := newRoutes(t, map[string]any{"GET /api/v1/audit": breaksOff(wire.MediaCSV, "index\n1\n2\n")})
	dir := t.TempDir()
	file := filepath.Join(dir, "trail")
	if err := os.WriteFile(file, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, code := newShell(t, s).run("audit", "query", "-o", "csv", "--out", file); code == 0 {
		t.Error("it succeeded")
	}
	data, _ := os.ReadFile(file)
	if left, _ := os.ReadDir(dir); string(data) != "before" || len(left) != 1 {
		t.Errorf("the file has %q, beside it is %v", data, left)
	}
}

// breaksOff answers with a beginning, and then the connection is cut.
func breaksOff(media, beginning string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", media)
		_, _ = w.Write([]byte(beginning))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}
