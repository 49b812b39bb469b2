// Package settings fills a flag set from everywhere a setting may come from, lowest first:
//
//	the flag's default < the settings file (YAML) < CONFMAN_* variables < the command line
//
// A setting has one name: --max-value-bytes, CONFMAN_MAX_VALUE_BYTES and max-value-bytes: in the file are the same
// thing, and the flag's own parser is the one judge of its value. Nothing is guessed and nothing is passed over: a name
// that nobody knows is an error that says where it stands and what it may have meant.
//
// The file is one flat YAML mapping. A list may be a YAML sequence or what the flag takes on the command line:
//
//	data: /var/lib/confman
//	peers: [n1=10.0.0.1:6100, n2=10.0.0.2:6100]
//	api-key-file: /run/secrets/confman
//
// A flag marked with [MarkSecret] may also be named with -file at its end (CONFMAN_API_KEY_FILE, api-key-file:): the
// setting is then the content of that file without its last newline. A secret is never printed, not in errors either.
package settings
