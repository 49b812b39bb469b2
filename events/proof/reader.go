package proof

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"confman/events"
)

// maxLine is the longest line that is read, in bytes: more than the largest
// record, which a node keeps in a row of less than 64 MiB.
const maxLine = 64<<20 + 1024

// ErrCut says that record lines end before their last one.
var ErrCut = errors.New("the records break off before their last line")

// LineError says that one line is not what it should be. The lines after it can
// still be read.
type LineError struct {
	Line int // counted from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns Err.
func (e *LineError) Unwrap() error { return e.Err }

// Reader reads record lines and believes nothing. That the records belong
// together is for a [Verifier] to say.
type Reader struct {
	r      *bufio.Reader
	digest hash.Hash
	long   []byte // a line that was longer than the buffer
	header Header
	line   int
	ended  bool
	last   trailer // what the last line should say
}

// NewReader reads the header. Its error is a [*LineError] when the first line is
// none; the lines after it can be read all the same.
func NewReader(r io.Reader) (*Reader, error) {
	p := &Reader{r: bufio.NewReaderSize(r, 64<<10), digest: sha256.New()}
	line, err := p.next()
	if err != nil {
		return p, err
	}
	p.digest.Write(line)
	h, err := parseOther[Header](line)
	if err == nil {
		err = h.check()
	}
	if err != nil {
		return p, &LineError{p.line, fmt.Errorf("not the header of record lines: %w", err)}
	}
	p.header = h
	p.last = trailer{End: true, Index: h.From - 1, Chain: h.Before}
	return p, nil
}

// Header is the first line, the zero value if it was none.
func (p *Reader) Header() Header { return p.header }

// Next returns the next record, whose Body is good until the call after it. The
// error is io.EOF after a last line that is right, [ErrCut] or that of the
// underlying reader when there is none, and a [*LineError] otherwise.
func (p *Reader) Next() (events.Record, error) {
	line, err := p.next()
	if err != nil {
		return events.Record{}, err
	}
	if p.ended {
		return events.Record{}, &LineError{p.line, errors.New("follows the last line")}
	}
	if bytes.HasPrefix(line, []byte(partEnd)) {
		p.ended = true
		if err := p.checkLast(line); err != nil {
			return events.Record{}, &LineError{p.line, err}
		}
		return p.Next()
	}
	p.digest.Write(line)
	p.last.Records++
	r, err := parseLine(line)
	if err != nil {
		return events.Record{}, &LineError{p.line, err}
	}
	p.last.Index, p.last.Chain = r.Index, r.Chain
	return r, nil
}

func (p *Reader) checkLast(line []byte) error {
	t, err := parseOther[trailer](line)
	if err != nil {
		return fmt.Errorf("not the last line of records: %w", err)
	}
	p.last.SHA256 = events.Digest(p.digest.Sum(nil))
	switch want := p.last; {
	case t.Records != want.Records || t.Index != want.Index || t.Chain != want.Chain:
		return fmt.Errorf("says %d records up to %s, read %d up to %s", t.Records, t.Chain.At(t.Index), want.Records, want.Chain.At(want.Index))
	case t != want:
		return errors.New("the lines are not what was written: their digest is another")
	}
	return nil
}

// next returns the next line with its break.
func (p *Reader) next() ([]byte, error) {
	p.long = p.long[:0]
	for {
		part, err := p.r.ReadSlice('\n')
		switch {
		case err == nil && len(p.long) == 0:
			p.line++
			return part, nil
		case err == nil || errors.Is(err, bufio.ErrBufferFull):
			if p.long = append(p.long, part...); len(p.long) > maxLine {
				return nil, fmt.Errorf("line %d: more than %d bytes", p.line+1, maxLine)
			}
			if err == nil {
				p.line++
				return p.long, nil
			}
		case errors.Is(err, io.EOF) && p.ended && len(p.long)+len(part) == 0:
			return nil, io.EOF
		case errors.Is(err, io.EOF):
			return nil, ErrCut
		default:
			return nil, fmt.Errorf("after line %d: %w", p.line, err)
		}
	}
}
