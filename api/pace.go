package api

import (
	"io"
	"net/http"
	"time"
)

// Who sends or reads slowly is cut: a body comes at bodyRate or faster, after a
// start of bodyStart, and an answer is taken, piece by piece, within exportStall.
const (
	bodyStart = 10 * time.Second
	bodyRate  = 32 << 10 // bytes a second
	bodyFirst = 64 << 10 // bytes of memory that a body begins with
	piece     = 128 << 10
	// largeAnswer is how large an answer is that counts in the node's memory.
	largeAnswer = 64 << 10
)

// mayRead lets a body of some bytes arrive for as long as that may take.
func (x *exchange) mayRead(began time.Time, bytes int64) {
	allowed := bodyStart + time.Duration(bytes)*time.Second/bodyRate
	_ = x.control().SetReadDeadline(began.Add(allowed))
}

// mayWrite lets the caller take what is written next.
func (x *exchange) mayWrite() { _ = x.control().SetWriteDeadline(time.Now().Add(exportStall)) }

// receive reads a body of at most so many bytes, which count as the exchange's as
// they come. Its deadline keeps no later reading.
func (x *exchange) receive(most int64) ([]byte, error) {
	if x.r.ContentLength == 0 {
		return nil, nil
	}
	in, began := http.MaxBytesReader(x.w, x.r.Body, most), time.Now()
	size := most
	if x.r.ContentLength > 0 {
		size = x.r.ContentLength
	}
	var body []byte
	for {
		if len(body) == cap(body) {
			grown := min(max(bodyFirst, 2*int64(cap(body))), size+1) // one more, to meet the end
			if grown == int64(cap(body)) {
				grown += bodyFirst // of a body that is longer than it may be, or than it said
			}
			if err := x.hold(grown - int64(cap(body))); err != nil {
				return nil, err
			}
			x.mayRead(began, grown)
			body = append(make([]byte, 0, grown), body...)
		}
		n, err := in.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == io.EOF { //nolint:errorlint // as io.ReadAll
			_ = x.control().SetReadDeadline(time.Time{})
			if len(body) > bodyFirst { // it may have taken long
				x.mayWrite()
			}
			return body, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// deliver writes an answer. A small one is due when the listener says so.
func (x *exchange) deliver(body []byte) error {
	for len(body) > piece {
		x.mayWrite()
		if _, err := x.w.Write(body[:piece]); err != nil {
			return err
		}
		body = body[piece:]
	}
	if x.bytes > 0 {
		x.mayWrite()
	}
	_, err := x.w.Write(body)
	return err
}
