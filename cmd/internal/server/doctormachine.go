package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"confman/replication"
	"confman/replication/disk"
)

// directory judges whether the data directory is there and nobody else's.
func (x *examination) directory(context.Context) []finding {
	dir := x.options.Node.Data
	if dir == "" {
		return nil // the settings say so
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return doubtful("nothing, for a new node: serve makes it", "%s does not exist", dir)
	case err != nil:
		return bad("run as the user that owns it", "%v", err)
	case !info.IsDir():
		return bad("give --data a directory", "%s is a file", dir)
	case unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK) != nil:
		return bad("chown it to the user that confman runs as", "%s cannot be written by this user", dir)
	case info.Mode().Perm()&0o077 != 0:
		return doubtful("chmod 700 "+dir, "%s is open to other users (%04o)", dir, info.Mode().Perm())
	}
	busy, err := replication.InUse(dir)
	if err != nil {
		return bad("run as the user that owns it", "%v", err)
	}
	if busy {
		return fine("%s is in use by a node that runs", dir)
	}
	return fine("%s is free", dir)
}

const replaceIt = "the other members have the data: empty the directory and let the node join under a new ID (confman cluster replace --help)"

// identity judges whether both stores are of one node and one cluster, and of
// this node.
func (x *examination) identity(context.Context) []finding {
	if !x.hasDirectory() {
		return nil
	}
	f, err := replication.Whose(x.options.Node.Data, x.options.Node.ID)
	switch {
	case err != nil:
		return bad("give the right --data or --id; if the files are gone, "+replaceIt, "%v", err)
	case f.Node == "":
		return fine("the directory is new: no node has used it")
	}
	return fine("node %s of cluster %s", f.Node, f.Cluster)
}

// files checks the Raft log and the views of a node that does not run.
func (x *examination) files(context.Context) []finding {
	dir := x.options.Node.Data
	if !x.hasDirectory() {
		return nil
	}
	if busy, err := replication.InUse(dir); err != nil || busy {
		return fine("not looked at: the node runs, and checks itself (confman audit verify)")
	}
	began := time.Now()
	f, err := replication.Examine(dir)
	switch {
	case err != nil:
		return bad(replaceIt, "%v", err)
	case f.Node == "":
		return nil
	}
	return fine("Raft entries %d to %d and the views at event %d are as they were written (%v)", f.First, f.Last, f.Event, time.Since(began).Round(time.Millisecond))
}

func (x *examination) hasDirectory() bool {
	info, err := os.Stat(x.options.Node.Data)
	return x.options.Node.Data != "" && err == nil && info.IsDir()
}

// nearest is the directory, or the nearest above it that exists.
func (x *examination) nearest() string {
	dir := x.options.Node.Data
	for dir != "" {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

// space compares the free space with the marks below which a node gives up
// leadership, refuses writes, and does not start.
func (x *examination) space(context.Context) []finding {
	if x.options.Node.Data == "" {
		return nil
	}
	free, err := disk.FreeBytes(x.nearest())
	if err != nil {
		return bad("give --data a directory of this machine", "%v", err)
	}
	return judgeSpace(free, uint64(x.options.Limits.MinFreeBytes))
}

func judgeSpace(free, hard uint64) []finding {
	const do = "free space, or enlarge the disk"
	switch {
	case free < hard/2:
		return bad(do, "%d MiB are free, a node does not start with less than %d", free>>20, hard>>21)
	case free < hard:
		return bad(do, "%d MiB are free, with less than --min-free-bytes (%d MiB) writes are refused", free>>20, hard>>20)
	case free < 2*hard:
		return doubtful(do, "%d MiB are free, with less than %d MiB a node does not lead", free>>20, hard>>19)
	}
	return fine("%d MiB are free, the alarm is at %d MiB", free>>20, hard>>19)
}

// fileSystem warns of those that lose or share what is written.
func (x *examination) fileSystem(context.Context) []finding {
	if x.options.Node.Data == "" {
		return nil
	}
	var st unix.Statfs_t
	if err := unix.Statfs(x.nearest(), &st); err != nil {
		return nil // space says so
	}
	return judgeFileSystem(int64(st.Type))
}

func judgeFileSystem(magic int64) []finding {
	const do = "give --data a local ext4 or xfs file system"
	switch magic {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC:
		return doubtful(do, "the data is on a network or FUSE file system: its fsync may promise less than a disk's, and it may hang")
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return doubtful(do, "the data is in memory: it is gone with the machine")
	case unix.OVERLAYFS_SUPER_MAGIC:
		return doubtful("mount a volume there", "the data is in a container's own layer: it is gone with the container")
	case unix.EXT4_SUPER_MAGIC:
		return fine("ext2, ext3 or ext4")
	case unix.XFS_SUPER_MAGIC:
		return fine("xfs")
	}
	return fine("of type %#x", magic)
}

const (
	wantFiles = 8192 // 2,000 watches, their clients, and the files of both stores, several times over
	leastFile = 1024
)

// descriptors judges how many files and connections the process may have open.
func (x *examination) descriptors(context.Context) []finding {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil
	}
	return judgeDescriptors(limit.Max) // Go raises the soft limit to it
}

func judgeDescriptors(limit uint64) []finding {
	const do = "raise it: LimitNOFILE=65536 in the systemd unit, or ulimit -Hn"
	switch {
	case limit < leastFile:
		return bad(do, "%d open files are too few", limit)
	case limit < wantFiles:
		return doubtful(do, "%d open files are few: each watch and each client needs one", limit)
	}
	return fine("%d files may be open", limit)
}

// clock asks the kernel whether something synchronizes it.
func (x *examination) clock(context.Context) []finding {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return doubtful("start chrony or systemd-timesyncd", "whether the clock is synchronized cannot be told: %v", err)
	}
	return judgeClock(state, t.Status, time.Duration(t.Esterror)*time.Microsecond)
}

// judgeClock goes by adjtimex(2).
func judgeClock(state int, status int32, off time.Duration) []finding {
	if state == unix.TIME_ERROR || status&unix.STA_UNSYNC != 0 {
		return doubtful("start chrony or systemd-timesyncd; times of events, schedules and certificates go by it", "nothing synchronizes the clock of this machine")
	}
	return fine("synchronized, off by %v as it believes", off.Round(time.Millisecond))
}

// openToOthers says whether other users may read a file.
func openToOthers(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	return info.Mode().Perm()&0o077 != 0, nil
}

// tryListen says whether an address is free; an error is about the address.
func tryListen(address string) (free bool, err error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("--listen: %w", err)
	}
	return true, l.Close()
}

// hostOf is HOST:PORT of a URL.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	return u.Host
}
