package api

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"confman/api/js"
)

// module answers GET /confman.js, for pages and for whoever wants to keep a copy.
func (x *exchange) module() error {
	sum := sha256.Sum256([]byte(js.Module()))
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	x.set("Cache-Control", "no-cache") // ask again each time: a node may be newer than the page's copy
	x.set("Etag", tag)
	if done, err := x.unchanged(tag); done || err != nil {
		return err
	}
	return x.send(http.StatusOK, "text/javascript; charset=utf-8", []byte(js.Module()))
}
