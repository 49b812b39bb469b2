package cli_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rs/zerolog"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
	"confman/replication/disk"
)

// someBackup is the bytes of a backup, of rows that mean nothing, and its position.
func someBackup(t *testing.T) (content []byte, position string) {
	t.Helper()
	store, err := disk.Open(disk.Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Write([]projections.Row{{Key: []byte("k"), Value: bytes.Repeat([]byte("\x00row\xff"), 60_000), Index: 42}}); err != nil {
		t.Fatal(err)
	}
	chain := events.Chain{0x9f, 0x3c, 0x2a, 0x1b}
	var b bytes.Buffer
	if err := store.CopyOf(&b, disk.Header{Cluster: "c", Position: disk.Position{Index: 42, Chain: chain.String()}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), chain.At(42).String()
}

// backupNode answers with a backup, whole or, while it is broken, a part of it and
// then nothing.
type backupNode struct {
	content  []byte
	position string
	broken   atomic.Bool
	other    atomic.Bool // the backup that was begun cannot be made any more
	resumed  atomic.Int64
}

func (n *backupNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, span := 0, r.Header.Get("Range")
	if span != "" {
		n.resumed.Add(1)
		_, _ = fmt.Sscanf(span, "bytes=%d-", &from)
		sum := sha256.Sum256(n.content[:from])
		if n.other.Load() || hex.EncodeToString(sum[:]) != r.Header.Get(wire.HeaderPrefixSHA256) {
			w.Header().Set("Content-Type", wire.MediaProblem)
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		if n.broken.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
	}
	w.Header().Set("Content-Type", wire.MediaBinary)
	w.Header().Set(wire.HeaderPosition, n.position)
	if from > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	if n.broken.Load() {
		_, _ = w.Write(n.content[:100_000])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(n.content[from:])
}

func newBackupNode(t *testing.T) (*backupNode, *shell) {
	t.Helper()
	n := &backupNode{}
	n.content, n.position = someBackup(t)
	return n, newShell(t, newRoutes(t, map[string]any{"GET /api/v1/cluster/backup": http.HandlerFunc(n.ServeHTTP)}))
}

// inDir is what lies in a directory.
func inDir(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestBackupIsWholeOrNotThere(t *testing.T) {
	n, s := newBackupNode(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "b")
	n.broken.Store(true)
	if _, _, code := s.run("backup", file, "--resume=false", "--timeout", "300ms"); code != 6 {
		t.Errorf("a backup that broke off: exit %d", code)
	}
	if left := inDir(t, dir); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	n.broken.Store(false)
	stdout, stderr, code := s.run("backup", file)
	data, err := os.ReadFile(file)
	if code != 0 || stdout != n.position+"\n" || !strings.Contains(stderr, "written to "+file) || err != nil || !bytes.Equal(data, n.content) {
		t.Errorf("exit %d, %d bytes, %v: %s%s", code, len(data), err, stdout, stderr)
	}
	if info, _ := os.Stat(file); info.Mode() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	if _, stderr, code := s.run("backup", file); code != 1 || !strings.Contains(stderr, "--force") {
		t.Errorf("over another: exit %d, %s", code, stderr)
	}
	n.broken.Store(true)
	if _, _, code := s.run("backup", file, "--force", "--timeout", "300ms", "--resume=false"); code != 6 {
		t.Errorf("a backup that broke off: exit %d", code)
	}
	if data, _ := os.ReadFile(file); !bytes.Equal(data, n.content) {
		t.Error("a backup that broke off took the place of a whole one")
	}
	n.broken.Store(false)
	if _, stderr, code := s.run("backup", file, "--force", "-q"); code != 0 || stderr != "" {
		t.Errorf("with --force: exit %d, %s", code, stderr)
	}
	if stdout, stderr, code := s.run("backup", "-"); code != 0 || stdout != string(n.content) || stderr != "backup as of event "+n.position+"\n" {
		t.Errorf("to stdout: exit %d, %d bytes, %s", code, len(stdout), stderr)
	}
	if left := inDir(t, dir); len(left) != 1 {
		t.Errorf("beside it is %v", left)
	}
}

func TestABackupGoesOnWithWhatAnEarlierCommandLeft(t *testing.T) {
	n, s := newBackupNode(t)
	for name, c := range map[string]struct {
		between func(part string)
		resumed int64
		says    string
	}{
		"as it was left":            {func(string) {}, 1, "going on with"},
		"when it is another now":    {func(string) { n.other.Store(true) }, 1, "beginning anew"},
		"two days later":            {func(part string) { _ = os.Chtimes(part, time.Time{}, time.Now().Add(-48*time.Hour)) }, 0, ""},
		"that is of something else": {func(part string) { _ = os.WriteFile(part, []byte("something else"), 0o600) }, 0, ""},
		"with --resume=false":       {nil, 0, ""},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "b")
		n.broken.Store(true)
		_, stderr, code := s.run("backup", file, "--timeout", "300ms")
		info, err := os.Stat(file + ".part")
		if code != 6 || err != nil || info.Size() != 100_000 || info.Mode() != 0o600 || !strings.Contains(stderr, "the same command goes on from there") {
			t.Fatalf("%s: exit %d, %v: %s", name, code, err, stderr)
		}
		n.broken.Store(false)
		n.resumed.Store(0)
		args := []string{"backup", file}
		if c.between == nil {
			args = append(args, "--resume=false")
		} else {
			c.between(file + ".part")
		}
		stdout, stderr, code := s.run(args...)
		data, _ := os.ReadFile(file)
		if code != 0 || stdout != n.position+"\n" || !bytes.Equal(data, n.content) || !strings.Contains(stderr, c.says) || n.resumed.Load() != c.resumed {
			t.Errorf("%s: exit %d, %d bytes, resumed %d times: %s", name, code, len(data), n.resumed.Load(), stderr)
		}
		if left := inDir(t, dir); len(left) != 1 {
			t.Errorf("%s: beside it is %v", name, left)
		}
		n.other.Store(false)
	}
}

func TestABackupIsEncryptedToItsRecipients(t *testing.T) {
	n, s := newBackupNode(t)
	dir := t.TempDir()
	first, second := newIdentity(t), newIdentity(t)
	file, keys := filepath.Join(dir, "b.age"), filepath.Join(dir, "recipients")
	if err := os.WriteFile(keys, []byte("# the vault\n"+second.Recipient().String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, code := s.run("backup", file, "--recipient", first.Recipient().String(), "--recipients-file", keys); code != 0 || stdout != n.position+"\n" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	sealed, err := os.ReadFile(file)
	if err != nil || bytes.Contains(sealed, []byte("row\xff\x00row")) {
		t.Fatalf("%d bytes, %v: a row is in it", len(sealed), err)
	}
	for _, id := range []age.Identity{first, second} {
		opened, err := age.Decrypt(bytes.NewReader(sealed), id)
		if err != nil {
			t.Fatal(err)
		}
		var plain bytes.Buffer
		if _, err := plain.ReadFrom(opened); err != nil || !bytes.Equal(plain.Bytes(), n.content) {
			t.Errorf("%d bytes, %v", plain.Len(), err)
		}
	}
	for _, wrong := range []string{first.String(), "age1nonsense", "ssh-ed25519 AAAA"} {
		_, stderr, code := s.run("backup", filepath.Join(dir, "c"), "--recipient", wrong)
		if code != 2 || strings.Contains(stderr, first.String()) {
			t.Errorf("recipient %.12s…: exit %d, %s", wrong, code, stderr)
		}
	}
	identity := filepath.Join(dir, "key.txt")
	if err := os.WriteFile(identity, []byte("# mine\n"+first.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.txt")
	if err := os.WriteFile(other, []byte(newIdentity(t).String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ identity, says string }{
		{"", "give --identity FILE"}, {other, "to other keys"}, {file, "want an X25519 secret key"}, {identity, "cannot be"},
	} {
		for _, command := range [][]string{
			{"backup", "verify", file}, {"restore", file, "--data", filepath.Join(dir, "data"), "--id", "r1", "--advertise", "127.0.0.1:6100"},
		} {
			if c.identity != "" {
				command = append(command, "--identity", c.identity)
			}
			stdout, stderr, code := s.run(command...)
			if says := c.says; c.identity == identity { // opened, and found to hold no history
				if code != 1 || !strings.Contains(stdout+stderr, "dropped") {
					t.Errorf("%v: exit %d, %s%s", command, code, stdout, stderr)
				}
			} else if code != 1 || !strings.Contains(stderr, says) || strings.Contains(stderr, "AGE-SECRET-KEY-1"+first.String()[16:]) {
				t.Errorf("%v: exit %d, want %q: %s", command, code, says, stderr)
			}
		}
	}
}

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestARestoreSaysWhatItLacks(t *testing.T) {
	_, s := newBackupNode(t)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"restore", "b", "--id", "r1", "--advertise", "h:1"}, "--data is missing"},
		{[]string{"restore", "b", "--data", "d", "--advertise", "h:1"}, "--id is missing"},
		{[]string{"restore", "b", "--data", "d", "--id", "r1"}, "--advertise is missing"},
		{[]string{"restore", "--data", "d"}, "too few arguments"},
	} {
		if _, stderr, code := s.run(c.args...); code != 2 || !strings.Contains(stderr, c.says) {
			t.Errorf("%v: exit %d, %s", c.args, code, stderr)
		}
	}
	if _, stderr, code := s.run("restore", "/none/b", "--data", "d", "--id", "r1", "--advertise", "h:1"); code != 1 || !strings.Contains(stderr, "no such file") {
		t.Errorf("of no file: exit %d, %s", code, stderr)
	}
}
