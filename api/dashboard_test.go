package api

import (
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"confman/api/dashboard"
	"confman/api/wire"
)

const browserAccepts = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

// aDashboard is one of a few files.
func aDashboard(c *Config) {
	c.Web.Dashboard = dashboard.New(fstest.MapFS{
		"index.html":    {Data: []byte("<title>the page</title>" + strings.Repeat("<p>and more", 100))},
		"app.js":        {Data: []byte("//" + strings.Repeat(" the app", 100))},
		"lib/api.js":    {Data: []byte("// short")},
		"style.css":     {Data: []byte("p{}")},
		"logo.svg":      {Data: []byte("<svg/>")},
		"lib/secret.go": {Data: []byte("package secret")},
	})
}

func TestBrowsersGetTheDashboardAndOthersAFewWords(t *testing.T) {
	b := newBench(t, aDashboard)
	for _, test := range []struct {
		accept string
		page   bool
	}{
		{"", false},
		{"Accept: */*", false},
		{"Accept: text/plain", false},
		{"Accept: application/json", false},
		{"Accept: text/*", false},
		{"Accept: text/html", true},
		{browserAccepts, true},
		{"Accept: text/html;q=0.1, text/plain;q=0.2", false},
	} {
		got := b.do("GET", "/", nil, "X-Api-Key: ", test.accept, "Accept-Encoding: identity").is(200)
		if page := strings.Contains(got.body, "the page"); page != test.page || page != strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
			t.Errorf("%q: %s %.60q", test.accept, got.header.Get("Content-Type"), got.body)
		}
		if vary := strings.Join(got.header.Values("Vary"), ", "); !strings.Contains(vary+",", "Accept,") {
			t.Errorf("%q: Vary: %s", test.accept, vary)
		}
	}
	if text := b.do("GET", "/", nil).body; !strings.Contains(text, "/openapi.yaml") {
		t.Errorf("%q", text)
	}
}

func TestAllAddressesOfTheDashboardAreThePage(t *testing.T) {
	b := newBench(t, aDashboard)
	page := b.do("GET", "/", nil, browserAccepts).is(200)
	for _, path := range []string{
		"/ui/", "/ui/browse", "/ui/browse/teams/pay", "/ui/browse/a%2Fb/c%20d/%3Cscript%3E", "/ui/a/b/c/d/e/f/g/h/", "/ui//x", "/ui/%2e%2e/%2e%2e/etc", "/ui/%00%ff",
		"/ui/audit?since=1&action=a&action=b", "/ui/x?bad=%zz",
	} {
		got := b.do("GET", path, nil, "X-Api-Key: ", "Accept: */*").is(200)
		if got.body != page.body || got.header.Get("ETag") != page.header.Get("ETag") {
			t.Errorf("%s is not the page", path)
		}
		for _, value := range got.header {
			if strings.Contains(strings.Join(value, ""), "etc") {
				t.Errorf("%s: %v", path, got.header)
			}
		}
	}
	b.do("POST", "/ui/browse", "{}").problem(405, wire.ProblemMethodNotAllowed)
}

func TestFilesOfTheDashboardStayInTheirFrame(t *testing.T) {
	b := newBench(t, aDashboard)
	everywhere := map[string]string{
		"Content-Security-Policy": contentPolicy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache", "Cross-Origin-Resource-Policy": "same-origin",
	}
	onPages := map[string]string{
		"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "Permissions-Policy": permissionsPolicy,
	}
	for path, media := range map[string]string{
		"/ui/x": "text/html; charset=utf-8", "/dashboard/index.html": "text/html; charset=utf-8", "/dashboard/lib/api.js": "text/javascript; charset=utf-8",
		"/dashboard/app.js": "text/javascript; charset=utf-8", "/dashboard/style.css": "text/css; charset=utf-8", "/dashboard/logo.svg": "image/svg+xml",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			got := b.do(method, path, nil, "X-Api-Key: ").is(200)
			if given := got.header.Get("Content-Type"); given != media {
				t.Errorf("%s: Content-Type %q", got.what, given)
			}
			for name, want := range everywhere {
				if given := got.header.Get(name); given != want {
					t.Errorf("%s: %s: %q", got.what, name, given)
				}
			}
			for name, want := range onPages {
				if !strings.HasPrefix(media, "text/html") {
					want = ""
				}
				if given := got.header.Get(name); given != want {
					t.Errorf("%s: %s: %q", got.what, name, given)
				}
			}
			if method == "HEAD" && got.body != "" {
				t.Errorf("%s has a body", got.what)
			}
		}
	}
	for _, directive := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !slices.Contains(strings.Split(contentPolicy, "; "), directive) || strings.Contains(contentPolicy, "unsafe") {
			t.Errorf("the policy does not say %q, or says too much: %s", directive, contentPolicy)
		}
	}
}

func TestAFileOfTheDashboardIsSentOnceAndCompressed(t *testing.T) {
	b := newBench(t, aDashboard)
	ask := func(headers ...string) reply { return b.do("GET", "/dashboard/app.js", nil, headers...) }
	plain, zipped := ask("Accept-Encoding: identity").is(200), ask("Accept-Encoding: br, gzip").is(200)
	if plain.header.Get("Content-Encoding") != "" || zipped.header.Get("Content-Encoding") != "gzip" || plain.header.Get("Etag") == zipped.header.Get("Etag") {
		t.Errorf("%v %v", plain.header, zipped.header)
	}
	r, err := gzip.NewReader(strings.NewReader(zipped.body))
	if err != nil {
		t.Fatal(err)
	}
	if content, err := io.ReadAll(r); err != nil || string(content) != plain.body {
		t.Errorf("%q %v", content, err)
	}
	for _, encoding := range []string{"identity", "gzip"} {
		got := ask("Accept-Encoding: " + encoding)
		tag := got.header.Get("Etag")
		again := ask("Accept-Encoding: "+encoding, "If-None-Match: "+tag).is(http.StatusNotModified)
		if again.body != "" || again.header.Get("Etag") != tag || again.header.Get("Cache-Control") != "no-cache" || !strings.Contains(strings.Join(again.header.Values("Vary"), ","), "Accept-Encoding") {
			t.Errorf("%s: %v %q", encoding, again.header, again.body)
		}
	}
	ask("Accept-Encoding: gzip", "If-None-Match: "+plain.header.Get("Etag")).is(200)
	if short := b.do("GET", "/dashboard/lib/api.js", nil, "Accept-Encoding: gzip").is(200); short.body != "// short" {
		t.Errorf("%q", short.body)
	}
}

func TestCodingsThatACallerAccepts(t *testing.T) {
	for header, want := range map[string]bool{
		"":                       false,
		"gzip":                   true,
		"GZip":                   true,
		"deflate, gzip;q=1.0":    true,
		"gzip;q=0":               false,
		"gzip; q=0.001":          true,
		"gzip;q=zero":            false,
		"*":                      true,
		"*;q=0":                  false,
		"identity":               false,
		"x-gzip":                 false,
		"*, gzip;q=0":            false,
		"gzip;q=0, *":            false,
		"*;q=0, gzip":            true,
		"identity;q=0, br, gzip": true,
	} {
		x := &exchange{r: &http.Request{Header: http.Header{"Accept-Encoding": {header}}}}
		if got := x.accepts("gzip"); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

func TestNothingBesideTheDashboardIsServed(t *testing.T) {
	b := newBench(t, aDashboard)
	for _, path := range []string{
		"/dashboard/", "/dashboard/none.js", "/dashboard/lib", "/dashboard/lib/secret.go", "/dashboard/../health", "/dashboard/lib/../app.js", "/dashboard/lib/%2e%2e/app.js",
		"/dashboard/%2e%2e%2f%2e%2e%2fetc/passwd", "/dashboard//app.js", "/dashboard/%2Fapp.js", "/dashboard/app.js/", "/dashboard/app.js%00", "/dashboard/..%5capp.js", "/dashboard/%ff",
	} {
		got := b.do("GET", path, nil, "X-Api-Key: ")
		got.problem(404, wire.ProblemNotFound)
		if got.header.Get("Etag") != "" || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, got.header)
		}
	}
	b.do("GET", "/dashboard", nil, "X-Api-Key: ").problem(404, wire.ProblemNotFound)
	b.do("GET", "/dashboard/lib%2Fapi.js", nil, "X-Api-Key: ").is(200)
}

func TestTheDashboardThatIsBuiltInIsServed(t *testing.T) {
	b := newBench(t)
	if page := b.do("GET", "/ui/x", nil, "X-Api-Key: ", "Accept-Encoding: identity").is(200).body; !strings.Contains(page, `<link rel="modulepreload" href="/dashboard/app.js">`) {
		t.Errorf("%s", page)
	}
	if module := b.do("GET", "/dashboard/vendor/preact.js", nil, "Accept-Encoding: identity").is(200).body; !strings.HasPrefix(module, "/*! @preact/signals") {
		t.Errorf("%.80s", module)
	}
}
