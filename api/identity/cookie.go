package identity

import (
	"net/http"
	"strings"
	"time"
)

// Cookies. Over https their names begin with __Host-, which keeps other hosts and
// plain http from setting them (RFC 6265bis, 4.1.3.2).
const (
	sessionCookie  = "confman"
	loginCookie    = "confman-login"
	securePrefix   = "__Host-"
	maxCookieBytes = 4096 // name, value and attributes; browsers drop longer ones in silence
)

// newCookie makes a cookie that scripts cannot read and that comes along when other
// sites link to us, but not with what they embed or post. A negative age deletes it.
func newCookie(name, value string, age time.Duration, secure bool) *http.Cookie {
	return &http.Cookie{
		Name: cookieName(name, secure), Value: value, Path: "/", MaxAge: max(-1, int(age/time.Second)),
		Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func cookieName(name string, secure bool) string {
	if secure {
		return securePrefix + name
	}
	return name
}

// cookieNames are the names under which a request may bear a session, the one that
// counts first. Where a proxy ends TLS a node may not be told, so over plain http
// both do, unless the browser shows that it came by https.
func cookieNames(r *http.Request) []string {
	if byHTTPS(r) {
		return []string{securePrefix + sessionCookie}
	}
	return []string{securePrefix + sessionCookie, sessionCookie}
}

// byHTTPS reports whether a browser is known to have come by https. Beyond this
// machine browsers send Sec-Fetch-Site only to what they reach so (Fetch Metadata,
// 2), and no script can.
func byHTTPS(r *http.Request) bool {
	return r.TLS != nil || !isLoopback(r.Host) && r.Header.Get("Sec-Fetch-Site") != ""
}

// setsSecure reports whether a cookie that a request of our own page asks for is one
// for https only.
func setsSecure(r *http.Request) bool {
	return byHTTPS(r) || strings.HasPrefix(r.Header.Get("Origin"), "https://")
}

// Confidential reports whether nobody on the way between a browser and this cluster
// reads along, as far as the request shows: it came by https, or from this machine.
func Confidential(r *http.Request) bool {
	return setsSecure(r) || isLoopback(r.Host) || len(r.CookiesNamed(securePrefix+sessionCookie)) > 0
}
