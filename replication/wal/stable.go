package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/hashicorp/raft"
)

// The keys under which Raft keeps its term and its vote (raft.go of v1.8.0), and
// the one under which the vote is on disk.
const (
	keyTerm          = "CurrentTerm"
	keyVoteTerm      = "LastVoteTerm"
	keyVoteCandidate = "LastVoteCand"
	keyVote          = "LastVote"
)

var _ raft.StableStore = (*Log)(nil)

// PersistedTerm returns the CurrentTerm that is on disk, and 0 from before a newer
// one begins to be written until it is there. So when it returns t, this node
// has, at that moment, voted in no term after t.
func (l *Log) PersistedTerm() uint64 { return l.term.Load() }

// Set stores a value and returns when it is on disk.
func (l *Log) Set(key, value []byte) error {
	if string(key) == keyVoteCandidate {
		return l.put(keyVote, append(uint64Bytes(l.vote.Load()), value...))
	}
	return l.put(string(key), value)
}

// SetUint64 stores a number and returns when it is on disk; except LastVoteTerm,
// which is kept until Set names the candidate. Raft grants a vote after both.
func (l *Log) SetUint64(key []byte, value uint64) error {
	switch string(key) {
	case keyVoteTerm:
		l.vote.Store(value)
		return nil
	case keyTerm:
		l.term.Store(0)
		if err := l.put(keyTerm, uint64Bytes(value)); err != nil {
			return err
		}
		l.term.Store(value)
		return nil
	}
	return l.put(string(key), uint64Bytes(value))
}

// Get returns the value of key, nil when there is none.
func (l *Log) Get(key []byte) ([]byte, error) {
	if string(key) != keyVoteCandidate {
		return l.get(string(key))
	}
	_, candidate, err := l.getVote()
	return candidate, err
}

// GetUint64 returns the number under key, 0 when there is none.
func (l *Log) GetUint64(key []byte) (uint64, error) {
	if string(key) != keyVoteTerm {
		return l.getUint64(string(key))
	}
	term, _, err := l.getVote()
	return term, err
}

func (l *Log) getVote() (term uint64, candidate []byte, err error) {
	record, err := l.get(keyVote)
	if err != nil || record == nil {
		return 0, nil, err
	}
	if len(record) < 8 {
		return 0, nil, l.corrupt(keyVote, fmt.Errorf("%d bytes, want 8 or more", len(record)))
	}
	return binary.LittleEndian.Uint64(record), record[8:], nil
}

func (l *Log) getUint64(key string) (uint64, error) {
	value, err := l.get(key)
	if err != nil || value == nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, l.corrupt(key, fmt.Errorf("%d bytes, want 8", len(value)))
	}
	return binary.LittleEndian.Uint64(value), nil
}

// get reads the record of key and takes off its checksum.
func (l *Log) get(key string) ([]byte, error) {
	l.mu.RLock()
	record, err := l.store.Get([]byte(key))
	l.mu.RUnlock()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if record == nil {
		return nil, nil
	}
	n := len(record) - sumSize
	if n < 0 || binary.LittleEndian.Uint32(record[n:]) != sumStable(key, record[:n]) {
		return nil, l.corrupt(key, fmt.Errorf("checksum does not match"))
	}
	return record[:n:n], nil
}

func (l *Log) put(key string, value []byte) error {
	record := binary.LittleEndian.AppendUint32(value[:len(value):len(value)], sumStable(key, value))
	return l.write("store "+key, func() error { return l.store.Set([]byte(key), record) })
}

func (l *Log) corrupt(key string, cause error) error {
	err := fmt.Errorf("read %s: %w: %w", key, ErrCorrupt, cause)
	l.fail(err)
	return err
}

func sumStable(key string, value []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum([]byte(key), table), table, value)
}

func uint64Bytes(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }
