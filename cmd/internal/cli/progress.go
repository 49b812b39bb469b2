package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

const (
	barWidth    = 30                     // characters
	barInterval = 100 * time.Millisecond // between two states of the bar
	logInterval = 5 * time.Second        // between two lines where there is no terminal
)

// progress says how far a long command is: on a terminal with a bar that goes
// away at the end, elsewhere with a line now and then.
type progress struct {
	w     io.Writer // nil: says nothing
	bar   bool
	verb  string // what happened to those that are done: "written"
	total int    // 0: nobody knows
	began time.Time
	said  time.Time // when a state was shown last
	now   func() time.Time
}

func newProgress(w io.Writer, quiet bool, verb string, total int) *progress {
	p := &progress{w: w, verb: verb, total: total, now: time.Now}
	if file, ok := w.(*os.File); ok {
		p.bar = term.IsTerminal(int(file.Fd()))
	}
	if quiet {
		p.w = nil
	}
	p.began = p.now()
	p.said = p.began
	return p
}

// reached says that so many are done by now, if it is time to say something.
func (p *progress) reached(done int) {
	now := p.now()
	interval := logInterval
	if p.bar {
		interval = barInterval
	}
	if p.w == nil || now.Sub(p.said) < interval {
		return
	}
	p.said = now
	line := fmt.Sprintf("%d %s, %.0f/s", done, p.verb, float64(done)/now.Sub(p.began).Seconds())
	if p.total > 0 {
		line = fmt.Sprintf("%d of %d %s, %.0f/s", done, p.total, p.verb, float64(done)/now.Sub(p.began).Seconds())
	}
	switch {
	case !p.bar:
		fmt.Fprintln(p.w, line)
	case p.total > 0:
		full := barWidth * done / p.total
		fmt.Fprintf(p.w, "\r\x1b[K[%s%s] %s", strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), line)
	default:
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
	}
}

// end takes the bar away.
func (p *progress) end() {
	if p.w != nil && p.bar {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
