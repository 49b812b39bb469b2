package replication

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"confman/events"
	"confman/events/proof"
	"confman/projections"
	"confman/replication/disk"
)

// BackupMagic is how a backup begins.
const BackupMagic = disk.StreamMagic

// VerifyBackup checks a backup: its frames and their checksums, and the history
// in it as [proof.Backward] does. It needs neither a directory nor, but for the
// longest record, memory. What is wrong with the backup is a finding; the error is
// about opening it, or that it is none. It may be opened a second time, for the
// parts of long records lie apart from them. progress is told the record reached,
// from the newest down to the oldest.
//
// The records are what is proved. That the state beside them follows from them
// is not looked at; restoring a backup and rebuilding it makes it so.
func VerifyBackup(open func() (io.ReadCloser, error), o proof.Options, progress func(at uint64)) (proof.Report, error) {
	file, err := open()
	if err != nil {
		return proof.Report{}, err
	}
	defer file.Close()
	s, err := disk.ReadStream(file)
	if err != nil {
		return proof.Report{}, fmt.Errorf("verify backup: %w", err)
	}
	v := &backupVerifier{options: o, header: s.Header(), parts: &recordParts{open: open}}
	defer v.parts.close()
	for {
		e, err := s.Next()
		var damage *disk.DamageError
		switch {
		case err == nil:
			v.entry(e, progress)
		case errors.Is(err, io.EOF):
			return v.begun().End(), nil
		case errors.As(err, &damage):
			v.damaged(damage.Error())
		default:
			v.begun().Add(v.begun().Next(), proof.CutShort, "it cannot be read on: %v", err)
			return v.begun().End(), nil
		}
	}
}

// backupVerifier takes the entries of a backup.
type backupVerifier struct {
	options proof.Options
	header  disk.Header
	cluster events.Cluster // as the newest row about it says; it comes before the records
	early   []string       // what was wrong before the first of them
	records *proof.Backward
	parts   *recordParts
}

// begun is the verifier of the records, which begins at the first of them: by
// then it is known where the history begins.
func (v *backupVerifier) begun() *proof.Backward {
	if v.records != nil {
		return v.records
	}
	o := v.options
	if o.Cluster == "" {
		o.Cluster = v.header.Cluster
	}
	o.Key = v.cluster.CheckpointKey
	chain, err := events.ParseChain(v.header.Chain)
	v.records = proof.NewBackward(v.header.Index, chain, v.cluster.Horizon, o)
	if err != nil && v.header.Index > 0 {
		v.early = append(v.early, fmt.Sprintf("its header: %v", err))
	}
	for _, what := range v.early {
		v.damaged(what)
	}
	return v.records
}

// damaged takes damage to no record in particular.
func (v *backupVerifier) damaged(what string) {
	if v.records == nil {
		v.early = append(v.early, what)
		return
	}
	v.records.Add(0, proof.Altered, "%s", what)
}

func (v *backupVerifier) entry(e disk.StreamEntry, progress func(uint64)) {
	if e.Part > 0 || e.End {
		return
	}
	row := projections.Row{Key: e.Key, Value: e.Value, Index: e.Index}
	if c, ok, err := projections.ClusterOf(row); ok {
		if v.cluster = c; err != nil {
			v.damaged(fmt.Sprintf("what the state says of the cluster at event %d cannot be read: %v", e.Index, err))
		}
		return
	}
	r, ok, err := projections.RecordOf(row)
	if !ok {
		return
	}
	if e.Parts > 0 {
		if row.Value, err = v.parts.join(e); err == nil {
			r, _, err = projections.RecordOf(row)
		}
	}
	if err == nil && r.Index != e.Index {
		err = fmt.Errorf("it is filed under event %d", e.Index)
	}
	if err != nil {
		v.begun().Add(r.Index, proof.Altered, "%v", err)
		return
	}
	v.begun().Record(r)
	progress(r.Index)
}

// recordParts reads the parts of long records, in a second pass that keeps in
// step with the first: both go from the newest record to the oldest.
type recordParts struct {
	open   func() (io.ReadCloser, error)
	file   io.ReadCloser
	stream *disk.StreamReader
	ahead  *disk.StreamEntry // read, and not used yet
}

func (p *recordParts) close() {
	if p.file != nil {
		_ = p.file.Close() // it was only read
	}
}

// join is the whole value of a record.
func (p *recordParts) join(e disk.StreamEntry) (value []byte, err error) {
	if p.stream == nil {
		if p.file, err = p.open(); err != nil {
			return nil, err
		}
		if p.stream, err = disk.ReadStream(p.file); err != nil {
			return nil, err
		}
	}
	parts := make([][]byte, e.Parts)
	for left := e.Parts; left > 0; {
		part, err := p.next()
		if err != nil {
			return nil, fmt.Errorf("%d of %d parts are missing: %w", left, e.Parts, err)
		}
		if order := bytes.Compare(part.Key, e.Key); part.Part == 0 || order < 0 {
			p.ahead = &part
			return nil, fmt.Errorf("%d of %d parts are missing", left, e.Parts)
		} else if order == 0 && part.Index == e.Index && part.Part <= e.Parts && parts[part.Part-1] == nil {
			parts[part.Part-1] = bytes.Clone(part.Value)
			left--
		}
	}
	return slices.Concat(append([][]byte{e.Value}, parts...)...), nil
}

// next is the next entry that can be read; what is damaged the first pass tells.
func (p *recordParts) next() (disk.StreamEntry, error) {
	if e := p.ahead; e != nil {
		p.ahead = nil
		return *e, nil
	}
	for {
		e, err := p.stream.Next()
		var damage *disk.DamageError
		if errors.As(err, &damage) {
			continue
		}
		e.Key, e.Value = bytes.Clone(e.Key), bytes.Clone(e.Value)
		return e, err
	}
}
