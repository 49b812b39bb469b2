package api

import (
	"errors"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"confman/api/dashboard"
	"confman/events"
)

// contentPolicy lets the dashboard run its own files and talk to its own node, and
// nothing else. A worker has the policy that its own script came with.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// permissionsPolicy turns off what a page may ask of a browser and this one never does.
const permissionsPolicy = "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), " +
	"hid=(), idle-detection=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), publickey-credentials-create=(), " +
	"publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()"

// index answers GET /: the dashboard to a browser, a few words to anybody else.
func (x *exchange) index() error {
	x.w.Header().Add("Vary", "Accept")
	if x.prefers("text/plain", "text/html") == "text/html" {
		return x.dashboardPage()
	}
	return x.send(http.StatusOK, "text/plain; charset=utf-8", []byte("Confman "+x.Version+`: a distributed, governed configuration service.

A browser finds the dashboard here. The API is described in /openapi.yaml and /openapi.json; it is under /api/v1 and needs an API key (X-Api-Key).
/health and /health/ready say how this node is, /metrics measures it.
`))
}

// dashboardPage answers GET /ui/ and /ui/{path}: whatever the path, the page reads it itself.
func (x *exchange) dashboardPage() error { return x.sendFile(dashboard.Index) }

// dashboardFile answers GET /dashboard/{path}.
func (x *exchange) dashboardFile() error { return x.sendFile(x.names.id) }

func (x *exchange) sendFile(name string) error {
	file, err := x.Web.Dashboard.File(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &events.Refusal{Kind: events.ErrNotFound, Detail: "the dashboard has no file of this name; it begins at /"}
	}
	if err != nil {
		return err
	}
	x.set("Content-Security-Policy", contentPolicy)
	x.set("Cross-Origin-Resource-Policy", "same-origin")
	if strings.HasPrefix(file.Media, "text/html") {
		x.set("X-Frame-Options", "DENY")
		x.set("Referrer-Policy", "no-referrer")
		x.set("Cross-Origin-Opener-Policy", "same-origin")
		x.set("Permissions-Policy", permissionsPolicy)
	}
	return x.sendBody(file)
}

// sendBody sends a file, compressed where that is accepted, unless the caller has it.
func (x *exchange) sendBody(file *dashboard.File) error {
	x.w.Header().Add("Vary", "Accept-Encoding")
	x.set("Cache-Control", "no-cache") // ask again each time: a node may be newer than the browser's copy
	body := file.Body(x.accepts("gzip"))
	x.set("Etag", body.ETag)
	if done, err := x.unchanged(body.ETag); done || err != nil {
		return err
	}
	if body.Encoding != "" {
		x.set("Content-Encoding", body.Encoding)
	}
	return x.send(http.StatusOK, file.Media, body.Bytes)
}

// accepts reports whether the caller takes a content coding (RFC 9110, 12.5.3).
func (x *exchange) accepts(coding string) bool {
	accepted, named := false, false
	for _, header := range x.r.Header["Accept-Encoding"] {
		for part := range strings.SplitSeq(header, ",") {
			name, params, _ := strings.Cut(part, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if name != coding && (name != "*" || named) {
				continue
			}
			named = named || name == coding
			accepted = true
			if _, q, ok := strings.Cut(params, "="); ok {
				weight, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
				accepted = err == nil && weight > 0
			}
		}
	}
	return accepted
}
