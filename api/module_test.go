package api

import (
	"net/http"
	"testing"

	"confman/api/js"
)

func TestModuleIsServedToAnyoneAndOnceToEach(t *testing.T) {
	b := newBench(t)
	got := b.do(http.MethodGet, "/confman.js", nil, "X-Api-Key: ").is(http.StatusOK)
	if got.body != js.Module() {
		t.Error("/confman.js is not the module")
	}
	if media := got.header.Get("Content-Type"); media != "text/javascript; charset=utf-8" {
		t.Errorf("it is %q; a browser takes a module only as JavaScript", media)
	}
	if control := got.header.Get("Cache-Control"); control != "no-cache" {
		t.Errorf("Cache-Control: %q", control)
	}
	again := b.do(http.MethodGet, "/confman.js", nil, "X-Api-Key: ", "If-None-Match: "+got.header.Get("ETag"))
	if again.is(http.StatusNotModified); again.body != "" {
		t.Error("a copy that is the same was sent again")
	}
	for encoding, want := range map[string]string{"gzip": "gzip", "identity": ""} {
		got := b.do(http.MethodGet, "/confman.js", nil, "Accept-Encoding: "+encoding).is(http.StatusOK)
		if got.header.Get("Content-Encoding") != want || got.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("asked for %s: %v", encoding, got.header)
		}
	}
}
