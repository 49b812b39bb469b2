package disk

import (
	"fmt"
	"strings"

	"github.com/rs/zerolog"
)

// badgerLog hands Badger's log to zerolog; what Badger calls information is for
// debugging here.
type badgerLog struct{ log zerolog.Logger }

func (l badgerLog) Errorf(format string, args ...any)   { say(l.log.Error(), format, args) }
func (l badgerLog) Warningf(format string, args ...any) { say(l.log.Warn(), format, args) }
func (l badgerLog) Infof(format string, args ...any)    { say(l.log.Debug(), format, args) }
func (l badgerLog) Debugf(string, ...any)               {}

func say(e *zerolog.Event, format string, args []any) {
	if e.Enabled() {
		e.Str("from", "badger").Msg(strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}
