package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
)

// exchange is one request and its answer.
type exchange struct {
	*Server
	w http.ResponseWriter
	r *http.Request

	endpoint    *endpoint
	names       names
	api         bool // under /api: the answer bears the X-Confman headers
	correlation string
	bearer
	query url.Values
	body  []byte             // as read, once it was
	state *projections.State // the present that a read answers from
	local bool               // a read that nobody else confirmed

	code   int       // the status, once it was sent
	opened time.Time // when a stream began
	part
	room
}

// room is where the values of most headers are, without an allocation each.
type room struct {
	values [14]string
	used   int
}

// set sets a header whose name is in canonical form.
func (x *exchange) set(name, value string) {
	if x.used == len(x.values) {
		x.w.Header()[name] = []string{value}
		return
	}
	x.values[x.used] = value
	x.used++
	x.w.Header()[name] = x.values[x.used-1 : x.used : x.used]
}

// reflects says which event index the answer reflects.
func (x *exchange) reflects(p events.Position) {
	x.set("X-Confman-Index", strconv.FormatUint(p.Index, 10))
	x.set("X-Confman-Position", p.String())
}

// positionOf is the position of an index that this node has reached.
func (s *Server) positionOf(index uint64) (events.Position, error) {
	if now := s.Reader.State(); now.Index() == index {
		return now.Position(), nil
	}
	h, release := s.Reader.History(index)
	defer release()
	return h.Position(index)
}

// send ends the exchange. An answer that has not said what it reflects reflects
// the present that it was made from.
//
// What the answer took to make is done with: the exchange gives its place back.
func (x *exchange) send(status int, media string, body []byte) error {
	x.pass.Leave()
	if len(body) > largeAnswer && x.counts() {
		if err := x.hold(int64(len(body))); err != nil {
			return err
		}
	}
	x.provenance()
	if media != "" {
		x.set("Content-Type", media)
	}
	if len(body) > 0 || status == http.StatusTemporaryRedirect {
		x.set("Content-Length", strconv.Itoa(len(body)))
	}
	x.code = status
	x.w.WriteHeader(status)
	if err := x.deliver(body); err != nil {
		x.Log.Debug().Err(err).Str("correlationId", x.correlation).Msg("answer not sent")
	}
	return nil
}

// provenance sets the headers that say what an answer under /api reflects.
func (x *exchange) provenance() {
	if !x.api {
		return
	}
	if _, said := x.w.Header()["X-Confman-Index"]; !said {
		x.reflects(x.present().Position())
	}
	if x.local {
		x.staleness(x.Cluster.Standing())
	}
}

// present is the state that the answer was made from, or else the newest.
func (x *exchange) present() *projections.State {
	if x.state == nil {
		x.state = x.Reader.State()
	}
	return x.state
}

func (x *exchange) staleness(now Standing) {
	if now.SinceContact >= 0 {
		x.set("X-Confman-Stale-Ms", strconv.FormatInt(now.SinceContact.Milliseconds(), 10))
	}
	x.set("X-Confman-Leader-Known", strconv.FormatBool(now.Leader != ""))
}

// sendJSON ends the exchange with a value of package wire.
func (x *exchange) sendJSON(status int, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	return x.send(status, wire.MediaJSON, body)
}

// noContent ends the exchange without a body.
func (x *exchange) noContent() error { return x.send(http.StatusNoContent, "", nil) }

// encode writes a value of package wire as JSON, its strings as they are.
func encode(v any) ([]byte, error) {
	var buffer bytes.Buffer
	e := json.NewEncoder(&buffer)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode an answer: %w", err)
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

// within is the request's context with a deadline.
func (x *exchange) within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(x.r.Context(), d)
}
