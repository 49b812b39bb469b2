package disk

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/rs/zerolog"
)

// badgerLog hands Badger's log to zerolog; what Badger calls information is for
// debugging here.
//
// Badger says of a write that failed on its own goroutines, such as the fsync of a
// table, no more than a line, and tries again for ever. Once it is open every
// error, and every compaction that failed, is told to fatal: what the kernel
// could not write is not known afterwards.
type badgerLog struct {
	log   zerolog.Logger
	fatal func(error)
	open  atomic.Bool
}

func (l *badgerLog) Errorf(format string, args ...any) {
	l.fail(say(l.log.Error(), format, args))
}

func (l *badgerLog) Warningf(format string, args ...any) {
	if text := say(l.log.Warn(), format, args); strings.Contains(text, "doCompact") || strings.Contains(text, "Compact FAILED") {
		l.fail(text)
	}
}

func (l *badgerLog) Infof(format string, args ...any) {
	if e := l.log.Debug(); e.Enabled() {
		say(e, format, args)
	}
}

func (l *badgerLog) Debugf(string, ...any) {}

func (l *badgerLog) fail(text string) {
	if l.fatal != nil && l.open.Load() {
		l.fatal(fmt.Errorf("%w: the views: %s", ErrSync, text))
	}
}

func say(e *zerolog.Event, format string, args []any) string {
	text := strings.TrimSpace(fmt.Sprintf(format, args...))
	e.Str("from", "badger").Msg(text)
	return text
}
