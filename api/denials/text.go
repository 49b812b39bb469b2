package denials

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"confman/api/wire"
)

// bounded is a row whose texts are short, printable, and no part of something
// longer that they would keep in memory.
func bounded(d wire.Denied) wire.Denied {
	for _, short := range []*string{&d.Reason, &d.Method, &d.KeyID, &d.Remote, &d.Route, &d.CorrelationID} {
		*short = legible(*short, 128)
	}
	for _, long := range []*string{&d.Principal, &d.Path, &d.Namespace, &d.Key, &d.Detail} {
		*long = legible(*long, 512)
	}
	return d
}

// legible is a copy of a text without what cannot be printed, cut after so many
// bytes.
func legible(text string, most int) string {
	short := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, text[:min(most, len(text))])
	if len(text) <= most && len(short) <= most {
		return strings.Clone(short)
	}
	most = min(most, len(short))
	for most > 0 && most < len(short) && !utf8.RuneStart(short[most]) {
		most--
	}
	return short[:most] + "…"
}
