package events

import (
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decoder reads the data of one shape of one kind and brings it up to date.
type decoder func(jsontext.Value) (Data, error)

// shapes are the decoders of each kind, oldest shape first.
type shapes map[Kind][]decoder

// catalogue lists every kind of event and every shape it was ever written in,
// oldest first. New shapes are appended, old ones stay and upcast: their
// decoder reads the old struct and returns the newest. testdata/ holds one
// golden body for each row.
var catalogue = shapes{
	ClusterFormed{}.Kind():    {as[ClusterFormed]},
	NamespaceCreated{}.Kind(): {as[NamespaceCreated]},
	NamespaceUpdated{}.Kind(): {as[NamespaceUpdated]},
	NamespaceDeleted{}.Kind(): {as[NamespaceDeleted]},
	ConfigCreated{}.Kind():    {as[ConfigCreated]},
	ConfigUpdated{}.Kind():    {as[ConfigUpdated]},
	ConfigDeleted{}.Kind():    {as[ConfigDeleted]},
	KeyCreated{}.Kind():       {as[KeyCreated]},
	KeyRevoked{}.Kind():       {as[KeyRevoked]},
}

// as decodes the newest shape of a kind.
func as[D Data](raw jsontext.Value) (Data, error) {
	var d D
	err := json.Unmarshal(raw, &d)
	return d, err
}

// Kinds lists the kinds of events that this release knows, sorted.
func Kinds() []Kind { return slices.Sorted(maps.Keys(catalogue)) }

// Shapes is how many shapes a kind has had; the newest has this number.
func Shapes(k Kind) int { return len(catalogue[k]) }
