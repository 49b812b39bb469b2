package disk

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
)

// StreamMagic is how a stream begins.
const StreamMagic = streamMagic

// StreamEntry is one version of one row, or one part of a long one, as it lies in
// a stream. Rows come by descending keys, the versions of one oldest first, and
// all parts before all rows.
type StreamEntry struct {
	Key   []byte // of the row
	Index uint64
	Part  int    // number of the part; 0: the row itself, with the beginning of its value
	Parts int    // that its value has besides
	Value []byte // nil when the row ends
	End   bool
}

// DamageError says that a part of a stream is not what was written. What follows
// it can be read, and what it holds is worth a look.
type DamageError struct {
	Offset int64 // in bytes, where the frame begins
	Detail string
}

func (e *DamageError) Error() string { return fmt.Sprintf("at byte %d: %s", e.Offset, e.Detail) }

// StreamReader reads a stream to find out what is wrong with it: where [Store.Install]
// refuses, it goes on.
type StreamReader struct {
	r       *bufio.Reader
	digest  hash.Hash
	offset  int64
	header  Header
	block   []byte // what is left of it
	body    []byte // reused for every frame
	found   *DamageError
	last    []byte // key of the entry before
	version uint64 // and its index
	seen    trailer
	damaged bool // so that the digest is no news
	ended   bool
}

// ReadStream reads the beginning of a stream. Its error is [ErrStream] or that of
// the reader.
func ReadStream(r io.Reader) (*StreamReader, error) {
	s := &StreamReader{r: bufio.NewReaderSize(r, 64<<10), digest: sha256.New()}
	magic := make([]byte, len(streamMagic))
	if _, err := io.ReadFull(s.r, magic); err != nil {
		return nil, damaged("magic", err)
	}
	if string(magic) != streamMagic {
		return nil, fmt.Errorf("magic %q: %w", magic, ErrStream)
	}
	s.digest.Write(magic)
	s.offset = int64(len(magic))
	kind, err := s.frame()
	switch {
	case err != nil:
		return nil, err
	case kind != frameHeader:
		return nil, damaged("header", errors.New("missing"))
	}
	if err := json.Unmarshal(s.body, &s.header); err != nil {
		return nil, damaged("header", err)
	}
	if s.header.Format > streamFormat {
		return nil, fmt.Errorf("stream of format %d, this release reads up to %d: %w", s.header.Format, streamFormat, ErrNewer)
	}
	return s, nil
}

// Header says what state the stream carries.
func (s *StreamReader) Header() Header { return s.header }

// Next returns the next entry, which is good until the call after it. The error
// is io.EOF after a whole stream, a [*DamageError] about something after which it
// goes on, or the end of what can be read.
func (s *StreamReader) Next() (StreamEntry, error) {
	for {
		if found := s.found; found != nil {
			s.found, s.damaged = nil, true
			return StreamEntry{}, found
		}
		if len(s.block) > 0 {
			return s.cut()
		}
		if s.ended {
			return StreamEntry{}, io.EOF
		}
		if err := s.nextFrame(); err != nil {
			return StreamEntry{}, err
		}
	}
}

// cut takes an entry from the block; one that is none takes the rest along.
func (s *StreamReader) cut() (StreamEntry, error) {
	e, rest, err := cutEntry(s.block)
	if err == nil && e.index > s.header.Index {
		err = fmt.Errorf("entry of event %d in a stream as of %d", e.index, s.header.Index)
	}
	key, part := e.key, 0
	if err == nil && key[0] == partSpace {
		if len(key) < 4 {
			err = errors.New("bad part")
		} else {
			part = int(binary.BigEndian.Uint16(key[len(key)-2:]))
			key = key[:len(key)-2]
		}
	}
	if err != nil {
		s.block, s.damaged = nil, true
		return StreamEntry{}, &DamageError{s.offset, fmt.Sprintf("in the block before: %v", err)}
	}
	switch order := bytes.Compare(s.last, e.key); {
	case s.last == nil || order > 0 || order == 0 && s.version < e.index:
	case order == 0 && s.version == e.index:
		s.found = &DamageError{s.offset, fmt.Sprintf("in the block before: the entry of event %d comes twice", e.index)}
	default:
		s.found = &DamageError{s.offset, fmt.Sprintf("in the block before: the entry of event %d stands in the wrong place", e.index)}
	}
	s.last, s.version = append(s.last[:0], e.key...), e.index
	s.block = rest
	s.seen.Entries++
	return StreamEntry{Key: key[1:], Index: e.index, Part: part, Parts: int(e.parts), Value: e.value, End: e.end}, nil
}

func (s *StreamReader) nextFrame() error {
	s.seen.SHA256 = hex.EncodeToString(s.digest.Sum(nil))
	began := s.offset
	kind, err := s.frame()
	if err != nil {
		return err
	}
	switch {
	case kind == frameTrailer:
		s.ended = true
		return s.judgeTrailer(began)
	case kind != frameBlock && s.found == nil:
		s.found = &DamageError{began, fmt.Sprintf("unexpected kind %q", kind)}
	}
	s.seen.Blocks++
	s.block = s.body
	return nil
}

func (s *StreamReader) judgeTrailer(began int64) error {
	var t trailer
	err := json.Unmarshal(s.body, &t)
	switch {
	case s.damaged || s.found != nil: // then it cannot be right
	case err != nil:
		s.found = &DamageError{began, fmt.Sprintf("trailer: %v", err)}
	case t.Entries != s.seen.Entries || t.Blocks != s.seen.Blocks:
		s.found = &DamageError{began, fmt.Sprintf("the trailer says %d entries in %d blocks, read %d in %d", t.Entries, t.Blocks, s.seen.Entries, s.seen.Blocks)}
	case t != s.seen:
		s.found = &DamageError{began, "the digest of all before it is not the one in the trailer"}
	}
	if _, err := s.r.ReadByte(); err == nil && s.found == nil {
		s.found = &DamageError{s.offset, "something follows the end"}
	}
	return nil
}

// frame reads one frame into s.body. A checksum that does not fit is noted.
func (s *StreamReader) frame() (kind byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return 0, damaged(fmt.Sprintf("frame at byte %d", s.offset), err)
	}
	n := int(binary.BigEndian.Uint32(head[1:]))
	if n > maxFrameBytes {
		return 0, damaged(fmt.Sprintf("frame at byte %d", s.offset), fmt.Errorf("length %d", n))
	}
	s.body = append(s.body[:0], make([]byte, n+4)...)
	if _, err := io.ReadFull(s.r, s.body); err != nil {
		return 0, damaged(fmt.Sprintf("frame at byte %d", s.offset), err)
	}
	s.digest.Write(head[:])
	s.digest.Write(s.body)
	body, sum := s.body[:n], s.body[n:]
	if !bytes.Equal(sum, binary.BigEndian.AppendUint32(nil, checksum(head[:], body))) {
		s.found = &DamageError{s.offset, "the checksum of the frame does not match"}
	}
	s.body = body
	s.offset += int64(len(head) + n + len(sum))
	return head[0], nil
}
