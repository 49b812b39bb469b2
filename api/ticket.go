package api

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"

	"confman/events"
	"confman/streaming"
)

// A ticket is base64url, without padding, of
//
//	offset 0   format, 1
//	       1   HMAC-SHA-256 of what follows
//	      33   when it expires, Unix seconds, big endian
//	      41   ID of the API key whose rights it lends, a line feed, and the filter
//	           as the query of a watch
//
// It is no secret of a person: it opens watches with one filter, for some hours,
// while the API key is good. It holds nothing that must be stored, so every node
// of the cluster takes it, after a restart too.
const (
	ticketFormat = 1
	ticketHeader = 1 + sha256.Size
	ticketText   = ticketHeader + 8
	maxTicket    = 1000 // characters; URLs of 2,000 pass everywhere
)

// minTicketSecret is how short Config.TicketSecret may be, in bytes.
const minTicketSecret = 16

// tickets makes and checks tickets.
type tickets struct{ key []byte }

// newTickets derives the key from the cluster's secret (RFC 5869), so that
// neither tells anything about the other.
func newTickets(secret []byte) (tickets, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "confman watch ticket 1", sha256.Size)
	if err != nil {
		return tickets{}, fmt.Errorf("derive the key of tickets: %w", err)
	}
	return tickets{key}, nil
}

// ticket is what a ticket says.
type ticket struct {
	keyID   string
	expires time.Time // whole seconds
	filter  streaming.Filter
}

// seal writes a ticket.
func (k tickets) seal(t ticket) (string, error) {
	raw := make([]byte, ticketHeader, 256)
	raw[0] = ticketFormat
	raw = binary.BigEndian.AppendUint64(raw, uint64(t.expires.Unix()))
	raw = append(raw, t.keyID+"\n"+formatFilter(t.filter).Encode()...)
	k.sign(raw[1:1], raw[ticketHeader:])
	sealed := base64.RawURLEncoding.EncodeToString(raw)
	if len(sealed) > maxTicket {
		return "", &events.Refusal{
			Kind:   events.ErrTooLarge,
			Detail: fmt.Sprintf("a ticket for this filter has %d characters, at most %d are allowed: watch a namespace above, or several with a ticket each", len(sealed), maxTicket),
		}
	}
	return sealed, nil
}

func (k tickets) sign(dst, content []byte) []byte {
	mac := hmac.New(sha256.New, k.key)
	mac.Write(content)
	return mac.Sum(dst)
}

// open reads a ticket that was sealed with the same key and is still good at a
// time.
func (k tickets) open(sealed string, now time.Time) (t ticket, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || strings.ContainsAny(sealed, lineBreaks) || len(raw) < ticketText || raw[0] != ticketFormat ||
		!hmac.Equal(raw[1:ticketHeader], k.sign(nil, raw[ticketHeader:])) {
		return t, fmt.Errorf("%w: the ticket was altered, cut off, or made by another cluster", errUnauthenticated)
	}
	t.expires = time.Unix(int64(binary.BigEndian.Uint64(raw[ticketHeader:])), 0).UTC()
	if !now.Before(t.expires) {
		return t, fmt.Errorf("%w: the ticket expired at %s; ask for another", errUnauthenticated, t.expires.Format(time.RFC3339))
	}
	keyID, query, _ := strings.Cut(string(raw[ticketText:]), "\n")
	given, err := url.ParseQuery(query)
	if err != nil {
		return t, fmt.Errorf("read a ticket of ours: %w", err)
	}
	t.keyID = keyID
	t.filter, err = parseFilter(given)
	return t, err
}
