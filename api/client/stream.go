package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"confman/api/wire"
)

const (
	idleMost = 20 * time.Second // without a byte, after which a stream is given up; progress comes every 15
	openWait = 5 * time.Second  // what a node waits by default to catch up with the position
	maxLine  = 64 << 20         // bytes of one frame
)

// errSilent ends a request that hears nothing.
var errSilent = errors.New("nothing came")

// stream is the body of a watch, with a limit to how long it may be silent. The
// time that its reader takes does not count.
type stream struct {
	body    io.ReadCloser
	silence *time.Timer // ends the request
	lines   *bufio.Reader
	long    []byte // a line that was larger than the buffer
}

// Read reads from the body for as long as the silence allows.
func (s *stream) Read(p []byte) (int, error) {
	s.silence.Reset(idleMost)
	defer s.silence.Stop()
	return s.body.Read(p)
}

// line returns the next line, valid until the one after it. A line without its
// end is none: the connection broke in the middle.
func (s *stream) line() ([]byte, error) {
	s.long = s.long[:0]
	for {
		part, err := s.lines.ReadSlice('\n')
		switch {
		case err == nil && len(s.long) == 0:
			return part, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(s.long)+len(part) > maxLine:
			return nil, fmt.Errorf("%w: a frame of more than %d bytes", ErrBadAnswer, maxLine)
		}
		s.long = append(s.long, part...)
		if err == nil {
			return s.long, nil
		}
	}
}

// frame reads the next frame of a kind that is known.
func (s *stream) frame() (f wire.Frame, err error) {
	for {
		line, err := s.line()
		if err != nil {
			return f, err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		f = wire.Frame{}
		if err := json.Unmarshal(line, &f); err != nil {
			return f, fmt.Errorf("%w: a frame that is not one: %w", ErrBadAnswer, err)
		}
		switch f.Frame {
		case wire.FrameResumed, wire.FrameSnapshot, wire.FrameEntry, wire.FrameSnapshotEnd,
			wire.FrameEvent, wire.FrameProgress, wire.FrameReset, wire.FrameGoaway,
			wire.FrameReplayStart, wire.FrameReplay, wire.FrameReplayEnd:
			return f, nil
		}
	}
}

// follow delivers frames from one node. It returns nil when yield wants no more or
// a replay is over, otherwise why it ended and whether another connection may go on.
func (w *watch) follow(ctx context.Context, call call, origin string, yield func(wire.Frame) bool) *failure {
	request, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(w.client.config.AttemptTimeout+openWait, func() { cancel(errSilent) })
	defer silence.Stop()
	s, failed := w.open(request, call, origin, silence)
	if s == nil {
		return failed
	}
	defer s.body.Close()
	w.cursor.connect()
	for {
		f, err := s.frame()
		if err != nil {
			return w.broken(request, origin, err)
		}
		if f.Frame == wire.FrameReset || f.Frame == wire.FrameGoaway {
			return w.dismissed(origin, f)
		}
		if err := w.cursor.admit(f); err != nil {
			return &failure{err: fmt.Errorf("%s: %w", origin, err), again: true, origin: origin}
		}
		if ctx.Err() != nil {
			return &failure{err: ctx.Err(), origin: origin}
		}
		if !yield(f) {
			return nil
		}
		w.cursor.advance(f)
		w.client.saw(w.cursor.index)
		if w.cursor.phase == over {
			return nil
		}
	}
}

// open asks a node for the stream. Neither that nor a failure is there when a
// replay has nothing left to send.
func (w *watch) open(ctx context.Context, call call, origin string, silence *time.Timer) (*stream, *failure) {
	c := w.client
	request, err := c.request(ctx, call, origin)
	if err != nil {
		return nil, &failure{err: err, origin: origin}
	}
	request.Header.Set("Accept", wire.MediaNDJSON+", "+wire.MediaProblem)
	request.Header.Set("Accept-Encoding", "identity") // a compressor would hold frames back
	endless := *c.http
	endless.Timeout = 0 // what a caller gave for calls would cut the stream
	response, err := endless.Do(request)
	if err != nil {
		var outer *url.Error // repeats method and URL
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, w.broken(ctx, origin, err)
	}
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if response.StatusCode == http.StatusOK && media == wire.MediaNDJSON {
		silence.Stop()
		w.opened = time.Now()
		c.nodes.answered(origin, false)
		s := &stream{body: response.Body, silence: silence}
		s.lines = bufio.NewReaderSize(s, 32<<10)
		return s, nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	switch {
	case err != nil:
		return nil, w.broken(ctx, origin, err)
	case response.StatusCode == http.StatusNoContent && w.cursor.past:
		return nil, nil
	case response.StatusCode >= http.StatusBadRequest:
		failed := c.problem(answer{status: response.StatusCode, header: response.Header, body: body, origin: origin}, call)
		failed.again = failed.again || response.StatusCode >= http.StatusInternalServerError
		return nil, failed
	}
	err = fmt.Errorf("%w: %s answered %d with %.100q, want a stream", ErrBadAnswer, origin, response.StatusCode, response.Header.Get("Content-Type"))
	return nil, &failure{err: err, again: true, origin: origin}
}

// broken is the failure of a connection that could not be made or broke off.
func (w *watch) broken(ctx context.Context, origin string, err error) *failure {
	if errors.Is(err, ErrBadAnswer) {
		return &failure{err: fmt.Errorf("%s: %w", origin, err), again: true, origin: origin}
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errSilent):
		err = errSilent
	case cause != nil: // the caller's doing, not the node's
		return &failure{err: cause, origin: origin}
	case errors.Is(err, io.EOF):
		err = errors.New("the stream ended without a goodbye")
	}
	w.client.nodes.failed(origin, time.Now())
	return &failure{err: fmt.Errorf("%w: %s: %w", ErrUnavailable, origin, err), again: true, origin: origin}
}

// dismissed is the failure of a watch that the node ended. What is the matter
// with this node or this connection can be cured by another one.
func (w *watch) dismissed(origin string, f wire.Frame) *failure {
	temporary := f.Frame == wire.FrameGoaway
	switch f.Reason {
	case wire.ReasonStuck, wire.ReasonShutdown, wire.ReasonUnavailable, wire.ReasonInternal, wire.ReasonLimit:
		temporary = true
	}
	if f.Reason == wire.ReasonBehind {
		return &failure{err: fmt.Errorf("%w: %s: %s", ErrNotCaughtUp, origin, f.Detail), again: true, origin: origin}
	}
	if temporary {
		return &failure{err: fmt.Errorf("%w: %s said %s: %s %s", ErrUnavailable, origin, f.Frame, f.Reason, f.Detail), again: true, origin: origin}
	}
	reset := &ResetError{Reason: f.Reason, Detail: f.Detail, Oldest: f.Oldest, Newest: f.Newest, Position: w.cursor.position()}
	return &failure{err: reset, origin: origin}
}
