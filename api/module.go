package api

import (
	"confman/api/dashboard"
	"confman/api/js"
)

var module = dashboard.NewFile("confman.js", []byte(js.Module()))

// module answers GET /confman.js, for pages and for whoever wants to keep a copy.
func (x *exchange) module() error { return x.sendBody(module) }
