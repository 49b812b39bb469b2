package wal

import (
	"bytes"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
)

// raw is a store that holds the bytes of one entry.
type raw struct {
	store
	bytes []byte
}

// GetLog decodes them as raft-wal does.
func (r raw) GetLog(_ uint64, entry *raft.Log) error {
	return new(raftwal.BinaryCodec).Decode(bytes.Clone(r.bytes), entry)
}

// FuzzEntry reads what a damaged disk may hold: an entry comes back as it was
// sealed, or with an error, and never ends the process.
func FuzzEntry(f *testing.F) {
	for _, e := range []raft.Log{
		{Index: 1, Term: 1, Data: []byte("set"), AppendedAt: time.Unix(1, 2)},
		{Index: 1, Term: 9, Type: raft.LogNoop},
		{Index: 1, Term: 2, Data: bytes.Repeat([]byte{0xff}, 300), Extensions: []byte("raft's own")},
	} {
		e.Extensions = seal(&e)
		var encoded bytes.Buffer
		if err := new(raftwal.BinaryCodec).Encode(&e, &encoded); err != nil {
			f.Fatal(err)
		}
		f.Add(encoded.Bytes())
	}
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, held []byte) {
		l, entry := &Log{store: raw{bytes: held}}, raft.Log{}
		if l.read(1, &entry) != nil {
			return
		}
		again := entry
		again.Extensions = seal(&entry)
		var encoded bytes.Buffer
		if err := new(raftwal.BinaryCodec).Encode(&again, &encoded); err != nil {
			t.Fatal(err)
		}
		var twice raft.Log
		l.store = raw{bytes: encoded.Bytes()}
		if err := l.read(1, &twice); err != nil || !equal(&entry, &twice) {
			t.Errorf("%+v, sealed and read again: %+v, %v", entry, twice, err)
		}
	})
}
