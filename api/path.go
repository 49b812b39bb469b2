package api

import (
	"net/url"
	"strings"

	"confman/events"
)

// namespacesPath begins the paths whose names may contain slashes.
const namespacesPath = "/api/v1/namespaces/"

// anyPath ends a pattern that matches whatever follows, slashes and all.
const anyPath = "{path}"

// names are what a path addresses, decoded and checked.
type names struct {
	namespace string
	key       string
	id        string // of an API key, a member, a problem, a profile; what follows the root of a tree, judged by nobody
}

// resource is what one pattern addresses.
type resource struct {
	pattern string
	methods map[string]*endpoint
	allow   string // the methods, for the Allow header
}

// paths finds the resource that a path addresses. It stands where a ServeMux
// would: that one redirects an empty segment to another resource and cannot
// match a name with raw slashes (hence no patterns of its kind either).
type paths struct {
	fixed map[string]*resource // patterns without a name, by the whole path
	trees map[string]*resource // patterns that end in {path}, by what is before it
	named []*resource          // one {id} each
	// Patterns below a namespace by their collection, "" for the namespace
	// itself: as a whole, and with a key.
	whole map[string]*resource
	keyed map[string]*resource
}

func newPaths() *paths {
	return &paths{fixed: map[string]*resource{}, trees: map[string]*resource{}, whole: map[string]*resource{}, keyed: map[string]*resource{}}
}

// add files a resource under its pattern.
func (p *paths) add(r *resource) {
	below, ok := strings.CutPrefix(r.pattern, namespacesPath+"{namespace}")
	switch collection, keyed := strings.CutSuffix(below, "/{key}"); {
	case ok && keyed:
		p.keyed[strings.TrimPrefix(collection, "/")] = r
	case ok:
		p.whole[strings.TrimPrefix(below, "/")] = r
	case strings.HasSuffix(r.pattern, anyPath):
		p.trees[strings.TrimSuffix(r.pattern, anyPath)] = r
	case strings.Contains(r.pattern, "{"):
		p.named = append(p.named, r)
	default:
		p.fixed[r.pattern] = r
	}
}

// find returns the resource and the names in the path. A path that cannot
// address anything is [events.ErrInvalid], one that addresses nothing of ours
// [events.ErrNotFound].
func (p *paths) find(u *url.URL) (*resource, names, error) {
	raw, escaped := u.RawPath, true
	if raw == "" { // then decoding changed nothing but unambiguous escapes
		raw, escaped = u.Path, false
	}
	if r, ok := p.fixed[raw]; ok {
		return r, names{}, nil
	}
	if below, ok := strings.CutPrefix(raw, namespacesPath); ok {
		return p.findBelow(below, escaped)
	}
	for root, r := range p.trees {
		if strings.HasPrefix(raw, root) {
			return r, names{id: u.Path[len(root):]}, nil
		}
	}
	segments, err := segmentsOf(raw, escaped)
	if err != nil {
		return nil, names{}, err
	}
	for _, r := range p.named {
		if id, ok := matchNamed(r.pattern, segments); ok {
			return r, names{id: id}, nil
		}
	}
	return nil, names{}, &events.Refusal{Kind: events.ErrNotFound, Detail: "no such path; see /openapi.yaml"}
}

// findBelow reads what follows /api/v1/namespaces/: the first reserved segment,
// written without escapes, ends the namespace; what follows it is the key.
func (p *paths) findBelow(below string, escaped bool) (_ *resource, n names, err error) {
	path, collection, key, keyed := splitReserved(below)
	if n.namespace, err = unescape(path, escaped, "/namespace"); err != nil {
		return nil, n, err
	}
	if err := checkPlace(n.namespace, collection); err != nil {
		return nil, n, err
	}
	found := p.whole[collection]
	if keyed {
		if n.key, err = unescape(key, escaped, "/key"); err != nil {
			return nil, n, err
		}
		if err := events.CheckKey(n.key); err != nil {
			return nil, n, err
		}
		found = p.keyed[collection]
	}
	if found == nil {
		return nil, n, &events.Refusal{Kind: events.ErrNotFound, Detail: "no such path below a namespace; see /openapi.yaml"}
	}
	return found, n, nil
}

// checkPlace judges the namespace of a path. The root has policies, and nothing
// else.
func checkPlace(namespace, collection string) error {
	switch collection {
	case "roles", "schema", "settings":
		return events.CheckPlace(namespace)
	}
	return events.CheckNamespace(namespace)
}

// splitReserved splits at the first reserved segment after at least one other.
func splitReserved(below string) (path, collection, key string, keyed bool) {
	start := strings.IndexByte(below, '/') + 1
	for start > 0 {
		segment, rest, more := strings.Cut(below[start:], "/")
		if events.Reserved(segment) {
			return below[:start-1], segment, rest, more
		}
		if !more {
			break
		}
		start += len(segment) + 1
	}
	return below, "", "", false
}

func unescape(s string, escaped bool, pointer string) (string, error) {
	if !escaped || strings.IndexByte(s, '%') < 0 {
		return s, nil
	}
	decoded, err := url.PathUnescape(s)
	if err != nil {
		return "", events.Invalid(pointer, "is not validly percent-encoded in the path")
	}
	return decoded, nil
}

// segmentsOf takes a path without names of entries apart.
func segmentsOf(raw string, escaped bool) ([]string, error) {
	path, ok := strings.CutPrefix(raw, "/")
	if !ok {
		return nil, &events.Refusal{Kind: events.ErrInvalid, Detail: "the path does not begin with a slash"}
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		s, err := unescape(s, escaped, "")
		if err != nil {
			return nil, err
		}
		if s == "" || s == "." || s == ".." {
			return nil, &events.Refusal{Kind: events.ErrInvalid, Detail: `the path has an empty segment, "." or ".."; no path ends in a slash`}
		}
		if err := events.CheckText("", s, events.MaxKeyBytes); err != nil || strings.ContainsAny(s, "\n\t") {
			return nil, &events.Refusal{Kind: events.ErrInvalid, Detail: "the path has a segment that is too long, not UTF-8 or has control characters"}
		}
		segments[i] = s
	}
	return segments, nil
}

// matchNamed compares segments with a pattern; id is the one in braces.
func matchNamed(pattern string, segments []string) (id string, ok bool) {
	rest := pattern[1:]
	for i, s := range segments {
		want, after, more := strings.Cut(rest, "/")
		if more != (i < len(segments)-1) {
			return "", false
		}
		if want[0] == '{' {
			id = s
		} else if want != s {
			return "", false
		}
		rest = after
	}
	return id, true
}
