package events

import (
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decoder reads the data of one shape of one kind and brings it up to date.
type decoder func(jsontext.Value) (Data, error)

// form is one shape in which the data of a kind was ever written: the level that
// it needs to be written, and how it is read.
type form struct {
	needs  Level
	decode decoder
}

// kinds are the shapes of each kind, oldest first.
type kinds map[Kind][]form

// shaped is data that does not always need the newest shape of its kind: it is
// written in the oldest one that can hold it, for the sake of members that know
// no more.
type shaped interface {
	Data
	shape() int // 1, 2 …
}

// catalogue lists every kind of event and every shape it was ever written in,
// oldest first. New shapes are appended, old ones stay and upcast: their
// decoder reads the old struct and returns the newest. A kind or a shape that
// releases of a lower level cannot read needs a level of its own. testdata/
// holds one golden body for each shape.
//
// cluster.upgraded needs no more than the first level: it is what raises it.
var catalogue = kinds{
	ClusterFormed{}.Kind():        {{1, as[ClusterFormed]}},
	ClusterUpgraded{}.Kind():      {{1, as[ClusterUpgraded]}},
	ClusterRecovered{}.Kind():     {{5, as[ClusterRecovered]}},
	ClusterRestored{}.Kind():      {{5, as[ClusterRestored]}},
	HistoryTrimmed{}.Kind():       {{2, as[HistoryTrimmed]}},
	HistoryErased{}.Kind():        {{4, as[HistoryErased]}},
	HistoryCheckpointed{}.Kind():  {{4, as[HistoryCheckpointed]}},
	CheckpointKeyChanged{}.Kind(): {{4, as[CheckpointKeyChanged]}},
	NamespaceCreated{}.Kind():     {{1, as[NamespaceCreated]}},
	NamespaceUpdated{}.Kind():     {{1, as[NamespaceUpdated]}},
	NamespaceDeleted{}.Kind():     {{1, as[NamespaceDeleted]}},
	RolesChanged{}.Kind():         {{3, as[RolesChanged]}},
	SchemaChanged{}.Kind():        {{3, as[SchemaChanged]}},
	SettingsChanged{}.Kind():      {{3, as[SettingsChanged]}},
	ConfigCreated{}.Kind():        {{1, as[ConfigCreated]}, {3, as[ConfigCreated]}}, // 2 has tags
	ConfigUpdated{}.Kind():        {{1, as[ConfigUpdated]}, {3, as[ConfigUpdated]}}, // 2 has tags
	ConfigDeleted{}.Kind():        {{1, as[ConfigDeleted]}, {3, as[ConfigDeleted]}}, // 2 has a source
	ConfigRolledBack{}.Kind():     {{3, as[ConfigRolledBack]}},
	DraftSaved{}.Kind():           {{3, as[DraftSaved]}},
	DraftDiscarded{}.Kind():       {{3, as[DraftDiscarded]}},
	RequestSubmitted{}.Kind():     {{3, as[RequestSubmitted]}},
	RequestApproved{}.Kind():      {{3, as[RequestApproved]}},
	RequestRejected{}.Kind():      {{3, as[RequestRejected]}},
	RequestWithdrawn{}.Kind():     {{3, as[RequestWithdrawn]}},
	RequestScheduled{}.Kind():     {{3, as[RequestScheduled]}},
	RequestPublished{}.Kind():     {{3, as[RequestPublished]}},
	RequestBypassed{}.Kind():      {{3, as[RequestBypassed]}},
	WebhookCreated{}.Kind():       {{3, as[WebhookCreated]}},
	WebhookUpdated{}.Kind():       {{3, as[WebhookUpdated]}},
	WebhookDeleted{}.Kind():       {{3, as[WebhookDeleted]}},
	WebhookAdvanced{}.Kind():      {{3, as[WebhookAdvanced]}},
	WebhookDeadLetter{}.Kind():    {{3, as[WebhookDeadLetter]}},
	KeyCreated{}.Kind():           {{1, as[KeyCreated]}, {3, as[KeyCreated]}}, // 2 takes roles
	KeyRevoked{}.Kind():           {{1, as[KeyRevoked]}},
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

// shapeOf is the number of the shape that data is written in.
func (known kinds) shapeOf(d Data) int {
	if s, ok := d.(shaped); ok {
		return s.shape()
	}
	return len(known[d.Kind()])
}

// needs is the level that data needs to be written.
func (known kinds) needs(d Data) Level { return known[d.Kind()][known.shapeOf(d)-1].needs }
