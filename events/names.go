package events

import (
	"iter"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of names, in bytes.
const (
	MaxNamespaceBytes    = 512
	MaxNamespaceSegments = 16
	MaxSegmentBytes      = 64
	MaxKeyBytes          = 512
	MaxTextBytes         = 4096 // descriptions and comments
	MaxNameBytes         = 128  // owners, principals, names of API keys
)

// reserved are the segments that end a namespace in a URL path.
var reserved = []string{
	"config", "drafts", "history", "rollback", "explain", "audit", "roles",
	"schema", "settings", "publish-requests", "watch",
}

// Reserved reports whether a segment cannot be part of a namespace's path,
// because a URL path means something else by it.
func Reserved(segment string) bool { return slices.Contains(reserved, segment) }

// CheckNamespace judges the path of a namespace: 1 to 16 segments of
// [A-Za-z0-9._-]{1,64} divided by slashes, 512 bytes at most, none of them
// reserved, "." or "..".
func CheckNamespace(path string) error {
	const field = "/namespace"
	if path == "" {
		return Invalid(field, "is empty")
	}
	if len(path) > MaxNamespaceBytes {
		return Invalid(field, "has %d bytes, at most %d are allowed", len(path), MaxNamespaceBytes)
	}
	segments := strings.Split(path, "/")
	if len(segments) > MaxNamespaceSegments {
		return Invalid(field, "has %d segments, at most %d are allowed", len(segments), MaxNamespaceSegments)
	}
	for _, s := range segments {
		switch {
		case s == "":
			return Invalid(field, "%q has an empty segment", path)
		case len(s) > MaxSegmentBytes:
			return Invalid(field, "has a segment of %d bytes, at most %d are allowed", len(s), MaxSegmentBytes)
		case s == "." || s == "..":
			return Invalid(field, "%q has a segment %q, which is not allowed", path, s)
		case Reserved(s):
			return Invalid(field, "%q has the segment %q, which is reserved", path, s)
		}
		if i := strings.IndexFunc(s, notNameRune); i >= 0 {
			return Invalid(field, "%q has a character that is not one of A-Z a-z 0-9 . _ -", path)
		}
	}
	return nil
}

// CheckKey judges the name of an entry: 1 to 512 bytes of [A-Za-z0-9._/-] with
// no empty, "." or ".." segment.
func CheckKey(key string) error {
	const field = "/key"
	if key == "" {
		return Invalid(field, "is empty")
	}
	if len(key) > MaxKeyBytes {
		return Invalid(field, "has %d bytes, at most %d are allowed", len(key), MaxKeyBytes)
	}
	for s := range strings.SplitSeq(key, "/") {
		if s == "" {
			return Invalid(field, "%q has an empty segment", key)
		}
		if s == "." || s == ".." {
			return Invalid(field, "%q has a segment %q, which is not allowed", key, s)
		}
		if strings.IndexFunc(s, notNameRune) >= 0 {
			return Invalid(field, "%q has a character that is not one of A-Z a-z 0-9 . _ / -", key)
		}
	}
	return nil
}

func notNameRune(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return r != '.' && r != '_' && r != '-'
}

// CheckText judges free text such as a description: valid UTF-8, no control
// characters but tab and newline, at most max bytes.
func CheckText(pointer, text string, max int) error {
	if len(text) > max {
		return Invalid(pointer, "has %d bytes, at most %d are allowed", len(text), max)
	}
	if !utf8.ValidString(text) {
		return Invalid(pointer, "is not valid UTF-8")
	}
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return Invalid(pointer, "has the control character %U", r)
		}
	}
	return nil
}

// CheckName judges the name of an owner, principal or API key: 1 to 128 bytes
// of text on one line.
func CheckName(pointer, name string) error {
	if name == "" {
		return Invalid(pointer, "is empty")
	}
	if strings.ContainsAny(name, "\n\t") {
		return Invalid(pointer, "is not on one line")
	}
	return CheckText(pointer, name, MaxNameBytes)
}

// checkTime refuses what RFC 3339 cannot write.
func checkTime(pointer string, t time.Time) error {
	if y := t.UTC().Year(); y < 0 || y > 9999 {
		return Invalid(pointer, "is in the year %d in UTC; years have four digits", y)
	}
	return nil
}

// System is the principal that acts when the cluster acts by itself. No API key
// is created for it.
const System = "system"

// Within reports whether the namespace path lies in the subtree of root, itself
// included. The root "/" holds every namespace.
func Within(path, root string) bool {
	if root == Root {
		return true
	}
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || rest[0] == '/')
}

// Root is the namespace above all others. It holds no entries; its roles,
// schema and settings, and grants on it, reach everywhere.
const Root = "/"

// parent is the namespace above one, Root above those without a slash; ok is
// false for Root.
func parent(path string) (above string, ok bool) {
	if path == Root || path == "" {
		return "", false
	}
	if cut := strings.LastIndexByte(path, '/'); cut >= 0 {
		return path[:cut], true
	}
	return Root, true
}

// Upwards yields a namespace, all above it, and [Root].
func Upwards(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for ok := path != ""; ok; path, ok = parent(path) {
			if !yield(path) {
				return
			}
		}
	}
}

// CheckPlace is CheckNamespace where [Root] will do, too.
func CheckPlace(path string) error {
	if path == Root {
		return nil
	}
	return CheckNamespace(path)
}
