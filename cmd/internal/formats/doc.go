// Package formats turns configuration files into entries and back, for `confman import` and `confman export`.
//
// # Whole files
//
// [Read] makes one entry of each file: its key is the path within the directory, its value the file's bytes as they
// are, comments and byte order marks included. [WriteDir] writes the same bytes back. Text that is UTF-8 without NUL
// becomes a string, anything else binary.
//
// # One entry per leaf
//
// With Flatten set, and in [Flatten], a file becomes one entry per leaf. The key joins the names on the way with
// slashes, the type is the leaf's own:
//
//	db:                          db/pool/size  number  10.50
//	  pool: {size: 10.50}        db/hosts      json    ["a","b"]
//	  hosts: [a, b]
//
// Numbers keep their spelling and never pass through a float. A list is one json value, so is an empty mapping, and so
// is null, which differs from an absent key. Dates are strings. A YAML stream of several documents gets their numbers
// as first names: 1/kind, 2/kind. The lines of properties and env files are flat already: their names are the keys as
// they stand, their values strings, and nothing like ${HOME} is expanded, ever.
//
// Refused, with file and line: a name that a key cannot have, a name given twice, a name that is not a string, a slash
// in a name of a nested format, a number JSON cannot spell (0x1F, .inf), a YAML tag of somebody's own, a merge key,
// aliases that grow beyond reason, text that is not UTF-8 or holds NUL.
//
// [Unflatten] goes the other way, and refuses what a format cannot say instead of leaving it out. What comes back when
// its output is flattened again:
//
//	             json     yaml     toml      properties, env (3)
//	string       same     same     same      same
//	number       same     same     same (1)  string
//	boolean      same     same     same      string
//	json list    same     same     same (2)  string
//	null         same     same     refused   refused
//	binary       string   same     string    string
//	secret-ref   string   string   string    string
//
// (1) Integers that need more than 64 bits and floats too large for a double are refused. (2) Refused with a null inside.
// (3) Variables have only letters, digits and _ in their names: in an env file anything else in a key becomes _, and two
// keys that would be one variable are refused. A json value that is an object becomes a mapping and comes back as its
// leaves.
//
// Output is in the order of the keys, the same for the same entries.
package formats
