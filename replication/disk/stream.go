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
	"time"
)

// ErrStream says that a stream of rows is damaged, cut short or not one.
var ErrStream = errors.New("not a whole stream of rows")

// A stream is the magic and frames: one header, blocks of entries, one trailer.
// A frame is its kind (1 byte), the length of its body (4, big endian), the body
// and the CRC32C of all that (4). The trailer's digest is the SHA-256 of
// everything before the trailer's frame.
const (
	streamMagic  = "confman rows\n"
	streamFormat = 1

	frameHeader  = 'H'
	frameBlock   = 'B'
	frameTrailer = 'T'

	blockBytes    = 256 << 10                                 // a block is closed when it is this long
	maxFrameBytes = blockBytes + partBytes + maxKeyBytes + 64 // and then holds one entry more at most
)

// Header opens a stream of rows and says what state it carries.
type Header struct {
	Format  int    `json:"format"`
	Cluster string `json:"cluster"`
	Node    string `json:"node,omitempty"` // that wrote it; a backup does not say
	Views   int    `json:"views"`
	Position
	Time time.Time `json:"time"` // when it was written; of a backup, when its last event was
}

type trailer struct {
	Entries uint64 `json:"entries"`
	Blocks  uint64 `json:"blocks"`
	SHA256  string `json:"sha256"`
}

// entry is one version of one key as it lies in Badger, parts and deletions
// included.
type entry struct {
	key   []byte
	value []byte
	index uint64
	parts byte
	end   bool // the key has no value from index on
}

func (e *entry) appendTo(b []byte) []byte {
	end := byte(0)
	if e.end {
		end = 1
	}
	b = append(b, end, e.parts)
	b = binary.AppendUvarint(b, e.index)
	b = binary.AppendUvarint(b, uint64(len(e.key)))
	b = append(b, e.key...)
	b = binary.AppendUvarint(b, uint64(len(e.value)))
	return append(b, e.value...)
}

// cutEntry decodes the first entry of b, which it shares, and returns the rest.
func cutEntry(b []byte) (entry, []byte, error) {
	if len(b) < 2 || b[0] > 1 {
		return entry{}, nil, errors.New("bad entry")
	}
	e := entry{end: b[0] == 1, parts: b[1]}
	b = b[2:]
	index, n := binary.Uvarint(b)
	if n <= 0 || index == 0 {
		return entry{}, nil, errors.New("bad index")
	}
	e.index, b = index, b[n:]
	var err error
	if e.key, b, err = cutBytes(b); err != nil {
		return entry{}, nil, err
	}
	if len(e.key) == 0 || (e.key[0] != rowSpace && e.key[0] != partSpace) {
		return entry{}, nil, errors.New("bad key")
	}
	e.value, b, err = cutBytes(b)
	return e, b, err
}

func cutBytes(b []byte) (head, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, errors.New("bad length")
	}
	b = b[size:]
	return b[:n], b[n:], nil
}

// encoder writes a stream.
type encoder struct {
	w       io.Writer
	digest  hash.Hash
	block   []byte
	trailer trailer
}

func newEncoder(w io.Writer, h Header) (*encoder, error) {
	e := &encoder{w: w, digest: sha256.New()}
	body, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if err := e.write([]byte(streamMagic)); err != nil {
		return nil, err
	}
	return e, e.frame(frameHeader, body)
}

func (e *encoder) add(row *entry) error {
	e.block = row.appendTo(e.block)
	e.trailer.Entries++
	if len(e.block) < blockBytes {
		return nil
	}
	return e.flush()
}

func (e *encoder) flush() error {
	if len(e.block) == 0 {
		return nil
	}
	e.trailer.Blocks++
	err := e.frame(frameBlock, e.block)
	e.block = e.block[:0]
	return err
}

// end writes the trailer. It does not close the writer.
func (e *encoder) end() error {
	if err := e.flush(); err != nil {
		return err
	}
	e.trailer.SHA256 = hex.EncodeToString(e.digest.Sum(nil))
	body, err := json.Marshal(e.trailer)
	if err != nil {
		return err
	}
	return e.frame(frameTrailer, body)
}

func (e *encoder) frame(kind byte, body []byte) error {
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)))
	for _, b := range [][]byte{head, body, binary.BigEndian.AppendUint32(nil, checksum(head, body))} {
		if err := e.write(b); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) write(b []byte) error {
	e.digest.Write(b)
	_, err := e.w.Write(b)
	return err
}

// decoder reads a stream and believes nothing.
type decoder struct {
	r       *bufio.Reader
	digest  hash.Hash
	header  Header
	block   []byte // what is left of the block
	body    []byte // reused for every frame
	seen    trailer
	trailed bool
}

// newDecoder reads the magic and the header.
func newDecoder(r io.Reader) (*decoder, error) {
	d := &decoder{r: bufio.NewReaderSize(r, 64<<10), digest: sha256.New()}
	magic := make([]byte, len(streamMagic))
	if _, err := io.ReadFull(d.r, magic); err != nil {
		return nil, damaged("magic", err)
	}
	if !bytes.Equal(magic, []byte(streamMagic)) {
		return nil, fmt.Errorf("magic %q: %w", magic, ErrStream)
	}
	d.digest.Write(magic)
	kind, err := d.frame()
	if err != nil {
		return nil, err
	}
	if kind != frameHeader {
		return nil, damaged("header", errors.New("missing"))
	}
	if err := json.Unmarshal(d.body, &d.header); err != nil {
		return nil, damaged("header", err)
	}
	if d.header.Format > streamFormat {
		return nil, fmt.Errorf("stream of format %d, this release reads up to %d: %w", d.header.Format, streamFormat, ErrNewer)
	}
	return d, nil
}

// next returns the next entry, which is good until the call after it, or io.EOF
// when the trailer has been read and everything before it was right.
func (d *decoder) next() (entry, error) {
	for len(d.block) == 0 {
		if err := d.nextBlock(); err != nil {
			return entry{}, err
		}
	}
	e, rest, err := cutEntry(d.block)
	if err == nil && e.index > d.header.Index {
		err = fmt.Errorf("entry of %d in a stream as of %d", e.index, d.header.Index)
	}
	if err != nil {
		return entry{}, damaged("block", err)
	}
	d.block = rest
	d.seen.Entries++
	return e, nil
}

func (d *decoder) nextBlock() error {
	if d.trailed {
		return io.EOF
	}
	d.seen.SHA256 = hex.EncodeToString(d.digest.Sum(nil))
	kind, err := d.frame()
	if err != nil {
		return err
	}
	switch kind {
	case frameBlock:
		d.seen.Blocks++
		d.block = d.body
		return nil
	case frameTrailer:
		d.trailed = true
		return d.checkTrailer()
	}
	return damaged("frame", fmt.Errorf("unexpected kind %q", kind))
}

func (d *decoder) checkTrailer() error {
	var t trailer
	if err := json.Unmarshal(d.body, &t); err != nil {
		return damaged("trailer", err)
	}
	if t != d.seen {
		return damaged("trailer", fmt.Errorf("says %+v, read %+v", t, d.seen))
	}
	if _, err := d.r.ReadByte(); !errors.Is(err, io.EOF) {
		return damaged("trailer", errors.New("something follows it"))
	}
	return io.EOF
}

// frame reads one frame into d.body.
func (d *decoder) frame() (kind byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(d.r, head[:]); err != nil {
		return 0, damaged("frame", err)
	}
	n := int(binary.BigEndian.Uint32(head[1:]))
	if n > maxFrameBytes {
		return 0, damaged("frame", fmt.Errorf("length %d", n))
	}
	if cap(d.body) < n {
		d.body = make([]byte, n)
	}
	d.body = d.body[:n]
	if _, err := io.ReadFull(d.r, d.body); err != nil {
		return 0, damaged("frame", err)
	}
	var sum [4]byte
	if _, err := io.ReadFull(d.r, sum[:]); err != nil {
		return 0, damaged("frame", err)
	}
	if binary.BigEndian.Uint32(sum[:]) != checksum(head[:], d.body) {
		return 0, damaged("frame", errors.New("checksum does not match"))
	}
	d.digest.Write(head[:])
	d.digest.Write(d.body)
	d.digest.Write(sum[:])
	return head[0], nil
}

// damaged names what was wrong; the end of the input is never a clean one here.
func damaged(what string, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %s: %w", ErrStream, what, err)
}
