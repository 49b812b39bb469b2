package replication

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"confman/replication/disk"
	"confman/replication/wal"
)

// Check returns what [Open] would refuse about a configuration, before it touches
// anything.
func (c Config) Check() error { return c.validate() }

// Findings is what a data directory holds.
type Findings struct {
	Node    string // empty: nobody has used the directory
	Cluster string
	Event   uint64 // event index of the newest marker
	First   uint64 // Raft entries of the log, 0 when it is empty
	Last    uint64
}

// Whose reads whose data a directory holds, and changes nothing. It fails with
// [ErrDirectory] when its two stores disagree or one is missing, or when it is
// another node's; an empty node is any.
func Whose(dir, node string) (Findings, error) {
	if node == "" {
		id, err := readIdentity(raftDir(dir))
		if err != nil {
			return Findings{}, err
		}
		node = id.Node
	}
	id, err := loadIdentity(dir, node)
	return Findings{Node: id.Node, Cluster: id.Cluster}, err
}

// Examine checks the files of a directory that no node uses, and changes nothing:
// every entry of the Raft log and every table of the views against its checksum,
// and that the log reaches as far as it was durable. It takes as long as reading
// all of it does.
func Examine(dir string) (Findings, error) {
	lock, busy, err := shareDirectory(dir)
	if err != nil {
		return Findings{}, err
	}
	if busy {
		return Findings{}, fmt.Errorf("%w %s is in use by another process", ErrDirectory, dir)
	}
	if lock != nil {
		defer lock.Close()
	}
	f, err := Whose(dir, "")
	if err != nil || f.Node == "" {
		return f, err
	}
	marker, err := disk.Examine(viewsDir(dir))
	if err != nil {
		return f, err
	}
	log, err := wal.Examine(raftDir(dir))
	if err != nil {
		return f, err
	}
	f.Event, f.First, f.Last = marker.Index, log.First, log.Last
	floor := max(marker.RaftIndex, marker.Snapshot.Index)
	purged := log.Last == 0 && log.Held > floor
	if log.Last < floor && !purged && !marker.Installed { // as engine.checkFloor has it
		return f, fmt.Errorf("%w %s: the Raft log ends at entry %d, but entry %d was durable: the log is damaged", ErrDirectory, raftDir(dir), log.Last, floor)
	}
	return f, nil
}

// InUse says whether a node has the data directory.
func InUse(dir string) (bool, error) {
	lock, busy, err := shareDirectory(dir)
	if lock != nil {
		err = errors.Join(err, lock.Close())
	}
	return busy, err
}

// shareDirectory keeps nodes out of a data directory without writing to it. It is
// busy when one is in; without a lock no node ever was.
func shareDirectory(dir string) (lock *os.File, busy bool, err error) {
	f, err := os.Open(filepath.Join(dir, "LOCK"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, true, f.Close()
	}
	if err != nil {
		return nil, false, errors.Join(fmt.Errorf("%w: %w", ErrDirectory, err), f.Close())
	}
	return f, false, nil
}

// Greeting is what a node says to one that may ask.
type Greeting struct {
	Node    string
	Cluster string // empty: it is new
	Role    string
	Waiting string
}

// Greet asks who is at HOST:PORT, with the token and the certificates of a
// configuration, for two seconds at most.
func Greet(ctx context.Context, c Config, address string) (Greeting, error) {
	a := newAsker(&Node{config: c})
	defer a.http.CloseIdleConnections()
	var answer peerAnswer
	if err := a.call(ctx, address, pathIdentity, nil, &answer); err != nil {
		return Greeting{}, err
	}
	if answer.Node == "" {
		return Greeting{}, errors.New("whoever answers there is no node of ours")
	}
	return Greeting{answer.Node, answer.Cluster, answer.Role, answer.Waiting}, nil
}
