package api

import (
	"bytes"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
	"confman/events"
)

const (
	paramQuery  = "q"
	paramWithin = "in"
	maxQuery    = 256 // bytes

	// searchBytes is how many bytes of names and values one page of a search looks
	// at, for each word: with Limits.Search what keeps its work small.
	searchBytes = 64 << 20
	// excerptBytes is how long an excerpt may be, and excerptBefore how much of it
	// stands before the match.
	excerptBytes, excerptBefore = 240, 80
)

// search answers GET /api/v1/search: the entries that the caller may read and in
// which all words are, by namespace, then key. The mark of a page is both of the
// last entry that it looked at, one that the caller may read: a page that looked at
// as much as it may has fewer rows than asked for, perhaps none, and a link to the
// next.
func (x *exchange) search() error {
	s, err := x.searching()
	if err != nil {
		return err
	}
	p, err := x.page(maxRows)
	if err != nil {
		return err
	}
	within := x.query.Get(wire.ParamNamespace)
	if within == "" {
		within = events.Root
	}
	if err := events.CheckPlace(within); err != nil {
		return err
	}
	var page rows
	looked, effort, secrets := 0, 0, 0
	var last events.Entry
	for e := range x.readable(within, p.after) {
		if page.full(p.limit) || looked == x.Limits.Search || effort >= searchBytes {
			x.next(p, last.Namespace+"\x00"+last.Key)
			break
		}
		looked, effort = looked+1, effort+s.effort(&e)
		last = e
		if match, at := s.matches(&e); match != "" {
			page.body = s.row(page.add(), &e, match, at)
			secrets += secretRefs(&e)
		}
	}
	x.readSecrets(secrets)
	return x.sendRows(page)
}

// readable yields the live entries of a subtree after a mark that the caller may
// read. What may not be read at all is not looked at, so that no mark and no time
// tells of it.
func (x *exchange) readable(subtree, mark string) iter.Seq[events.Entry] {
	from, after, _ := strings.Cut(mark, "\x00")
	return func(yield func(events.Entry) bool) {
		for n := range x.state.NamespacesWithin(subtree) {
			if n.Path < from || !x.principal.CanSee(n.Path) {
				continue
			}
			all, key := x.principal.Can(events.Viewer, n.Path, ""), ""
			if n.Path == from {
				key = after
			}
			for e := range x.state.EntriesAfter(n.Path, key) {
				if (all || x.principal.Can(events.Viewer, e.Namespace, e.Key)) && !yield(e) {
					return
				}
			}
		}
	}
}

// searching is a search under way.
type searching struct {
	words        []*needle
	keys, values bool // where to look

	name, unquoted []byte // room for one entry
}

// searching reads what to look for.
func (x *exchange) searching() (*searching, error) {
	s := &searching{}
	switch within := x.query.Get(paramWithin); within {
	case "", wire.SearchAll:
		s.keys, s.values = true, true
	case wire.SearchKeys:
		s.keys = true
	case wire.SearchValues:
		s.values = true
	default:
		return nil, badParam(paramWithin, "is %.40q, want keys, values or all", within)
	}
	q := x.query.Get(paramQuery)
	switch {
	case len(q) > maxQuery:
		return nil, badParam(paramQuery, "has %d bytes, at most %d are allowed", len(q), maxQuery)
	case !utf8.ValidString(q):
		return nil, badParam(paramQuery, "is not valid UTF-8")
	}
	for word := range strings.FieldsSeq(q) {
		s.words = append(s.words, newNeedle(word))
	}
	if len(s.words) == 0 {
		return nil, badParam(paramQuery, "is missing or blank; give a word that a key or a value has")
	}
	return s, nil
}

// effort is how many bytes are looked at in an entry, again for each word.
func (s *searching) effort(e *events.Entry) (n int) {
	if s.keys {
		n = len(e.Namespace) + len(e.Key)
	}
	if s.values {
		n += len(e.Value.JSON)
	}
	return n * len(s.words)
}

// matches says where all words are, and where in the text of the value the first
// one is that is there alone; "" when one is nowhere.
func (s *searching) matches(e *events.Entry) (match string, at int) {
	var name, text []byte
	if s.keys {
		s.name = append(append(append(s.name[:0], e.Namespace...), '/'), e.Key...)
		name = s.name
	}
	read := !s.values
	match = wire.MatchKey
	for _, word := range s.words {
		if word.in(name) >= 0 {
			continue
		}
		if !read {
			text, read = s.text(e.Value), true
		}
		place := word.in(text)
		if place < 0 {
			return "", 0
		}
		if match == wire.MatchKey {
			match, at = wire.MatchValue, place
		}
	}
	return match, at
}

// text is what of a value is searched: that of a string without its quotes and
// escapes, JSON as it is, and nothing of bytes and of what was erased. It is good
// until the next call.
func (s *searching) text(v events.Value) []byte {
	switch {
	case v.Type == events.Binary, v.Type == events.Erased:
		return nil
	case v.Type == events.JSON, len(v.JSON) < 2, v.JSON[0] != '"':
		return v.JSON
	case bytes.IndexByte(v.JSON, '\\') < 0:
		return v.JSON[1 : len(v.JSON)-1]
	}
	text, err := jsontext.AppendUnquote(s.unquoted[:0], v.JSON)
	if err != nil { // no such value was ever let in
		return nil
	}
	s.unquoted = text
	return text
}

// row appends a [wire.Found] as JSON.
func (s *searching) row(dst []byte, e *events.Entry, match string, at int) []byte {
	text, long := s.text(e.Value), len(e.Value.JSON) > wire.MaxFoundValue
	if text != nil {
		long = len(text) > wire.MaxFoundValue
	}
	dst = append(dst, `{"namespace":"`...)
	dst = append(dst, e.Namespace...) // names need no escapes
	dst = append(dst, `","key":"`...)
	dst = append(append(dst, e.Key...), '"')
	if long {
		without := *e
		without.Value.JSON = nil
		dst = appendText(appendValue(dst, &without), `,"excerpt":`, excerpt(text, at))
	} else {
		dst = appendValue(dst, e)
	}
	dst = append(dst, `,"match":"`...)
	dst = append(dst, match...)
	return append(dst, `"}`...)
}

// excerpt is a piece of a text around a place, cut between characters.
func excerpt(text []byte, at int) string {
	from := max(0, at-excerptBefore)
	for from > 0 && !utf8.RuneStart(text[from]) {
		from--
	}
	to := min(len(text), from+excerptBytes)
	for to < len(text) && !utf8.RuneStart(text[to]) {
		to--
	}
	piece := string(text[from:to])
	if from > 0 {
		piece = "…" + piece
	}
	if to < len(text) {
		piece += "…"
	}
	return piece
}
