package modes

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
)

// aheadTold is a time that is measured.
const aheadTold = "watcher ahead of a restored history is told"

// backup is one that was taken.
type backup struct {
	name, path string
	position   string
	ahead      string // a position of the cluster that the backup has not reached
}

// event is the index of a position.
func event(position string) uint64 {
	text, _, _ := strings.Cut(position, "-")
	index, _ := strconv.ParseUint(text, 10, 64)
	return index
}

// backup takes one, under load.
func (t *Trial) backup(ctx context.Context, name string) (b backup, err error) {
	nodes := t.Nodes()
	n := nodes[t.bench.RNG.IntN(len(nodes))]
	b = backup{name: name, path: filepath.Join(t.Dir(), name+".backup")}
	began := time.Now()
	said, err := n.Confman(ctx, "backup", b.path)
	if err != nil {
		return b, err
	}
	words := strings.Fields(said.Stdout)
	if said.Code != 0 || len(words) == 0 || event(words[len(words)-1]) == 0 {
		return b, fmt.Errorf("backup at %s: %v", n.ID, said)
	}
	b.position = words[len(words)-1]
	t.bench.Logf("%s backup at %s, as of %s, in %v", name, n.ID, b.position, time.Since(began).Round(time.Millisecond))
	err = lab.Await(ctx, "the cluster goes on", func() error {
		c, err := t.Cluster(ctx, n)
		if err == nil && event(c.Position) <= event(b.position)+10 {
			err = errors.New("it is at " + c.Position)
		}
		b.ahead = c.Position
		return err
	})
	return b, err
}

// badBackups has the restore of each refused, with a reason, and nothing touched.
func (t *Trial) badBackups(ctx context.Context, b backup) error {
	whole, err := os.ReadFile(b.path)
	if err != nil {
		return err
	}
	bad, rng := map[string][]byte{"empty": {}, "no backup": []byte(strings.Repeat("this is no backup\n", 1000))}, t.bench.RNG
	for i := range t.bench.Rounds(5) {
		bad[fmt.Sprint("truncated ", i)] = whole[:1+rng.IntN(len(whole)-1)]
		flipped := append([]byte(nil), whole...)
		at := rng.IntN(len(whole))
		flipped[at] ^= 1 << rng.IntN(8)
		bad[fmt.Sprintf("with byte %d flipped", at)] = flipped
	}
	n, dir := t.Nodes()[0], filepath.Join(t.Dir(), "restored")
	for name, content := range bad {
		path := filepath.Join(t.Dir(), "bad.backup")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
		if err := t.refusedBackup(ctx, n, name, path, dir); err != nil {
			return err
		}
	}
	return t.refusedBackup(ctx, n, "into a directory that is in use", b.path, n.Data)
}

// refusedBackup restores what must be refused. A directory that is there stays as
// it is, one that is not there does not come to be.
func (t *Trial) refusedBackup(ctx context.Context, n *lab.Node, name, path, dir string) error {
	kept := filepath.Join(dir, "raft", "identity.json") // of a node
	before := digest(kept)
	said, err := n.Confman(ctx, "restore", path, "--data", dir, "--id", "r1", "--advertise", n.Address)
	if err != nil {
		return err
	}
	var found []check.Finding
	say := func(format string, args ...any) {
		found = append(found, check.Finding{Check: fault.SnapshotRestore, Says: "a backup, " + name + ": " + fmt.Sprintf(format, args...)})
	}
	if said.Code == 0 || strings.TrimSpace(said.Stderr) == "" {
		say("it is not refused with a reason: %v", said)
	}
	if digest(kept) != before {
		say("the refused restore has changed %s", kept)
	}
	for _, left := range []string{dir, dir + ".restoring"} {
		if _, err := os.Stat(left); before == "" && !errors.Is(err, fs.ErrNotExist) {
			say("the refused restore has left %s", left)
		}
	}
	t.bench.Logf("%s: %s", name, lastLine(said.Stderr))
	t.bench.Report.Judge(fault.SnapshotRestore, "restores that must be refused", 1, found)
	return nil
}

// digest is that of a file, empty when there is none.
func digest(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256(content))
}

// restored begins a cluster with a backup, in a lab of its own: all that was
// acknowledged up to its position is there, and who was further is told.
func (t *Trial) restored(ctx context.Context, b backup) error {
	l, err := t.bench.Lab(ctx, lab.Config{Nodes: 1})
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // its directory goes with the bench's
	first := l.Nodes()[0]
	began := time.Now()
	said, err := first.Confman(ctx, "restore", b.path, "--data", first.Data, "--id", first.ID, "--advertise", first.Address, "-o", "json")
	if err != nil {
		return err
	}
	var r struct{ Cluster, Previous, Position string }
	if err := json.Unmarshal([]byte(said.Stdout), &r); err != nil || said.Code != 0 {
		return errors.New(said.String())
	}
	first.SetArgs(l.Serve(first)...)
	second, err := l.Add("r2")
	if err != nil {
		return err
	}
	second.SetArgs(l.Serve(second, "--join", first.URL())...)
	for _, n := range l.Nodes() {
		if err := n.Start(); err != nil {
			return err
		}
		if err := l.AwaitReady(ctx, n); err != nil {
			return err
		}
	}
	t.bench.Logf("the %s backup is a cluster of two in %v", b.name, time.Since(began).Round(time.Millisecond))
	var found []check.Finding
	if r.Position != b.position || r.Cluster == r.Previous {
		found = append(found, check.Finding{Check: fault.SnapshotRestore, Says: fmt.Sprintf("a backup of %s is restored as %+v", b.position, r)})
	}
	h, err := check.Audit(ctx, l, second)
	if err != nil {
		return err
	}
	var acked []check.Acked
	for _, w := range t.Load.Record.Acked() {
		if w.Index <= event(b.position) {
			acked = append(acked, w)
		}
	}
	found = append(found, append(h.Dense(), h.Kept(acked)...)...)
	i := min(event(b.position), uint64(len(h)))
	told := slices.ContainsFunc(h[i:], func(e wire.AuditEvent) bool { return e.Action == "cluster.restored" })
	if !told || h[i-1].Position != b.position {
		found = append(found, check.Finding{Check: fault.SnapshotRestore, Says: fmt.Sprintf("the history is at %s where the backup was at %s; it tells of the restore: %v", h[i-1].Position, b.position, told)})
	}
	t.bench.Report.Judge(fault.SnapshotRestore, "acknowledged writes in restored clusters", len(acked), found)
	return t.ahead(ctx, l, b)
}

// ahead watches from where the restored history has never been.
func (t *Trial) ahead(ctx context.Context, l *lab.Lab, b backup) error {
	ctx, cancel := context.WithTimeout(ctx, lab.Patience)
	defer cancel()
	sdk, err := l.SDK(l.Key())
	if err != nil {
		return err
	}
	began, told := time.Now(), false
	var last error
	for f, err := range sdk.Watch(ctx, client.WatchRequest{After: b.ahead}) {
		last = fmt.Errorf("%+v %w", f, err)
		if told = errors.Is(err, client.ErrReset) && errors.Is(err, client.ErrConflict); told || err != nil {
			break
		}
	}
	var found []check.Finding
	if !told {
		found = append(found, check.Finding{Check: fault.SnapshotRestore, Says: fmt.Sprintf("a watch from %s, restored was %s, is not told: %v", b.ahead, b.position, last)})
	}
	t.bench.Report.Measure(aheadTold, time.Since(began))
	t.bench.Report.Judge(fault.SnapshotRestore, "watchers ahead of a restored history", 1, found)
	return nil
}
