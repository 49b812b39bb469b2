package cli_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"confman/api"
	"confman/api/apitest"
	"confman/api/wire"
	"confman/cmd/internal/cli"
	"confman/events"
	"confman/events/proof"
)

// notary signs checkpoints as a node does, and checks what it has.
type notary struct {
	api.Writer
	api.Reader
	file string // with its key
}

func (n notary) Verify(_ context.Context, from, to uint64, progress func(uint64)) (wire.NodeVerification, error) {
	h, release := n.History(n.State().Index())
	defer release()
	if from, to = max(from, 1), max(to, 1); to == 1 {
		to = n.State().Index()
	}
	before := events.Chain{}
	if from > 1 {
		r, err := h.Record(from - 1)
		if err != nil {
			return wire.NodeVerification{}, err
		}
		before = r.Chain
	}
	v := proof.NewVerifier(proof.Options{Partial: true})
	v.Begin(from, before)
	for r, err := range h.Records(from) {
		if err != nil || r.Index > to {
			break
		}
		v.Record(r)
	}
	r := v.End()
	found := wire.NodeVerification{From: r.From, To: r.To, Position: r.Position().String(), Chain: r.Chain.String(), OK: r.OK()}
	for _, w := range r.Warnings {
		found.Warnings = append(found.Warnings, w.String())
	}
	return found, nil
}

func (n notary) SignCheckpoint(ctx context.Context, s events.Stamp) (events.Outcome, error) {
	data, err := os.ReadFile(n.file)
	if err != nil {
		return events.Outcome{}, err
	}
	keys, err := cli.CheckpointKeys(data)
	if err != nil {
		return events.Outcome{}, err
	}
	key := keys[0]
	public := key.Public().(ed25519.PublicKey)
	if now := ed25519.PublicKey(n.State().Cluster().CheckpointKey); !now.Equal(public) {
		change := events.CheckpointKeyChanged{PublicKey: public, KeyID: events.CheckpointKeyID(public)}
		if len(now) > 0 {
			change.Previous = events.CheckpointKeyID(now)
		}
		change.Signature = ed25519.Sign(key, change.Signed())
		if _, err := n.Submit(ctx, events.ChangeCheckpointKey{Change: change}, events.Stamp{Time: s.Time, ID: s.ID, Actor: events.System}); err != nil {
			return events.Outcome{}, err
		}
	}
	state := n.State()
	c := events.Checkpoint{Cluster: state.Cluster().ID, Index: state.Index(), Chain: state.Chain(), Time: s.Time.UTC(), KeyID: events.CheckpointKeyID(public)}
	c.Signature = ed25519.Sign(key, c.Signed())
	return n.Submit(ctx, events.CheckpointHistory{Checkpoint: c}, s)
}

// proving is a shell beside a server that signs with the key in the file
// checkpoint.key of the working directory.
func proving(t *testing.T) (*shell, *apitest.Server) {
	t.Helper()
	t.Chdir(t.TempDir())
	sh := &shell{t: t, environ: []string{"HOME=" + t.TempDir(), "PATH=/bin"}}
	id := strings.TrimSpace(sh.ok("audit", "checkpoint", "keygen", "checkpoint.key"))
	file, err := os.ReadFile("checkpoint.key")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := cli.CheckpointKeys(file)
	if err != nil || len(keys) != 1 || events.CheckpointKeyID(keys[0].Public().(ed25519.PublicKey)) != id {
		t.Fatalf("the key file has %v, %v, want %s", keys, err, id)
	}
	s := apitest.NewServer(t, func(c *api.Config) { c.Prover = notary{c.Writer, c.Reader, "checkpoint.key"} })
	sh.setenv("CONFMAN_ADDR=" + s.URL)
	sh.setenv("CONFMAN_API_KEY=" + s.Key)
	for i := range 20 {
		s.Set("pay", fmt.Sprintf("k%d", i%4), fmt.Sprintf("value %d", i))
	}
	return sh, s
}

// ok runs a command that must succeed and returns what it printed.
func (s *shell) ok(args ...string) string {
	s.t.Helper()
	stdout, stderr, code := s.run(args...)
	if code != 0 {
		s.t.Fatalf("confman %s: exit %d: %s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// wrong runs a command that must find something, and say so.
func (s *shell) wrong(says string, args ...string) {
	s.t.Helper()
	stdout, stderr, code := s.run(args...)
	if code != cli.ExitFailure || !strings.Contains(stdout, says) {
		s.t.Errorf("confman %s: exit %d: %s%s, want %q", strings.Join(args, " "), code, stdout, stderr, says)
	}
}

func alter(t *testing.T, path, from, to string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(data), from) {
		t.Fatalf("%s: %v, or without %q", path, err, from)
	}
	if err := os.WriteFile("altered", []byte(strings.Replace(string(data), from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAnExportIsCheckedWithoutTheServer(t *testing.T) {
	sh, s := proving(t)
	noted := s.Position()
	sh.ok("audit", "checkpoint", "--sign", "-o", "json")
	if err := os.WriteFile("kept.json", []byte(sh.ok("audit", "checkpoint", "-o", "json")), 0o600); err != nil {
		t.Fatal(err)
	}
	sh.ok("audit", "export", "history.ndjson.gz")
	sh.ok("audit", "export", "--to", "9", "one.ndjson")
	sh.ok("audit", "export", "--from", "10", "two.ndjson")
	sh.ok("audit", "verify", "--trust", "checkpoint.key.pub", "--position", noted)
	sh.setenv("CONFMAN_ADDR=http://127.0.0.1:1") // nobody
	for _, args := range [][]string{
		{"history.ndjson.gz"}, {"one.ndjson", "two.ndjson"}, {"--trust", "checkpoint.key.pub", "history.ndjson.gz"},
		{"--checkpoint", "kept.json", "--position", noted, "history.ndjson.gz"}, {"one.ndjson", "--partial"},
	} {
		if said := sh.ok(append([]string{"audit", "verify"}, args...)...); !strings.Contains(said, ": ok\n") {
			t.Errorf("%v: %s", args, said)
		}
	}
	sh.ok("audit", "checkpoint", "keygen", "other")
	alter(t, "one.ndjson", "value 3", "value 4")
	sh.wrong(": altered: ", "audit", "verify", "altered")
	sh.wrong("they come in order", "audit", "verify", "two.ndjson", "one.ndjson") // the wrong way round
	sh.wrong("signed by an untrusted key", "audit", "verify", "--trust", "other.pub", "history.ndjson.gz")
	sh.wrong("re-chained", "audit", "verify", "--position", "5-00000000", "history.ndjson.gz")
	sh.wrong("cut short", "audit", "verify", "--position", noted, "one.ndjson")
	packed, err := os.ReadFile("history.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("cut.gz", packed[:len(packed)*2/3], 0o600); err != nil {
		t.Fatal(err)
	}
	sh.wrong("cut short", "audit", "verify", "cut.gz")
	for _, args := range [][]string{{"--position", "5", "one.ndjson"}, {"--from", "3", "one.ndjson"}} {
		if _, stderr, code := sh.run(append([]string{"audit", "verify"}, args...)...); code != cli.ExitUsage {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
	var reports []struct {
		Files    []string
		OK       bool
		Findings []proof.Finding
	}
	stdout, _, _ := sh.run("audit", "verify", "-o", "json", "altered")
	if err := json.Unmarshal([]byte(stdout), &reports); err != nil || len(reports) != 1 || reports[0].OK || len(reports[0].Findings) != 1 {
		t.Errorf("%s, %v", stdout, err)
	}
	if _, stderr, code := sh.run("audit", "checkpoint", "keygen", "other"); code == 0 || !strings.Contains(stderr, "exists") {
		t.Errorf("a key was replaced: %s", stderr)
	}
}

func TestOneEventIsProvedByItself(t *testing.T) {
	sh, _ := proving(t)
	if said := sh.ok("audit", "proof", "7", "--out", "p.ndjson"); !strings.Contains(said, "no checkpoint covers it yet") {
		t.Errorf("before a checkpoint: %s", said)
	}
	sh.ok("audit", "checkpoint", "--sign")
	said := sh.ok("audit", "proof", "7", "--out", "p.ndjson", "--force")
	if !strings.Contains(said, "event 7-") || !strings.Contains(said, "whose chain is signed") {
		t.Errorf("%s", said)
	}
	said = sh.ok("audit", "verify", "--proof", "p.ndjson", "--trust", "checkpoint.key.pub")
	if !strings.Contains(said, "events 7 to") || !strings.Contains(said, "a key that is trusted") {
		t.Errorf("%s", said)
	}
	alter(t, "p.ndjson", `"actor":"apitest"`, `"actor":"nobody"`)
	sh.wrong("event 7: altered", "audit", "verify", "--proof", "altered", "--trust", "checkpoint.key.pub")
}

// The chain of an erased record cannot be recomputed, so whoever marks one as erased
// could write what they like.
func TestAForgeryThatIsMarkedAsErasedIsNotProved(t *testing.T) {
	sh, _ := proving(t)
	sh.ok("audit", "checkpoint", "--sign")
	sh.ok("audit", "proof", "7", "--out", "p.ndjson")
	data, err := os.ReadFile("p.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	lines[1] = strings.Replace(lines[1], `,"event":`, `,"erased":true,"event":`, 1)
	lines[1] = strings.Replace(lines[1], `"actor":"apitest"`, `"actor":"nobody"`, 1)
	last := len(lines) - 2
	sum := sha256.Sum256([]byte(strings.Join(lines[:last], "")))
	was := lines[last][strings.Index(lines[last], `"sha256":"`):]
	lines[last] = strings.Replace(lines[last], was, fmt.Sprintf("\"sha256\":\"%x\"}\n", sum), 1)
	if err := os.WriteFile("forged", []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	sh.wrong("forged: NOT PROVED: 1 event marked as erased", "audit", "verify", "--proof", "forged", "--trust", "checkpoint.key.pub")
}

// A checkpoint key that was lost must not make a history wrong for ever.
func TestAKeyThatWasLostIsAWarning(t *testing.T) {
	sh, _ := proving(t)
	sh.ok("audit", "checkpoint", "--sign")
	for from, to := range map[string]string{"checkpoint.key": "lost", "checkpoint.key.pub": "lost.pub"} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	id := strings.TrimSpace(sh.ok("audit", "checkpoint", "keygen", "checkpoint.key"))
	sh.ok("audit", "checkpoint", "--sign")
	sh.ok("audit", "export", "history.ndjson")
	warning := "not endorsed: the checkpoint key " + id + " replaces "
	for _, args := range [][]string{
		nil, {"--trust", "lost.pub", "--trust", "checkpoint.key.pub"},
		{"history.ndjson"}, {"--trust", "lost.pub", "--trust", "checkpoint.key.pub", "history.ndjson"},
	} {
		if said := sh.ok(append([]string{"audit", "verify"}, args...)...); strings.Count(said, "WARNING: event ") != 1 || !strings.Contains(said, warning) {
			t.Errorf("%v: %s, want once %s", args, said, warning)
		}
	}
	for _, args := range [][]string{{}, {"history.ndjson"}} {
		sh.wrong("signed by an untrusted key: the checkpoint key "+id, append([]string{"audit", "verify", "--trust", "lost.pub"}, args...)...)
	}
}

// What is left of an erased record is proved by its erasure, so the proof goes on
// up to that.
func TestAnErasedEventIsProvedUpToItsErasure(t *testing.T) {
	sh, s := proving(t)
	s.Set("pay", "db", "hunter2")
	index, _, _ := strings.Cut(s.Position(), "-")
	s.Set("pay", "db", "better")
	sh.ok("audit", "checkpoint", "--sign")
	sh.ok("audit", "erase", "pay", "db", "--version", "1", "--reason", "leaked", "--yes")
	if said := sh.ok("audit", "proof", index, "--out", "p.ndjson"); !strings.Contains(said, "checked here: ok") {
		t.Errorf("%s", said)
	}
	sh.ok("audit", "verify", "--proof", "p.ndjson", "--trust", "checkpoint.key.pub")
}

// memberAt is a member whose chain is another one from an event on; 0: never.
func memberAt(t *testing.T, id string, members *[]wire.Member, deviates uint64, wrong string) *httptest.Server {
	chain := func(index uint64) string {
		of := index
		if deviates > 0 && index >= deviates {
			of += 1 << 32
		}
		return fmt.Sprintf("%064x", of)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/cluster", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, wire.Cluster{ID: "c", Members: *members}) })
	mux.HandleFunc("GET /api/v1/audit/verify", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", wire.MediaNDJSON)
		from, to := uint64(1), uint64(1000)
		if given := r.URL.Query().Get("from"); given != "" {
			from, _ = strconv.ParseUint(given, 10, 64)
			to, _ = strconv.ParseUint(r.URL.Query().Get("to"), 10, 64)
		}
		found := wire.NodeVerification{Node: id, From: from, To: to, Chain: chain(to), Position: fmt.Sprintf("%d-%s", to, chain(to)[56:]), OK: wrong == "", Problem: wrong}
		for _, line := range []any{wire.Progress{At: to / 2, To: to}, found} {
			if err := json.NewEncoder(w).Encode(line); err != nil {
				t.Error(err)
			}
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestTheMemberThatDeviatesIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name           string
		deviates, gone [3]uint64
		wrong          string
		code           int
		says           string
	}{
		{name: "all agree", says: "n3       1      1000-000003e8   ok"},
		{name: "one deviates", deviates: [3]uint64{0, 637, 0}, code: 1, says: "n2       1      1000-000003e8   WRONG: differs from the others from event 637 on"},
		{name: "one says so itself", wrong: "event 12: altered: …", code: 1, says: "WRONG: event 12: altered"},
		{name: "one does not answer", gone: [3]uint64{0, 0, 1}, code: cli.ExitUnavailable, says: "not checked"},
	} {
		var members []wire.Member
		var addr string
		for i := range 3 {
			wrong := ""
			if i == 1 {
				wrong = tt.wrong
			}
			s := memberAt(t, fmt.Sprintf("n%d", i+1), &members, tt.deviates[i], wrong)
			members = append(members, wire.Member{ID: fmt.Sprintf("n%d", i+1), URL: s.URL + "/"})
			if i == 0 {
				addr = s.URL
			}
			if tt.gone[i] > 0 {
				s.Close()
			}
		}
		sh := &shell{t: t, environ: []string{"CONFMAN_ADDR=" + addr, "CONFMAN_API_KEY=k", "HOME=" + t.TempDir(), "PATH=/bin"}}
		stdout, stderr, code := sh.run("audit", "verify")
		if code != tt.code || !strings.Contains(stdout, tt.says) {
			t.Errorf("%s: exit %d:\n%s%s\nwant %d, %q", tt.name, code, stdout, stderr, tt.code, tt.says)
		}
	}
}

func TestABackupIsRecognisedByItsBeginning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b")
	if err := os.WriteFile(path, []byte("confman rows\nH\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	sh := &shell{t: t, environ: []string{"HOME=" + t.TempDir()}}
	for _, noun := range []string{"audit", "backup"} {
		if _, stderr, code := sh.run(noun, "verify", path); code != cli.ExitFailure || !strings.Contains(stderr, "verify backup") {
			t.Errorf("%s verify: exit %d: %s", noun, code, stderr)
		}
	}
	if _, stderr, code := sh.run("backup", "verify"); code != cli.ExitUsage || !strings.Contains(stderr, "too few arguments") {
		t.Errorf("without a file: exit %d: %s", code, stderr)
	}
}
