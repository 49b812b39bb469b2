package wire

import "time"

// Explanation says why a key has the value that it has, or had.
type Explanation struct {
	Namespace string `json:"namespace"` // as asked
	Key       string `json:"key"`
	Position  string `json:"position"` // as of which this is true

	// Entry is the one that answers: of the namespace itself or, inherited, of
	// one above. Absent when there was none.
	Entry *ConfigEntry `json:"entry,omitempty"`
	Scope []ScopeStep  `json:"scope"` // where was looked and the caller may look, the nearest first

	// Event made the version, or deleted the key where there is no Entry; absent
	// when it is no longer kept. Transaction are the others of its transaction.
	Event       *AuditEvent  `json:"event,omitempty"`
	Transaction []AuditEvent `json:"transaction,omitempty"`
	// Request is the one that published it, as it ended; absent where the caller
	// may not see it. Author and ApprovedBy are of it.
	Request    *PublishRequest `json:"request,omitempty"`
	Author     string          `json:"author,omitempty"`
	ApprovedBy []string        `json:"approvedBy,omitempty"`
	Source     *EntrySource    `json:"source,omitempty"` // the earlier version that was brought back

	Schemas  []SchemaVersion `json:"schemas,omitempty"`  // that govern the value, the nearest first
	Settings *Settings       `json:"settings,omitempty"` // how changes are made there
	Versions uint64          `json:"versions"`           // how many there have been
	// Watchers are watches on this node that would be told of a change now, of
	// those that the caller may list; at most 100 of WatcherCount.
	Watchers     []WatcherInfo `json:"watchers,omitempty"`
	WatcherCount int           `json:"watcherCount"`
}

// ScopeStep is one namespace in which a value was looked for.
type ScopeStep struct {
	Namespace string `json:"namespace"`
	Found     bool   `json:"found"`
	Shadowed  bool   `json:"shadowed,omitempty"` // it has the key, and a nearer one answers
	Version   uint64 `json:"version,omitempty"`  // the newest; not Found with one: it was deleted
	Ends      bool   `json:"ends,omitempty"`     // it inherits nothing: the search ends here
}

// SchemaVersion is the schema of one namespace as it stood.
type SchemaVersion struct {
	Namespace string    `json:"namespace"`
	Index     uint64    `json:"index"`        // of the event that set it
	By        string    `json:"by,omitempty"` // absent where the caller may not look
	At        time.Time `json:"at"`
}

// WatcherInfo is one watch that covers the key.
type WatcherInfo struct {
	Principal string    `json:"principal"`
	Remote    string    `json:"remote,omitempty"`
	Encoding  string    `json:"encoding,omitempty"`
	Since     time.Time `json:"since,omitzero"`
}
