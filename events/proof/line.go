package proof

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"confman/events"
)

// Format names the format of record lines.
const Format = "confman.records.v1"

// Header is the first line: which part of which history follows.
type Header struct {
	Format  string       `json:"format"` // filled in by the Writer
	Cluster string       `json:"cluster"`
	From    uint64       `json:"from"`
	To      uint64       `json:"to"`     // from-1 where nothing follows
	Before  events.Chain `json:"before"` // the chain at from-1
	Node    string       `json:"node"`   // that wrote it, for people
}

// trailer is the last line.
type trailer struct {
	End     bool          `json:"end"`
	Records uint64        `json:"records"`
	Index   uint64        `json:"index"`
	Chain   events.Chain  `json:"chain"`
	SHA256  events.Digest `json:"sha256"`
}

func (h Header) check() error {
	if h.Format != Format {
		return fmt.Errorf("format %.40q: this release reads %s", h.Format, Format)
	}
	if h.From == 0 || h.To+1 < h.From {
		return fmt.Errorf("events %d to %d: want a range from 1 on", h.From, h.To)
	}
	return nil
}

// The parts of a record's line around what varies.
const (
	partIndex     = `{"index":`
	partChain     = `,"chain":"`
	partTime      = `","time":"`
	partRaftTerm  = `","raftTerm":`
	partRaftIndex = `,"raftIndex":`
	partMore      = `,"more":true`
	partErased    = `,"erased":true`
	partEvent     = `,"event":`
	partEnd       = `{"end":`
)

// appendLine appends the line of a record, with its line break.
func appendLine(dst []byte, r events.Record) []byte {
	dst = strconv.AppendUint(append(dst, partIndex...), r.Index, 10)
	dst = hex.AppendEncode(append(dst, partChain...), r.Chain[:])
	dst = r.Time.UTC().AppendFormat(append(dst, partTime...), time.RFC3339Nano)
	dst = strconv.AppendUint(append(dst, partRaftTerm...), r.RaftTerm, 10)
	dst = strconv.AppendUint(append(dst, partRaftIndex...), r.RaftIndex, 10)
	if r.More {
		dst = append(dst, partMore...)
	}
	if r.Erased {
		dst = append(dst, partErased...)
	}
	dst = append(append(dst, partEvent...), r.Body...)
	return append(dst, '}', '\n')
}

var errLine = errors.New("not the line of a record")

// parseLine reads the line of a record. Body shares memory with it.
func parseLine(line []byte) (r events.Record, err error) {
	rest := line
	between := func(before, end string) string {
		var found bool
		if rest, found = bytes.CutPrefix(rest, []byte(before)); !found {
			err = errors.Join(err, errLine)
			return ""
		}
		at := bytes.Index(rest, []byte(end))
		if at < 0 || at > 2*sha256.Size {
			err = errors.Join(err, errLine)
			return ""
		}
		text := string(rest[:at])
		rest = rest[at:]
		return text
	}
	number := func(text string) uint64 {
		n, failed := strconv.ParseUint(text, 10, 64)
		err = errors.Join(err, failed)
		return n
	}
	r.Index = number(between(partIndex, partChain))
	chain := between(partChain, partTime)
	at := between(partTime, partRaftTerm)
	r.RaftTerm = number(between(partRaftTerm, partRaftIndex))
	r.RaftIndex = number(between(partRaftIndex, `,"`))
	if err != nil {
		return r, errLine // of many that follow from the first, none says more
	}
	if r.Chain, err = events.ParseChain(chain); err != nil {
		return r, err
	}
	if r.Time, err = time.Parse(time.RFC3339Nano, at); err != nil {
		return r, fmt.Errorf("time %.40q: %w", at, errLine)
	}
	rest, r.More = bytes.CutPrefix(rest, []byte(partMore))
	rest, r.Erased = bytes.CutPrefix(rest, []byte(partErased))
	rest, isEvent := bytes.CutPrefix(rest, []byte(partEvent))
	rest, isWhole := bytes.CutSuffix(rest, []byte("}\n"))
	if !isEvent || !isWhole || len(rest) == 0 {
		return r, errLine
	}
	r.Body = rest
	if !bytes.Equal(appendLine(nil, r), line) {
		return r, fmt.Errorf("%w as it is written", errLine)
	}
	return r, nil
}

// parseOther reads a header or a trailer, which must be spelled as it is
// written.
func parseOther[T any](line []byte) (v T, err error) {
	if err := json.Unmarshal(line, &v); err != nil {
		return v, err
	}
	again, err := otherLine(v)
	if err == nil && !bytes.Equal(again, line) {
		err = errors.New("not spelled as it is written")
	}
	return v, err
}

func otherLine(v any) ([]byte, error) {
	line, err := json.Marshal(v)
	return append(line, '\n'), err
}
