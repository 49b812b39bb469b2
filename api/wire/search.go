package wire

import (
	"encoding/json"
	"time"
)

// Values of the parameter in of a search: where its words are looked for.
const (
	SearchKeys   = "keys" // in the namespace, a slash and the key
	SearchValues = "values"
	SearchAll    = "all" // the default
)

// Values of Found.Match.
const (
	MatchKey   = "key"   // every word is in the namespace, a slash and the key
	MatchValue = "value" // some word is only in the value
)

// MaxFoundValue is how long the text of a value may be, in bytes, to be a member of
// [Found] as a whole.
const MaxFoundValue = 1024

// Found is one row of GET /api/v1/search, an entry that matches.
type Found struct {
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
	// Value is that of [ConfigEntry]; absent when its text is longer than
	// MaxFoundValue.
	Value     json.RawMessage `json:"value,omitempty"`
	Type      string          `json:"type"`
	Version   uint64          `json:"version"`
	UpdatedAt time.Time       `json:"updatedAt"`
	UpdatedBy string          `json:"updatedBy"`
	// Excerpt is a piece of the text of a longer value, around the first word that
	// is in it alone, or else its beginning. … stands at an end that is not the
	// value's. A binary value has none.
	Excerpt string `json:"excerpt,omitempty"`
	Match   string `json:"match"` // MatchKey or MatchValue
}
