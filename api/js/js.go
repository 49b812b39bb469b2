// Package js holds the JavaScript module that every node serves at /confman.js:
// watches and live views for browsers and Node, in one file without dependencies.
package js

import (
	_ "embed" // the module
)

//go:embed confman.js
var module string

// Module is the source of the module, to be served as text/javascript in UTF-8.
func Module() string { return module }
