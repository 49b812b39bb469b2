package plant

import "confman/cmd/torture/fault"

// Bugs are all that can be planted.
func Bugs() []Bug { return append(losing(), misleading()...) }

// losing are bugs that lose or double writes.
func losing() []Bug {
	return []Bug{
		{
			Name: "ack-before-commit", Module: "github.com/hashicorp/raft", File: "commitment.go",
			Old:    "matched[(len(matched)-1)/2]",
			New:    "matched[len(matched)-1]",
			Breaks: "C2: a write is acknowledged when the leader alone has it, and lost with the leader",
			Mode:   fault.NetworkPartition,
		},
		{
			Name: "guard-dropped", File: "projections/fold.go",
			Old:    "if now := s.revision(g.Subject); now != g.Revision {",
			New:    "if now := s.revision(g.Subject); now < g.Revision {",
			Breaks: "C1: of two writes that were decided on the same state both go through",
			Mode:   fault.LeaderFailure,
		},
		{
			Name: "fsync-skipped", Module: "github.com/hashicorp/raft-wal", File: "segment/writer.go",
			Old:    "if err := w.wf.Sync(); err != nil {",
			New:    "if err := error(nil); err != nil {",
			Breaks: "C2: what was acknowledged is gone after a power cut",
			Mode:   fault.QuorumLoss,
		},
		{
			Name: "failed-append-ignored", File: "replication/wal/log.go",
			Old: `	err = fmt.Errorf("%s: %w: %w", what, ErrFailed, err)
	l.fail(err)
	return err
`,
			New: `	return nil
`,
			Breaks: "a node goes on without the entries that its disk refused",
			Mode:   fault.DiskFull,
		},
		{
			Name: "receipts-off", File: "replication/submit.go",
			Old: `	confirmed := false
`,
			New: `	confirmed := false
	s.Claim = nil
`,
			Breaks: "C2: a write that is repeated under its idempotency key happens twice",
			Mode:   mix,
		},
	}
}

// misleading are bugs that tell readers what is not so.
func misleading() []Bug {
	return []Bug{
		{
			Name: "publish-before-visible", File: "replication/fsm.go",
			Old:    "	f.present.store(folding.State())\n",
			New:    "	defer f.present.store(folding.State())\n	defer time.Sleep(2 * time.Millisecond) // what is done meanwhile\n",
			Breaks: "C5: a watcher is told of an event and reads a state without it",
			Mode:   mix,
		},
		{
			Name: "read-unconfirmed", File: "replication/read.go",
			Old: `	leader := e.leader()
	if leader.Address == "" {
`,
			New: `	if known := e.raft.CommitIndex(); known > 0 {
		return e.newestCommand(known)
	}
	leader := e.leader()
	if leader.Address == "" {
`,
			Breaks: "C1: a follower answers linearizable reads by what it knows itself",
			Mode:   fault.NetworkPartition,
		},
		{
			Name: "wake-up-dropped", File: "streaming/hub.go",
			Old: `	h.tail.add(items)
	h.tell()
`,
			New: `	if h.tail.add(items); records[0].Index%16 == 0 {
		h.tell()
	}
`,
			Breaks: "C4: a watcher hears of an event only with a later one",
			Mode:   mix,
		},
	}
}

// mix is the mode of everything.
const mix = "mix"
