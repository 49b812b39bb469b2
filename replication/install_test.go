package replication

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"

	"confman/events"
	"confman/projections"
	"confman/replication/disk"
)

// A stream whose framing and checksums are right may still tell another history
// than the one that was committed: only the chain shows it.
func TestSnapshotWithAnAlteredRecordIsRefused(t *testing.T) {
	state, rows := folded(t)
	for _, altered := range []bool{false, true} {
		from, to := emptyStore(t), emptyStore(t)
		if altered {
			for i, row := range rows {
				rows[i].Value = bytes.Replace(row.Value, []byte("two"), []byte("TWO"), 1)
			}
		}
		if err := from.Write(rows); err != nil {
			t.Fatal(err)
		}
		snapshots, err := disk.NewSnapshots(disk.SnapshotsConfig{Store: to, ReserveBytes: 1, Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		sink, err := snapshots.Create(raft.SnapshotVersionMax, 9, 1, raft.Configuration{}, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := from.Copy(sink, positionOf(state)); err != nil {
			t.Fatal(err)
		}
		if err := sink.Close(); err != nil {
			t.Fatal(err)
		}
		_, open, _ := snapshots.Pending()
		stream, err := open()
		if err != nil {
			t.Fatal(err)
		}
		err = install(snapshots, stream, 0)
		if closing := stream.Close(); closing != nil {
			t.Error(closing)
		}
		switch {
		case !altered && (err != nil || to.Marker().Index != state.Index()):
			t.Errorf("the true stream: %v, marker at %d", err, to.Marker().Index)
		case altered && (err == nil || !strings.Contains(err.Error(), "event 3 was altered") || to.Marker().Index != 0):
			t.Errorf("the altered stream: %v, marker at %d", err, to.Marker().Index)
		}
	}
}

// folded is a short history: the namespace, then the values one, two, three.
func folded(t *testing.T) (*projections.State, []projections.Row) {
	t.Helper()
	f := projections.Begin(projections.Empty())
	for i, value := range []string{"one", "two", "three"} {
		p, err := events.Rules{}.Decide(f.State(), put("pay", "k", value), stamp())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Entry(projections.Origin{Index: uint64(i + 1), Term: 1}, []events.Proposal{p}); err != nil {
			t.Fatal(err)
		}
	}
	return f.State(), f.Rows
}

func emptyStore(t *testing.T) *disk.Store {
	t.Helper()
	s, err := openViews(t.TempDir(), identity{Node: "n", Cluster: "c"}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
