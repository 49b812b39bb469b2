package events

import (
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decoder reads the data of one shape of one kind and brings it up to date.
type decoder func(jsontext.Value) (Data, error)

// row is one kind of event: the level that its newest shape needs to be written,
// and the decoders of all its shapes, oldest first.
type row struct {
	needs  Level
	shapes []decoder
}

// kinds are the rows of a catalogue.
type kinds map[Kind]row

// catalogue lists every kind of event and every shape it was ever written in,
// oldest first. New shapes are appended, old ones stay and upcast: their
// decoder reads the old struct and returns the newest. A kind or a shape that
// releases of a lower level cannot read needs a level of its own. testdata/
// holds one golden body for each shape.
//
// cluster.upgraded needs no more than the first level: it is what raises it.
var catalogue = kinds{
	ClusterFormed{}.Kind():    {1, []decoder{as[ClusterFormed]}},
	ClusterUpgraded{}.Kind():  {1, []decoder{as[ClusterUpgraded]}},
	HistoryTrimmed{}.Kind():   {2, []decoder{as[HistoryTrimmed]}},
	NamespaceCreated{}.Kind(): {1, []decoder{as[NamespaceCreated]}},
	NamespaceUpdated{}.Kind(): {1, []decoder{as[NamespaceUpdated]}},
	NamespaceDeleted{}.Kind(): {1, []decoder{as[NamespaceDeleted]}},
	ConfigCreated{}.Kind():    {1, []decoder{as[ConfigCreated]}},
	ConfigUpdated{}.Kind():    {1, []decoder{as[ConfigUpdated]}},
	ConfigDeleted{}.Kind():    {1, []decoder{as[ConfigDeleted]}},
	KeyCreated{}.Kind():       {1, []decoder{as[KeyCreated]}},
	KeyRevoked{}.Kind():       {1, []decoder{as[KeyRevoked]}},
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
func Shapes(k Kind) int { return len(catalogue[k].shapes) }
