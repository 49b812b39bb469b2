package events

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Chain is the running hash of the history: Chain(n) = SHA-256(Chain(n-1) ‖ the
// stored bytes of event n), and Chain(0) is zero. Two parties with equal chains
// at an index share the whole history up to it.
type Chain [sha256.Size]byte

// Next is the chain after one more event with these stored bytes.
func (c Chain) Next(stored []byte) Chain {
	h := sha256.New()
	h.Write(c[:])
	h.Write(stored)
	var next Chain
	h.Sum(next[:0])
	return next
}

func (c Chain) String() string { return hex.EncodeToString(c[:]) }

// MarshalText writes 64 hex digits.
func (c Chain) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (c *Chain) UnmarshalText(text []byte) (err error) {
	*c, err = ParseChain(string(text))
	return err
}

// ParseChain reads the 64 hex digits that String writes.
func ParseChain(s string) (Chain, error) {
	var c Chain
	if len(s) != hex.EncodedLen(len(c)) {
		return c, fmt.Errorf("chain %q: want 64 hex digits", s)
	}
	if _, err := hex.Decode(c[:], []byte(s)); err != nil {
		return c, fmt.Errorf("chain %q: %w", s, err)
	}
	return c, nil
}

// Position is a place in a history: an event index and the first 8 hex digits
// of the chain there, written INDEX-HHHHHHHH. A bare index is a position that
// proves nothing.
type Position struct {
	Index uint64
	Proof string // 8 lower-case hex digits, or empty
}

// At is the position of an index whose chain is c.
func (c Chain) At(index uint64) Position {
	return Position{Index: index, Proof: hex.EncodeToString(c[:4])}
}

func (p Position) String() string {
	if p.Proof == "" {
		return strconv.FormatUint(p.Index, 10)
	}
	return strconv.FormatUint(p.Index, 10) + "-" + p.Proof
}

// ParsePosition reads INDEX or INDEX-HHHHHHHH.
func ParsePosition(s string) (Position, error) {
	digits, proof, proved := strings.Cut(s, "-")
	index, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || len(digits) > 1 && digits[0] == '0' || digits == "" {
		return Position{}, fmt.Errorf("position %.40q: want an event index, or INDEX-HHHHHHHH", s)
	}
	if proved {
		if raw, err := hex.DecodeString(proof); err != nil || len(raw) != 4 || strings.ToLower(proof) != proof {
			return Position{}, fmt.Errorf("position %.40q: want 8 lower-case hex digits after the index", s)
		}
	}
	return Position{Index: index, Proof: proof}, nil
}
