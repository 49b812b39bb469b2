package server

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"confman/cmd/internal/sealing"
	"confman/events"
	"confman/events/proof"
	"confman/replication"
	"confman/replication/disk"
)

// BackupOptions say where to this node makes backups by itself, and how often.
type BackupOptions struct {
	Dir        string // empty: it makes none
	Interval   time.Duration
	Keep       int
	Recipients []string
}

func (o *BackupOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.Dir, "backup-dir", "", "directory of this node alone to which it makes backups by itself (default: it makes none)")
	f.DurationVar(&o.Interval, "backup-interval", 24*time.Hour, "time from one backup to the next, at least 1m")
	f.IntVar(&o.Keep, "backup-keep", 7, "backups that are kept; older ones are removed after a new one is whole")
	f.StringSliceVar(&o.Recipients, "backup-recipient", nil, "encrypt backups to this public key of age, age1…; may be repeated")
}

func (o *BackupOptions) validate() error {
	if o.Dir == "" {
		if len(o.Recipients) > 0 {
			return errors.New("--backup-recipient is of no use without --backup-dir")
		}
		return nil
	}
	if o.Interval < time.Minute {
		return fmt.Errorf("--backup-interval %v: want at least 1m", o.Interval)
	}
	if o.Keep < 1 {
		return fmt.Errorf("--backup-keep %d: want at least 1", o.Keep)
	}
	if _, err := sealing.Recipients(o.Recipients); err != nil {
		return fmt.Errorf("--backup-recipient: %w", err)
	}
	return nil
}

// backups makes backups at intervals, for as long as it runs. It never stops
// writes: what goes wrong is logged, counted, and tried again sooner.
type backups struct {
	options BackupOptions
	to      []age.Recipient // none: not encrypted
	node    backupSource
	id      string
	reserve uint64 // free bytes that a backup leaves
	log     zerolog.Logger
	now     func() time.Time

	began time.Time

	mu       sync.Mutex // guards standing
	standing backupStanding
}

// backupSource is the node, as backups need it.
type backupSource interface {
	Backup(ctx context.Context, w io.Writer, at uint64, begin func(events.Position)) error
}

// backupStanding is how the backups of this node stand.
type backupStanding struct {
	Newest   time.Time // of the newest one; zero: there is none
	Bytes    int64     // of it
	Failures uint64    // since the node started
	Failed   error     // of the last attempt; nil: it went well
}

const (
	backupSoon  = 2 * time.Second // after which a node that was not ready is asked again
	backupRetry = 24              // times as often as intended what failed is tried again
)

// newBackups is nil when none are made. Its node is to be set before it starts.
func newBackups(o Options, env Env) (*backups, error) {
	if o.Backups.Dir == "" {
		return nil, nil
	}
	to, err := sealing.Recipients(o.Backups.Recipients)
	if err != nil {
		return nil, err
	}
	b := &backups{options: o.Backups, to: to, id: o.Node.ID, began: env.Now(), reserve: uint64(o.Limits.MinFreeBytes), log: env.Log, now: env.Now}
	if kept, err := b.kept(); err != nil {
		b.log.Error().Err(err).Str("dir", o.Backups.Dir).Msg("backups cannot be made")
	} else if len(kept) > 0 {
		b.standing.Newest, b.standing.Bytes = kept[0].at, kept[0].bytes
	}
	return b, nil
}

// stands is how they stand.
func (b *backups) stands() backupStanding {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.standing
}

// start begins to make backups, if any are to be made, and returns what stops it.
func (b *backups) start() (stop func()) {
	if b == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { b.run(ctx) })
	return func() {
		cancel()
		done.Wait()
	}
}

// trouble says what is wrong with the backups; empty: nothing, or none are made.
func (b *backups) trouble() string {
	if b == nil {
		return ""
	}
	s := b.stands()
	last, since := "no backup was ever made here", b.began
	if !s.Newest.IsZero() {
		last, since = "no backup was made here since "+s.Newest.UTC().Format(time.RFC3339), s.Newest
	}
	switch {
	case s.Failed != nil:
		return fmt.Sprintf("%s: %v", last, s.Failed)
	case b.now().Sub(since) > 2*b.options.Interval:
		return fmt.Sprintf("%s, one is wanted every %v", last, b.options.Interval)
	}
	return ""
}

// run makes backups until the context ends.
func (b *backups) run(ctx context.Context) {
	var failed error
	for {
		timer := time.NewTimer(b.wait(failed))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		if failed = b.make(ctx); ctx.Err() != nil {
			return
		}
	}
}

// wait is how long until the next attempt: a while that differs from node to node.
func (b *backups) wait(failed error) time.Duration {
	jitter := rand.N(min(b.options.Interval/20, time.Minute) + 1)
	newest := b.stands().Newest
	switch {
	case errors.Is(failed, events.ErrUnavailable):
		return backupSoon
	case failed != nil:
		return max(b.options.Interval/backupRetry, time.Minute) + jitter
	case newest.IsZero():
		return jitter
	}
	return min(max(0, newest.Add(b.options.Interval).Sub(b.now())), b.options.Interval) + jitter // the clock may have been wrong
}

// make makes one backup and removes those that are too many.
func (b *backups) make(ctx context.Context) error {
	began := b.now()
	made, err := b.write(ctx)
	if errors.Is(err, events.ErrUnavailable) || ctx.Err() != nil {
		return err // the node is starting, or going
	}
	b.mu.Lock()
	if b.standing.Failed = err; err != nil {
		b.standing.Failures++
	} else {
		b.standing.Newest, b.standing.Bytes = made.at, made.bytes
	}
	b.mu.Unlock()
	if err != nil {
		b.log.Error().Err(err).Str("dir", b.options.Dir).Time("newest", b.stands().Newest).Msg("no backup was made")
		return err
	}
	removed, err := b.prune(made)
	if err != nil {
		b.log.Error().Err(err).Str("dir", b.options.Dir).Msg("old backups stay")
	}
	b.log.Info().Str("file", made.path).Int64("bytes", made.bytes).Bool("encrypted", len(b.to) > 0).Int("removed", removed).
		Dur("took", b.now().Sub(began)).Msg("backup made")
	return nil
}

// write makes a backup: beside its place, verified unless it is encrypted, durable.
func (b *backups) write(ctx context.Context) (made backupFile, err error) {
	need := uint64(b.stands().Bytes) + b.reserve
	if err := disk.Preflight(b.options.Dir, need); err != nil {
		return made, err
	}
	file, err := os.OpenFile(filepath.Join(b.options.Dir, ".confman-"+b.id+".partial"), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return made, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name()) // the error that led here matters more
		}
	}()
	made.at = b.now().UTC().Truncate(time.Second)
	position, err := b.fill(ctx, file)
	if err == nil {
		err = file.Sync()
	}
	if info, unknown := file.Stat(); unknown == nil {
		made.bytes = info.Size()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return made, err
	}
	if len(b.to) == 0 {
		if err := verified(file.Name()); err != nil {
			return made, err
		}
	}
	made.path = filepath.Join(b.options.Dir, made.name(position.Index, len(b.to) > 0))
	if err := os.Rename(file.Name(), made.path); err != nil {
		return made, err
	}
	return made, syncDirectory(b.options.Dir)
}

// fill writes the backup into a file, encrypted if it is to be.
func (b *backups) fill(ctx context.Context, file io.Writer) (position events.Position, err error) {
	buffer := bufio.NewWriterSize(writerFunc(func(p []byte) (int, error) {
		if err := disk.Preflight(b.options.Dir, b.reserve); err != nil {
			return 0, err
		}
		return file.Write(p)
	}), 1<<20)
	var to io.Writer = buffer
	end := func() error { return nil }
	if len(b.to) > 0 {
		sealed, err := sealing.Seal(buffer, b.to)
		if err != nil {
			return position, err
		}
		to, end = sealed, sealed.Close
	}
	if err := b.node.Backup(ctx, to, 0, func(p events.Position) { position = p }); err != nil {
		return position, err
	}
	return position, errors.Join(end(), buffer.Flush())
}

type writerFunc func([]byte) (int, error)

// Write calls it.
func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// verified returns what is wrong with a backup that was made.
func verified(path string) error {
	report, err := replication.VerifyBackup(func() (io.ReadCloser, error) { return os.Open(path) }, proof.Options{}, func(uint64) {})
	if err == nil && !report.OK() {
		err = fmt.Errorf("the backup that was made is not right: %s", report.Findings[0])
	}
	return err
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// backupFile is a backup that is there, whole.
type backupFile struct {
	path  string
	at    time.Time // when it was begun
	bytes int64
}

const backupTime = "20060102T150405Z"

var backupName = regexp.MustCompile(`^confman-\d+-(\d{8}T\d{6}Z)\.backup(\.age)?$`)

func (f backupFile) name(index uint64, sealed bool) string {
	name := "confman-" + strconv.FormatUint(index, 10) + "-" + f.at.Format(backupTime) + ".backup"
	if sealed {
		name += ".age"
	}
	return name
}

// kept are the backups that are there, the newest first. What is named otherwise
// is not ours.
func (b *backups) kept() (kept []backupFile, err error) {
	entries, err := os.ReadDir(b.options.Dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		parts := backupName.FindStringSubmatch(e.Name())
		if parts == nil || !e.Type().IsRegular() {
			continue
		}
		at, bad := time.Parse(backupTime, parts[1])
		info, gone := e.Info()
		if bad == nil && gone == nil {
			kept = append(kept, backupFile{filepath.Join(b.options.Dir, e.Name()), at, info.Size()})
		}
	}
	slices.SortFunc(kept, func(x, y backupFile) int { return cmp.Or(y.at.Compare(x.at), cmp.Compare(y.path, x.path)) })
	return kept, nil
}

// prune removes the oldest of those that are too many, but never the one that was
// just made, whatever its clock says.
func (b *backups) prune(made backupFile) (removed int, err error) {
	kept, err := b.kept()
	if err != nil {
		return 0, err
	}
	kept = slices.DeleteFunc(kept, func(f backupFile) bool { return f.path == made.path })
	for _, old := range kept[min(len(kept), b.options.Keep-1):] {
		if gone := os.Remove(old.path); gone != nil {
			err = errors.Join(err, gone)
			continue
		}
		removed++
	}
	return removed, err
}
