package identity

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode"

	"confman/events"
)

// callbackPath is where a redirect URL that is not configured points.
const callbackPath = "/auth/callback"

// origin is how a browser reaches this cluster.
type origin struct {
	redirect string // absolute URL of the callback
	secure   bool   // https, or else plain http to this machine
}

// reach is how the browser of a request reached us. Without TLS only this machine
// is served: elsewhere cookies and codes would be for all to read.
func (l *Login) reach(r *http.Request) (origin, bool) {
	switch {
	case l.sessions.configured.redirect != "":
		return l.sessions.configured, true
	case r.TLS != nil:
		return origin{"https://" + r.Host + callbackPath, true}, true
	}
	return origin{"http://" + r.Host + callbackPath, false}, isLoopback(r.Host)
}

// reached is reach, which must succeed.
func (l *Login) reached(r *http.Request) (origin, error) {
	at, ok := l.reach(r)
	if !ok {
		return at, &events.Refusal{Kind: events.ErrForbidden, Detail: "logging in needs https: give this node a certificate, or say at which URL a proxy serves " + callbackPath}
	}
	return at, nil
}

// configuredOrigin reads a configured redirect URL; empty: none.
func configuredOrigin(redirect string) (origin, error) {
	if redirect == "" {
		return origin{}, nil
	}
	u, err := url.Parse(redirect)
	switch {
	case err != nil || u.Host == "" || u.Fragment != "" || u.User != nil:
		return origin{}, fmt.Errorf("redirect URL %q is not an absolute URL", redirect)
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Host)):
		return origin{}, fmt.Errorf("redirect URL %q is not https", redirect)
	}
	return origin{redirect, u.Scheme == "https"}, nil
}

const maxReturnBytes = 1024

// localPath judges where to send a browser after its login: a path of ours, as the
// browser will understand it, and not the login itself. Empty is the front page.
func localPath(given string) (string, error) {
	if given == "" {
		return "/", nil
	}
	u, err := url.Parse(given)
	if err != nil || len(given) > maxReturnBytes || given[0] != '/' || u.Host != "" || u.Scheme != "" || u.User != nil {
		return "", errReturn()
	}
	// Browsers take a backslash for a slash and drop tabs and newlines; servers
	// between may decode the path and clean it.
	plain := u.Path
	for strings.HasPrefix(plain, "/ui/") && strings.Contains(plain, "//") {
		plain = strings.ReplaceAll(plain, "//", "/") // the dashboard names the root "%2F", a segment like others
	}
	clean := path.Clean(plain)
	if strings.ContainsFunc(plain, unicode.IsControl) || strings.Contains(plain, `\`) ||
		clean != plain && clean+"/" != plain || clean == "/auth" || strings.HasPrefix(clean, "/auth/") {
		return "", errReturn()
	}
	return u.String(), nil
}

func errReturn() error {
	return &events.Refusal{Kind: events.ErrInvalid, Detail: "return is not a path on this host, such as /namespaces/pay"}
}
