package proof

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"confman/events"
)

// Writer writes record lines: the header, the records that it announces, each in
// its turn, the last line.
type Writer struct {
	w      io.Writer
	digest hash.Hash
	line   []byte
	header Header
	last   trailer
}

// NewWriter writes the header. Buffering, compression and the fate of a file are
// the caller's.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	h.Format = Format
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("write records: %w", err)
	}
	p := &Writer{w: w, digest: sha256.New(), header: h, last: trailer{End: true, Index: h.From - 1, Chain: h.Before}}
	line, err := otherLine(h)
	if err != nil {
		return nil, fmt.Errorf("write records: %w", err)
	}
	return p, p.write(line)
}

// Write writes the next record. It must be the one that follows; whether its
// chain is right is for the reader to find out.
func (p *Writer) Write(r events.Record) error {
	if r.Index != p.last.Index+1 || r.Index > p.header.To {
		return fmt.Errorf("write record %d: want %d, up to %d", r.Index, p.last.Index+1, p.header.To)
	}
	if bytes.IndexByte(r.Body, '\n') >= 0 {
		return fmt.Errorf("write record %d: its body has a line break", r.Index)
	}
	p.line = appendLine(p.line[:0], r)
	p.last.Records, p.last.Index, p.last.Chain = p.last.Records+1, r.Index, r.Chain
	return p.write(p.line)
}

// Close writes the last line. It fails when records are still owed, and does not
// close what it writes to.
func (p *Writer) Close() error {
	if p.last.Index != p.header.To {
		return fmt.Errorf("write records: ended after %d, %d were announced", p.last.Index, p.header.To)
	}
	p.last.SHA256 = events.Digest(p.digest.Sum(nil))
	line, err := otherLine(p.last)
	return errors.Join(err, p.write(line))
}

func (p *Writer) write(line []byte) error {
	p.digest.Write(line)
	if _, err := p.w.Write(line); err != nil {
		return fmt.Errorf("write records: %w", err)
	}
	return nil
}
