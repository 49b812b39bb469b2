package wire

import "time"

// Kinds of frames of a replay. They are not those of a watch, so that nobody
// takes the past for the present; FrameProgress and FrameReset are the same.
const (
	FrameReplayStart = "replay-start" // opens a replay: Replay
	FrameReplay      = "replay"       // one event of the past: Prev, Event, More
	FrameReplayEnd   = "replay-end"   // all was sent: Replay
)

// Query parameters of GET /api/v1/audit/replay, beside those of a watch.
const (
	ParamFrom     = "from"      // index, position or time; inclusive
	ParamTo       = "to"        // the same
	ParamSpeed    = "speed"     // SpeedMax, or how many times its own pace
	ParamMaxPause = "max_pause" // no gap between two events is longer, such as 10s
)

// SpeedMax is as fast as it can be read.
const SpeedMax = "max"

// Replay says what a replay covers.
type Replay struct {
	From   string    `json:"from"` // position before the first event
	To     string    `json:"to"`   // position of the last
	Speed  string    `json:"speed"`
	Oldest uint64    `json:"oldest"`          // first event that is kept
	Head   uint64    `json:"head"`            // newest event
	Begins time.Time `json:"begins,omitzero"` // time of the first event in the window
	Ends   time.Time `json:"ends,omitzero"`
	Events uint64    `json:"events,omitempty"` // in replay-end: how many were sent
}
