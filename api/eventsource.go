package api

import (
	"math/rand/v2"
	"net/http"

	"confman/api/wire"
	"confman/streaming"
)

// reconnects reports whether a failure of this status would end the client for
// good, although it is over in a moment: an EventSource that lost its connection
// gives up when it is answered with anything but 200 (HTML standard, 9.2.3).
func (x *exchange) reconnects(status int) bool {
	if x.endpoint == nil || x.endpoint.access != watcher || x.r.Method != http.MethodGet || x.lastEventID() == "" {
		return false
	}
	encoding, err := x.encoding()
	return err == nil && encoding == streaming.SSE && reasonOf(status) != ""
}

// reasonOf is the reason of a goaway frame that a transient failure is, or "".
func reasonOf(status int) string {
	switch status {
	case http.StatusTooManyRequests:
		return wire.ReasonLimit
	case http.StatusServiceUnavailable:
		return wire.ReasonUnavailable
	case http.StatusGatewayTimeout:
		return wire.ReasonBehind
	}
	return ""
}

// goaway ends the exchange as a stream that has just begun, so that the client
// connects again.
func (x *exchange) goaway(kind problemKind, err error) {
	var p wire.Problem
	x.describe(&p, err)
	frame, err := encode(wire.Frame{Frame: wire.FrameGoaway, Reason: reasonOf(kind.status), Detail: p.Detail})
	if err != nil {
		x.Log.Error().Err(err).Msg("goaway not encoded")
	}
	streaming.StreamHeaders(x.w.Header(), wire.MediaSSE)
	_ = x.send(http.StatusOK, "", []byte(streaming.Retry(rand.Int64N)+"event: "+wire.FrameGoaway+"\ndata: "+string(frame)+"\n\n"))
}

// snapshotURL is where a watch with the same filter begins anew.
func (x *exchange) snapshotURL() string {
	query := x.r.URL.Query()
	query.Set(wire.ParamAfter, wire.AfterSnapshot)
	query.Del(wire.ParamMinIndex)
	return x.r.URL.EscapedPath() + "?" + query.Encode()
}
