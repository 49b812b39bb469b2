package crowd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// splitter takes the bytes of a connection apart, as they come, and hands on the
// JSON of one frame after another. Its error ends the connection; [io.EOF] is an
// orderly end.
type splitter interface {
	feed(data []byte) error
}

// maxFrame bounds what is kept of a frame that has not come to its end.
const maxFrame = 16 << 20

// lines takes apart NDJSON or, with the prefix "data: ", server-sent events,
// each of which has one line of data.
type lines struct {
	prefix  []byte // of the lines that are handed on, without it
	partial []byte // a line without its end
	each    func(frame []byte)
}

func (l *lines) feed(data []byte) error {
	if len(l.partial) > 0 {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			return l.keep(data)
		}
		l.line(append(l.partial, data[:end]...))
		l.partial, data = l.partial[:0], data[end+1:]
	}
	for {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			return l.keep(data)
		}
		l.line(data[:end])
		data = data[end+1:]
	}
}

func (l *lines) keep(data []byte) error {
	if l.partial = append(l.partial, data...); len(l.partial) > maxFrame {
		return fmt.Errorf("a line of more than %d bytes", maxFrame)
	}
	return nil
}

func (l *lines) line(line []byte) {
	if line, ours := bytes.CutPrefix(line, l.prefix); ours && len(line) > 0 {
		l.each(line)
	}
}

// chunks takes off the chunked coding (RFC 9112, 7.1).
type chunks struct {
	left int    // of the chunk
	size []byte // a chunk's first line without its end
	body splitter
}

func (c *chunks) feed(data []byte) error {
	for len(data) > 0 {
		if c.left > 0 {
			n := min(c.left, len(data))
			if err := c.body.feed(data[:n]); err != nil {
				return err
			}
			c.left, data = c.left-n, data[n:]
			continue
		}
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			c.size = append(c.size, data...)
			return nil
		}
		c.size, data = append(c.size, data[:end]...), data[end+1:]
		if err := c.begin(); err != nil {
			return err
		}
	}
	return nil
}

// begin reads the first line of a chunk. An empty one ends the chunk before.
func (c *chunks) begin() error {
	line := bytes.TrimRight(c.size, "\r")
	c.size = c.size[:0]
	if len(line) == 0 {
		return nil
	}
	size, err := strconv.ParseUint(string(line), 16, 31)
	if err != nil {
		return fmt.Errorf("%.20q is not the size of a chunk", line)
	}
	if c.left = int(size); size == 0 {
		return io.EOF
	}
	return nil
}

// Opcodes and bits of a WebSocket frame (RFC 6455, 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
	finBit         = 0x80
	maskBit        = 0x80
)

// messages takes a WebSocket apart.
type messages struct {
	partial []byte // a frame without its end
	message []byte // a message without its last frame
	each    func(frame []byte)
	pong    func(payload []byte) // answers a ping
}

func (m *messages) feed(data []byte) error {
	for len(data) > 0 {
		if len(m.partial) == 0 {
			if n := frameLen(data); n <= len(data) {
				if err := m.frame(data[:n]); err != nil {
					return err
				}
				data = data[n:]
				continue
			}
		}
		need := frameLen(m.partial)
		if need > maxFrame {
			return fmt.Errorf("a frame of %d bytes", need)
		}
		n := min(need-len(m.partial), len(data))
		m.partial, data = append(m.partial, data[:n]...), data[n:]
		if frameLen(m.partial) == len(m.partial) {
			if err := m.frame(m.partial); err != nil {
				return err
			}
			m.partial = m.partial[:0]
		}
	}
	return nil
}

// frameLen is how long the frame is that data begins with, as far as data says:
// more than it has when the frame is not complete.
func frameLen(data []byte) int {
	if len(data) < 2 {
		return 2
	}
	switch n := int(data[1] &^ maskBit); {
	case n < 126:
		return 2 + n
	case n == 126 && len(data) < 4:
		return 4
	case n == 126:
		return 4 + int(binary.BigEndian.Uint16(data[2:]))
	case len(data) < 10:
		return 10
	}
	return 10 + int(min(binary.BigEndian.Uint64(data[2:]), maxFrame+1))
}

func payloadOf(frame []byte) []byte {
	switch frame[1] {
	case 126:
		return frame[4:]
	case 127:
		return frame[10:]
	}
	return frame[2:]
}

// frame takes one complete frame.
func (m *messages) frame(frame []byte) error {
	if frame[1]&maskBit != 0 {
		return errors.New("a masked frame from a server")
	}
	payload := payloadOf(frame)
	switch opcode, last := frame[0]&0xF, frame[0]&finBit != 0; opcode {
	case opText, opContinuation:
		if last && len(m.message) == 0 {
			m.each(payload)
			return nil
		}
		if m.message = append(m.message, payload...); last {
			m.each(m.message)
			m.message = m.message[:0]
		}
	case opPing:
		m.pong(payload)
	case opPong:
	case opClose:
		if len(payload) < 2 {
			return io.EOF
		}
		return fmt.Errorf("closed with %d %s: %w", binary.BigEndian.Uint16(payload), payload[2:], io.EOF)
	default:
		return fmt.Errorf("a frame with opcode %d", opcode)
	}
	return nil
}

// masked appends a frame as clients send them, with a key that changes nothing.
func masked(dst []byte, opcode byte, payload []byte) []byte {
	dst = append(dst, finBit|opcode)
	if len(payload) < 126 {
		dst = append(dst, maskBit|byte(len(payload)))
	} else {
		dst = binary.BigEndian.AppendUint16(append(dst, maskBit|126), uint16(len(payload)))
	}
	return append(append(dst, 0, 0, 0, 0), payload...)
}
