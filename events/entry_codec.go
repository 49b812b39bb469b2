package events

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A Raft entry is a batch of proposals:
//
//	entry    = format(1) count proposal*
//	proposal = time claim guards bodies
//	time     = int64, Unix nanoseconds, big endian
//	claim    = 0 | 1 id[16] fingerprint[16]
//	guards   = count (noun namespace name revision)*
//	bodies   = count (length byte*)*
//
// Counts, lengths and revisions are unsigned varints (encoding/binary); texts
// are a length and bytes. The format is consensus: it may gain a new number,
// never a new meaning.
const entryFormat = 1

// MaxProposals is how many proposals one Raft entry may hold.
const MaxProposals = 256

// MaxGuards and MaxBodies bound one proposal.
const (
	MaxGuards = 1 << 16
	MaxBodies = 1 << 16
)

// EncodeEntry is the Raft entry that carries the proposals.
func EncodeEntry(batch []Proposal) []byte {
	size := 16
	for _, p := range batch {
		size += 64 + 64*len(p.Guards)
		for _, b := range p.Bodies {
			size += len(b) + 4
		}
	}
	dst := append(make([]byte, 0, size), entryFormat)
	dst = binary.AppendUvarint(dst, uint64(len(batch)))
	for _, p := range batch {
		dst = appendProposal(dst, p)
	}
	return dst
}

func appendProposal(dst []byte, p Proposal) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.Time.UnixNano()))
	if p.Claim == nil {
		dst = append(dst, 0)
	} else {
		dst = append(dst, 1)
		dst = append(dst, p.Claim.ID[:]...)
		dst = append(dst, p.Claim.Fingerprint[:]...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(p.Guards)))
	for _, g := range p.Guards {
		dst = append(dst, byte(g.Subject.Noun))
		dst = appendText(dst, g.Subject.Namespace)
		dst = appendText(dst, g.Subject.Name)
		dst = binary.AppendUvarint(dst, g.Revision)
	}
	dst = binary.AppendUvarint(dst, uint64(len(p.Bodies)))
	for _, b := range p.Bodies {
		dst = appendText(dst, b)
	}
	return dst
}

func appendText[T string | []byte](dst []byte, text T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(text)))
	return append(dst, text...)
}

// DecodeEntry reads what EncodeEntry wrote. The bodies share memory with data.
func DecodeEntry(data []byte) ([]Proposal, error) {
	d := decoding{rest: data}
	if format := d.byte(); d.err == nil && format != entryFormat {
		return nil, fmt.Errorf("raft entry: format %d is unknown to this release; run a newer one", format)
	}
	batch := make([]Proposal, 0, d.count(MaxProposals))
	for range cap(batch) {
		batch = append(batch, d.proposal())
	}
	if d.err == nil && len(d.rest) > 0 {
		d.err = fmt.Errorf("%d bytes too many", len(d.rest))
	}
	if d.err != nil {
		return nil, fmt.Errorf("raft entry: %w", d.err)
	}
	return batch, nil
}

// decoding reads from rest until the first error, then returns zeros.
type decoding struct {
	rest []byte
	err  error
}

var errTruncated = errors.New("truncated")

func (d *decoding) proposal() Proposal {
	p := Proposal{Time: time.Unix(0, int64(binary.BigEndian.Uint64(d.bytes(8)))).UTC()}
	switch flag := d.byte(); flag {
	case 0:
	case 1:
		p.Claim = &Claim{ID: ReceiptID(d.bytes(16)), Fingerprint: Fingerprint(d.bytes(16))}
	default:
		d.fail(fmt.Errorf("claim flag %d", flag))
	}
	for range d.count(MaxGuards) {
		p.Guards = append(p.Guards, Guard{
			Subject:  Subject{Noun: d.noun(), Namespace: d.text(), Name: d.text()},
			Revision: d.uvarint(),
		})
	}
	for range d.count(MaxBodies) {
		p.Bodies = append(p.Bodies, d.bytes(d.uvarint()))
	}
	return p
}

func (d *decoding) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.rest = nil
}

// bytes takes n bytes; after an error it returns at most 16 zeros.
func (d *decoding) bytes(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail(errTruncated)
		return make([]byte, min(n, 16))
	}
	taken := d.rest[:n:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoding) byte() byte { return d.bytes(1)[0] }

// noun refuses one that this release does not know: nodes that know it may
// accept the proposal, and a node that merely called it stale would leave them.
func (d *decoding) noun() Noun {
	n := Noun(d.byte())
	if d.err == nil && (n < TheNamespace || n > newestNoun) {
		d.fail(fmt.Errorf("guard on noun %d is unknown to this release; run a newer one", n))
	}
	return n
}

func (d *decoding) text() string { return string(d.bytes(d.uvarint())) }

func (d *decoding) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail(errTruncated)
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count reads how many items follow. Each takes at least one byte, so a count
// beyond the rest is a lie and allocates nothing.
func (d *decoding) count(most uint64) int {
	n := d.uvarint()
	if n > most || n > uint64(len(d.rest)) {
		d.fail(fmt.Errorf("count %d: more than %d or than the entry holds", n, most))
		return 0
	}
	return int(n)
}
