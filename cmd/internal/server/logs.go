package server

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"
)

// newLog writes to w as the options say; "auto" is for people when w is a
// terminal.
func newLog(o Options, w io.Writer) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(o.LogLevel)
	if err != nil || o.LogLevel == "" {
		return zerolog.Nop(), fmt.Errorf("--log-level %q: want debug, info, warn or error", o.LogLevel)
	}
	switch o.LogForm {
	case "json":
	case "console":
		w = console(w)
	case "auto":
		if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			w = console(w)
		}
	default:
		return zerolog.Nop(), fmt.Errorf("--log-format %q: want auto, json or console", o.LogForm)
	}
	return zerolog.New(w).Level(level).With().Timestamp().Str("node", o.Node.ID).Logger(), nil
}

func console(w io.Writer) io.Writer {
	return zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}
}
