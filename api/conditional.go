package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"confman/events"
)

// etag is the entity tag of an entry that answers for a namespace. One of a
// namespace above has a tag of its own: versions of two entries are not
// comparable.
func etag(e *events.Entry, namespace string) string {
	tag := make([]byte, 0, 64)
	tag = append(tag, `"v`...)
	tag = strconv.AppendUint(tag, e.Version, 10)
	if e.Namespace != namespace {
		tag = append(tag, '@')
		tag = append(tag, e.Namespace...)
	}
	return string(append(tag, '"'))
}

// preconditions are If-Match and If-None-Match, of which one is given at most
// (RFC 9110, 13.1).
type preconditions struct {
	match, noneMatch tags
}

// tags are the entity tags of one header, as they were sent.
type tags struct {
	given bool
	any   bool // *
	list  []string
}

func (x *exchange) preconditions() (p preconditions, err error) {
	if p.match, err = parseTags("If-Match", x.r.Header["If-Match"]); err != nil {
		return p, err
	}
	if p.noneMatch, err = parseTags("If-None-Match", x.r.Header["If-None-Match"]); err != nil {
		return p, err
	}
	if p.match.given && p.noneMatch.given {
		return p, &events.Refusal{Kind: events.ErrInvalid, Detail: "If-Match and If-None-Match are both given; they contradict each other or say the same"}
	}
	return p, nil
}

func parseTags(name string, headers []string) (t tags, err error) {
	if len(headers) == 0 {
		return t, nil
	}
	t.given = true
	rest := strings.TrimSpace(strings.Join(headers, ","))
	if rest == "*" {
		t.any = true
		return t, nil
	}
	for more := true; more; {
		tag := strings.TrimLeft(rest, " \t")
		weak := 0
		if strings.HasPrefix(tag, "W/") {
			weak = 2
		}
		end := -1
		if len(tag) > weak && tag[weak] == '"' {
			end = strings.IndexByte(tag[weak+1:], '"')
		}
		if end < 0 {
			return t, badHeader(name, `is not * or a list of entity tags such as "v6"`)
		}
		end += weak + 2
		t.list = append(t.list, tag[:end])
		rest = strings.TrimLeft(tag[end:], " \t")
		if more = rest != ""; more && rest[0] != ',' {
			return t, badHeader(name, "has no comma between two entity tags")
		}
		rest = strings.TrimPrefix(rest, ",")
	}
	return t, nil
}

// versions reads the tags of a write. Weak ones never match If-Match (RFC 9110,
// 13.1.1), and are compared as they are for If-None-Match.
func (t tags) versions(name, letter string, weakly bool) ([]uint64, error) {
	versions := []uint64{}
	for _, tag := range t.list {
		strong, weak := strings.CutPrefix(tag, "W/")
		digits, ok := strings.CutPrefix(strings.Trim(strong, `"`), letter)
		version, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || !ok {
			return nil, badHeader(name, `has %.40s, which is not a tag such as "%s6"`, tag, letter)
		}
		if weakly || !weak {
			versions = append(versions, version)
		}
	}
	return versions, nil
}

// condition is what the request demands of the version of the entry that it
// writes.
func (x *exchange) condition() (events.Condition, error) { return x.conditionOn("v") }

// revisionCondition is what the request demands of the revision of the draft or
// the policy that it writes. The tag of what was never set is "r0".
func (x *exchange) revisionCondition() (events.Condition, error) {
	c, err := x.conditionOn("r")
	if slices.Equal(c.Versions, []uint64{0}) {
		c.Versions, c.Absent = nil, true
	}
	return c, err
}

func (x *exchange) conditionOn(letter string) (c events.Condition, err error) {
	p, err := x.preconditions()
	if err != nil {
		return c, err
	}
	c.Exists, c.Absent = p.match.any, p.noneMatch.any
	if p.match.given && !p.match.any {
		c.Versions, err = p.match.versions("If-Match", letter, false)
	}
	if p.noneMatch.given && !p.noneMatch.any && err == nil {
		c.Not, err = p.noneMatch.versions("If-None-Match", letter, true)
	}
	return c, err
}

// unchanged answers a conditional read of something that has the tag: done says
// that the exchange has ended with 304.
func (x *exchange) unchanged(tag string) (done bool, err error) {
	if len(x.r.Header["If-Match"])+len(x.r.Header["If-None-Match"]) == 0 {
		return false, nil
	}
	p, err := x.preconditions()
	if err != nil {
		return false, err
	}
	if p.match.given && !p.match.any && !slices.Contains(p.match.list, tag) {
		return false, &events.Refusal{Kind: events.ErrCondition, Detail: "it has the tag " + tag + ", which If-Match does not allow"}
	}
	if p.noneMatch.any || slices.ContainsFunc(p.noneMatch.list, func(t string) bool { return strings.TrimPrefix(t, "W/") == tag }) {
		return true, x.send(http.StatusNotModified, "", nil)
	}
	return false, nil
}

// revisionTag is the entity tag of what has a revision.
func revisionTag(revision uint64) string { return `"r` + strconv.FormatUint(revision, 10) + `"` }
