package cli

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// whenHelp says in the help of a command what a WHEN may be.
const whenHelp = `A WHEN is an event index (1042), a position (1042-9f3c2a1b), a time (RFC 3339, or
2026-11-22 or "2026-11-22 14:00" in the local time zone), now, today, yesterday, or
how long ago: "2h ago", -2h, 3d, 1w. A day is its first moment.`

// point is a moment of the history as a person names it. It is the value of a flag;
// its zero value is one that was not given.
type point struct {
	given    string
	position string // an event index or position; empty: it is a time
	time     time.Time
}

// Set reads a moment; what is relative counts from now. Set, String and Type make
// a point a flag.
func (p *point) Set(text string) (err error) {
	*p, err = parsePoint(text, time.Now())
	return err
}

// String is the moment as it was given.
func (p *point) String() string { return p.given }

// Type is what help calls the value.
func (p *point) Type() string { return "WHEN" }

// atUse is what --at says of itself.
const atUse = "as it was then: an event index, a position, a time, yesterday, 2h …"

// flag registers the point as a flag.
func (p *point) flag(cmd *cobra.Command, name, use string) {
	cmd.Flags().Var(p, name, use)
	words := cobra.FixedCompletions([]string{"now", "today", "yesterday"}, cobra.ShellCompDirectiveNoFileComp)
	_ = cmd.RegisterFlagCompletionFunc(name, words)
}

// wire is the moment as the API takes it, empty for now and where none was given.
func (p point) wire() string {
	if p.position != "" || p.given == wordNow || p.given == "" {
		return p.position
	}
	return p.time.UTC().Format(time.RFC3339Nano)
}

// index is that of an event, 0 for a time.
func (p point) index() uint64 {
	digits, _, _ := strings.Cut(p.position, "-")
	n, _ := strconv.ParseUint(digits, 10, 64) // parsePoint has seen to it
	return n
}

// isBefore reports whether the moment is before an event.
func (p point) isBefore(index uint64, at time.Time) bool {
	if p.position != "" {
		return p.index() < index
	}
	return p.time.Before(at)
}

// wordNow is the one time that is not sent: the clock of a node may be another.
const wordNow = "now"

var (
	positionForm = regexp.MustCompile(`^[0-9]{1,19}(-[0-9a-f]{8})?$`)
	agoForm      = regexp.MustCompile(`^(?:([0-9]{1,4})w)?(?:([0-9]{1,5})d)?([0-9.]+[a-zµ][0-9a-zµ.]*)?$`)
)

var errPoint = errors.New(`want an event index, a position, or a time such as 2026-11-22T14:00:00Z, 2026-11-22, "2026-11-22 14:00", yesterday, "2h ago" or 3d`)

// parsePoint reads a moment; a day and a time of day are of the zone of now.
func parsePoint(text string, now time.Time) (point, error) {
	p := point{given: text}
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch text {
	case wordNow:
		p.time = now
		return p, nil
	case "today":
		p.time = midnight
		return p, nil
	case "yesterday":
		p.time = midnight.AddDate(0, 0, -1)
		return p, nil
	}
	if positionForm.MatchString(text) {
		p.position = text
		return p, nil
	}
	var err error
	if p.time, err = time.Parse(time.RFC3339Nano, text); err == nil {
		return p, nil
	}
	for _, form := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if p.time, err = time.ParseInLocation(form, text, now.Location()); err == nil {
			return p, nil
		}
	}
	p.time, err = ago(text, now)
	return p, err
}

// ago reads how long ago something is: 2h, -2h, "2h ago"; days and weeks are those
// of the calendar.
func ago(text string, now time.Time) (time.Time, error) {
	long, said := strings.CutSuffix(text, " ago")
	if !said {
		long = strings.TrimPrefix(text, "-")
	}
	parts := agoForm.FindStringSubmatch(long)
	if parts == nil || long == "" {
		return time.Time{}, errPoint
	}
	weeks, _ := strconv.Atoi("0" + parts[1])
	days, _ := strconv.Atoi("0" + parts[2])
	at := now.AddDate(0, 0, -7*weeks-days)
	if parts[3] != "" {
		d, err := time.ParseDuration(parts[3])
		if err != nil {
			return time.Time{}, errPoint
		}
		at = at.Add(-d)
	}
	return at, nil
}

// placed translates the WHEN of NAMESPACE@WHEN into what the API takes.
func placed(cmd *cobra.Command, text string) (string, error) {
	namespace, given, past := strings.Cut(text, "@")
	if !past {
		return text, nil
	}
	var at point
	if err := at.Set(given); err != nil {
		return "", usage(cmd, "%q: %w", text, err)
	}
	if at.wire() == "" {
		return namespace, nil
	}
	return namespace + "@" + at.wire(), nil
}

// pastTime reads a flag that has to be a time, not an event.
func pastTime(cmd *cobra.Command, flag, text string) (*time.Time, error) {
	at, err := parsePoint(text, time.Now())
	switch {
	case err != nil:
		return nil, usage(cmd, "%s %q: %w", flag, text, err)
	case at.position != "":
		return nil, usage(cmd, "%s %q: that is an event, not a time", flag, text)
	}
	exact := at.time.UTC().Truncate(time.Second)
	return &exact, nil
}
