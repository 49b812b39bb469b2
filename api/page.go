package api

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"confman/api/wire"
)

// maxRows is the default and the most rows of a page.
const maxRows = 1000

// page is the part of a list that the request asks for: rows after a mark that
// means something to the list alone.
type page struct {
	limit int
	after string // the mark of the page before; "" for the first page
	list  uint32 // which list it is a page of
}

// page reads limit and cursor.
func (x *exchange) page(defaultRows int) (page, error) {
	p := page{limit: defaultRows, list: x.listID()}
	if given := x.query.Get(wire.ParamLimit); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || n < 1 {
			return p, badParam(wire.ParamLimit, "is %.40q, want a number from 1 to %d", given, maxRows)
		}
		p.limit = min(n, maxRows)
	}
	if given := x.query.Get(wire.ParamCursor); given != "" {
		after, ok := parseCursor(given, p.list)
		if !ok {
			return p, badParam(wire.ParamCursor, "is not one that this list gave out; begin again without it")
		}
		p.after = after
	}
	return p, nil
}

// listID tells lists apart by all that decides what is in them.
func (x *exchange) listID() uint32 {
	id := []byte(x.endpoint.pattern + "\x00" + x.names.namespace + "\x00" + x.names.key)
	for _, name := range []string{"prefix", "resolve", "at", "namespace", "exact", "key", "actor", "action", "request", "correlation", "transaction", "since", "until", "after", "before", "order", "state", "mine", "principal", "reason", "q", "in"} {
		id = append(id, 0)
		id = append(id, x.query.Get(name)...)
	}
	return crc32.ChecksumIEEE(id)
}

// A cursor is base64url of format(1) list[4] mark*.
const cursorFormat = 1

func formatCursor(list uint32, mark string) string {
	raw := binary.BigEndian.AppendUint32([]byte{cursorFormat}, list)
	return base64.RawURLEncoding.EncodeToString(append(raw, mark...))
}

// lineBreaks are what decoding base64 skips, so that one thing could be written in
// many ways.
const lineBreaks = "\r\n"

func parseCursor(cursor string, list uint32) (mark string, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || strings.ContainsAny(cursor, lineBreaks) || len(raw) < 6 || raw[0] != cursorFormat || binary.BigEndian.Uint32(raw[1:]) != list {
		return "", false
	}
	return string(raw[5:]), true
}

// next links the page after this one, which begins after the mark (RFC 8288).
func (x *exchange) next(p page, mark string) {
	if x.query == nil {
		x.query = url.Values{}
	}
	x.query.Set(wire.ParamLimit, strconv.Itoa(p.limit))
	x.query.Set(wire.ParamCursor, formatCursor(p.list, mark))
	x.set("Link", "<"+x.r.URL.EscapedPath()+"?"+x.query.Encode()+`>; rel="next"`)
}

// pageBytes is how large a page may grow before it ends, with a link to the next
// one, whatever its limit of rows.
const pageBytes = 4 << 20

// rows collects the encoded rows of one page.
type rows struct {
	body  []byte
	count int
}

// full reports whether another row belongs to the next page.
func (r *rows) full(limit int) bool { return r.count >= limit || len(r.body) >= pageBytes }

// encode adds a row, a value of package wire.
func (r *rows) encode(v any) error {
	row, err := encode(v)
	if err == nil {
		r.body = append(r.add(), row...)
	}
	return err
}

// add makes room for one more row and returns what to append it to.
func (r *rows) add() []byte {
	if r.count++; r.count == 1 {
		return append(r.body, '[')
	}
	return append(r.body, ',')
}

// sendRows ends the exchange with a JSON array.
func (x *exchange) sendRows(r rows) error {
	if r.count == 0 {
		r.body = append(r.body, '[')
	}
	return x.send(http.StatusOK, wire.MediaJSON, append(r.body, ']'))
}
