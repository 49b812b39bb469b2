package modes

import (
	"context"
	"path/filepath"

	"confman/cmd/torture/plant"
)

// logged is how a node keeps its Raft log.
type logged struct {
	binary    string
	threshold uint64 // entries from one snapshot to the next
	trailing  uint64 // entries kept for followers, whatever is in snapshots
}

// logs are nodes that keep their log as they do, which takes a minute or more to
// grow beyond that; in a quick run those that keep little of it, unless they have a
// planted bug already.
func (b *Bench) logs(ctx context.Context) (logged, error) {
	usual := logged{b.Binary, 4096, trailingLogs}
	if !b.Quick() || b.Report.Binary.Planted != "" {
		return usual, nil
	}
	short := logged{filepath.Join(b.Dir, "short-log"), 512, 1024}
	b.Logf("the nodes keep a short log: that of a whole one takes a minute to grow")
	return short, plant.Build(ctx, plant.Bug{
		Name: "short-log", File: "replication/engine.go",
		Old: `	snapshotThreshold = 4096  // entries after the newest marker, which a start folds again
	trailingLogs      = 20480 `,
		New: `	snapshotThreshold = 512
	trailingLogs      = 1024 `,
	}, "./cmd/confman", short.binary)
}
