package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rs/zerolog"

	"confman/events"
	"confman/events/proof"
	"confman/replication"
)

// copies gives out a backup that was made once.
type copies struct {
	content []byte
	at      events.Position
	fails   error
}

func (c *copies) Backup(_ context.Context, w io.Writer, _ uint64, begin func(events.Position)) error {
	begin(c.at)
	_, err := w.Write(c.content)
	return errors.Join(err, c.fails)
}

// copiesOf is the backup of a node that runs.
func copiesOf(t *testing.T, n *node) *copies {
	t.Helper()
	c := &copies{}
	var b bytes.Buffer
	if err := n.running.node.Backup(t.Context(), &b, 0, func(p events.Position) { c.at = p }); err != nil {
		t.Fatal(err)
	}
	c.content = b.Bytes()
	return c
}

func makingBackups(t *testing.T, from backupSource, now func() time.Time, change func(*BackupOptions)) *backups {
	t.Helper()
	o := Options{Node: NodeOptions{ID: "n1"}, Backups: BackupOptions{Dir: t.TempDir(), Interval: time.Hour, Keep: 3}}
	if change != nil {
		change(&o.Backups)
	}
	b, err := newBackups(o, Env{Log: zerolog.Nop(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	b.node = from
	return b
}

func filesIn(t *testing.T, dir string) (names []string) {
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

func TestBackupsAreMadeVerifiedAndOnlyTheirOwnArePruned(t *testing.T) {
	c := start(t, 1, nil)
	source := copiesOf(t, c.nodes[0])
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	b := makingBackups(t, source, func() time.Time { return now }, nil)
	foreign := []string{"confman-7-20200101T000000Z.backup.mine", "confman.backup", "other-1-20200101T000000Z.backup", "confman-x-20200101T000000Z.backup"}
	for _, name := range foreign {
		if err := os.WriteFile(filepath.Join(b.options.Dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 6 {
		if err := b.make(t.Context()); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	want := slices.Clone(foreign)
	for hour := 13; hour < 16; hour++ {
		want = append(want, fmt.Sprintf("confman-%d-20261123T%d0000Z.backup", source.at.Index, hour))
	}
	slices.Sort(want)
	if got := filesIn(t, b.options.Dir); !slices.Equal(got, want) {
		t.Errorf("there is %v, want %v", got, want)
	}
	newest := filepath.Join(b.options.Dir, fmt.Sprintf("confman-%d-20261123T150000Z.backup", source.at.Index))
	data, err := os.ReadFile(newest)
	if info, _ := os.Stat(newest); err != nil || !bytes.Equal(data, source.content) || info.Mode() != 0o600 {
		t.Errorf("the newest: %d bytes, %v", len(data), err)
	}
	again := makingBackups(t, source, b.now, func(o *BackupOptions) { o.Dir = b.options.Dir })
	if s := again.stands(); !s.Newest.Equal(now.Add(-time.Hour)) || s.Bytes != int64(len(data)) {
		t.Errorf("after a restart they stand at %+v", s)
	}
	if w := again.wait(nil); w < 0 || w > again.options.Interval/20 {
		t.Errorf("an hour after the newest the next is to come in %v", w)
	}
	now = now.Add(-40 * time.Minute)
	if w := again.wait(nil); w < 40*time.Minute || w > 40*time.Minute+again.options.Interval/20 {
		t.Errorf("20 minutes after the newest the next is to come in %v", w)
	}
	now = now.AddDate(-1, 0, 0) // a clock that goes back makes the newest the oldest
	if err := again.make(t.Context()); err != nil {
		t.Fatal(err)
	}
	made := fmt.Sprintf("confman-%d-20251123T152000Z.backup", source.at.Index)
	if got := filesIn(t, b.options.Dir); !slices.Contains(got, made) || len(got) != len(want) {
		t.Errorf("after the clock went back there is %v", got)
	}
}

func TestABackupThatIsNotRightIsNoneAndRaisesTheAlarm(t *testing.T) {
	c := start(t, 1, nil)
	source := copiesOf(t, c.nodes[0])
	b := makingBackups(t, source, time.Now, nil)
	if err := b.make(t.Context()); err != nil {
		t.Fatal(err)
	}
	good := filesIn(t, b.options.Dir)
	right := source.content
	spoils := []struct {
		name string
		do   func()
	}{
		{"damaged", func() { source.content = bytes.Clone(right); source.content[len(right)/2] ^= 1 }},
		{"cut short", func() { source.content = right[:len(right)-20] }},
		{"broken off", func() { source.content, source.fails = right, errors.New("a table is damaged") }},
		{"without room", func() { source.fails, b.reserve = nil, 1<<60 }},
	}
	for i, spoil := range spoils {
		spoil.do()
		err := b.make(t.Context())
		s := b.stands()
		if trouble := b.trouble(); !strings.Contains(trouble, "no backup was made here since 20") || !strings.Contains(trouble, err.Error()) {
			t.Errorf("%s: the trouble is %q", spoil.name, trouble)
		}
		if err == nil || s.Failures != uint64(i+1) || s.Failed == nil || s.Newest.IsZero() {
			t.Errorf("%s: %v, stands %+v", spoil.name, err, s)
		}
		if got := filesIn(t, b.options.Dir); !slices.Equal(got, good) {
			t.Errorf("%s: there is %v", spoil.name, got)
		}
		if w := b.wait(err); w < time.Minute || w > b.options.Interval/2 {
			t.Errorf("%s: tried again in %v", spoil.name, w)
		}
	}
	b.reserve = 0
	if err := b.make(t.Context()); err != nil || b.stands().Failed != nil || b.trouble() != "" {
		t.Errorf("when all is right again: %v, %+v", err, b.stands())
	}
	source.fails = events.ErrUnavailable
	if err := b.make(t.Context()); b.wait(err) != backupSoon || b.stands().Failures != uint64(len(spoils)) {
		t.Errorf("a node that is not ready: %v, %+v", err, b.stands())
	}
}

func TestBackupsAreEncryptedWhereWanted(t *testing.T) {
	c := start(t, 1, nil)
	source := copiesOf(t, c.nodes[0])
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	b := makingBackups(t, source, time.Now, func(o *BackupOptions) { o.Recipients = []string{id.Recipient().String()} })
	if err := b.make(t.Context()); err != nil {
		t.Fatal(err)
	}
	names := filesIn(t, b.options.Dir)
	if len(names) != 1 || !strings.HasSuffix(names[0], ".backup.age") {
		t.Fatalf("there is %v", names)
	}
	open := func() (io.ReadCloser, error) {
		f, err := os.Open(filepath.Join(b.options.Dir, names[0]))
		if err != nil {
			return nil, err
		}
		opened, err := age.Decrypt(f, id)
		return struct {
			io.Reader
			io.Closer
		}{opened, f}, err
	}
	if r, err := replication.VerifyBackup(open, proof.Options{}, func(uint64) {}); err != nil || !r.OK() || r.Position() != source.at {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestANodeMakesBackupsByItselfAndShowsIt(t *testing.T) {
	dir := t.TempDir()
	c := start(t, 1, func(o *Options) { o.Backups = BackupOptions{Dir: dir, Interval: time.Minute, Keep: 2} })
	c.eventually("a backup is there", func() error {
		if names := filesIn(t, dir); len(names) != 1 || !strings.HasSuffix(names[0], ".backup") {
			return fmt.Errorf("there is %v", names)
		}
		metrics := string(c.do("GET", c.nodes[0].url+"/metrics", "").body)
		for _, want := range []string{"confman_backup_last_success_timestamp_seconds 1.", "confman_backup_last_bytes ", "confman_backup_failures_total 0"} {
			if !strings.Contains(metrics, want) {
				return fmt.Errorf("no metric %s", want)
			}
		}
		return nil
	})
}

func TestBackupSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	for want, o := range map[string]BackupOptions{
		"at least 1m":          {Dir: "d", Interval: time.Second, Keep: 1},
		"want at least 1":      {Dir: "d", Interval: time.Hour},
		"--backup-recipient":   {Dir: "d", Interval: time.Hour, Keep: 1, Recipients: []string{"age1nonsense"}},
		"without --backup-dir": {Recipients: []string{"age1"}},
	} {
		if err := o.validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}
