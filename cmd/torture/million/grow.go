package million

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/oklog/ulid/v2"

	"confman/events"
	"confman/projections"
)

// Config says what history to make, and for which node.
type Config struct {
	Dir     string // data directory of the node; must be empty
	Node    string // its ID
	Address string // HOST:PORT at which it will be served
	Key     string // an API key, admin of everything
	Story   string // file of change sets, a JSON object a line
	Events  int    // at least so many
	Copies  int    // of the repository; 0: a copy for each 800 events, 40 at least
	Seed    uint64
	Began   time.Time     // of the first event
	Span    time.Duration // from there to the last
	// Progress is told how many events there are, now and then; nil: nobody is.
	Progress func(events uint64)
}

// Grown is what was made.
type Grown struct {
	Cluster string
	Head    events.Position
	Live    int // keys
	Entries int // of Raft
}

const (
	eventsPerCopy = 800
	mostAtOnce    = 32   // commands that share a Raft entry
	rowsAtOnce    = 8192 // that are written in one batch
	term          = 1
)

// grower makes one history.
type grower struct {
	config Config
	rng    *rand.Rand
	ids    io.Reader
	now    time.Time
	raft   uint64 // index of the last entry
	fold   *projections.Folding
	dir    *directory
}

// Grow makes a history and leaves the data directory of a node that has it and
// is the only member of its cluster.
func Grow(c Config) (grown Grown, err error) {
	if c.Copies == 0 {
		c.Copies = max(2*regions, c.Events/eventsPerCopy)
	}
	s, err := readStory(c.Story)
	if err != nil {
		return grown, err
	}
	g := &grower{config: c, rng: rand.New(rand.NewPCG(c.Seed, 0)), now: c.Began, fold: projections.Begin(projections.Empty())}
	g.ids = ulid.Monotonic(&seeded{rand.NewChaCha8(seedOf(c.Seed))}, 0)
	grown.Cluster = g.newID()
	if g.dir, err = openDirectory(c, grown.Cluster); err != nil {
		return grown, err
	}
	defer func() { err = errors.Join(err, g.dir.close()) }()
	if err := g.begin(grown.Cluster); err != nil {
		return grown, fmt.Errorf("grow: %w", err)
	}
	if err := g.tell(s); err != nil {
		return grown, fmt.Errorf("grow: %w", err)
	}
	state := g.fold.State()
	grown.Head, grown.Live, grown.Entries = state.Position(), state.Len(), int(g.raft)
	return grown, g.dir.finish(state)
}

// begin forms the cluster as its first leader would.
func (g *grower) begin(cluster string) error {
	form := events.FormCluster{ID: cluster, Members: []events.FoundingPeer{{ID: g.config.Node, Address: g.config.Address}}, FirstKey: events.CreateKey{
		ID: g.newID(), Name: "admin", Digest: events.DigestKey(g.config.Key), Grants: []events.Grant{{Namespace: events.Root, Role: events.Admin}},
	}}
	g.raft = 1 // the entry of the membership
	for _, c := range []events.Command{form, events.RaiseLevel{Level: events.NewestLevel}, reviewersRole()} {
		p, err := g.decide(act{command: c, actor: "confman"})
		if err != nil {
			return err
		}
		if err := g.commit([]events.Proposal{p}); err != nil {
			return err
		}
	}
	return nil
}

// tell goes on until there are events enough. What shares an entry is about
// different places: none makes another stale.
func (g *grower) tell(s story) error {
	all := places(g.config.Copies)
	for g.fold.State().Index() < uint64(g.config.Events) {
		g.now = g.config.Began.Add(time.Duration(float64(g.config.Span) * float64(g.fold.State().Index()) / float64(g.config.Events)))
		var batch []events.Proposal
		busy := map[*place]bool{}
		for range 1 + g.rng.IntN(mostAtOnce) {
			at := all[g.rng.IntN(len(all))]
			if busy[at] {
				continue
			}
			busy[at] = true
			p, err := g.decide(at.next(s, g.rng, g.newID))
			if err != nil {
				return fmt.Errorf("at %s: %w", at.namespace, err)
			}
			if len(p.Bodies) > 0 {
				batch = append(batch, p)
			}
		}
		if err := g.commit(batch); err != nil {
			return err
		}
	}
	return g.flush()
}

func (g *grower) decide(a act) (events.Proposal, error) {
	return events.Rules{}.Decide(g.fold.State(), a.command, events.Stamp{
		Time: g.now, ID: ulid.MustNew(ulid.Timestamp(g.now), g.ids), Actor: a.actor, CorrelationID: a.correlation,
	})
}

// commit folds one Raft entry.
func (g *grower) commit(batch []events.Proposal) error {
	g.raft++
	results, err := g.fold.Entry(projections.Origin{Index: g.raft, Term: term}, batch)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
	}
	if len(g.fold.Rows) < rowsAtOnce {
		return nil
	}
	return g.flush()
}

func (g *grower) flush() error {
	err := g.dir.store.Write(g.fold.Rows)
	g.fold.Rows, g.fold.Records = nil, nil
	if g.config.Progress != nil {
		g.config.Progress(g.fold.State().Index())
	}
	return err
}

func (g *grower) newID() string { return ulid.MustNew(ulid.Timestamp(g.now), g.ids).String() }

// seeded is randomness that repeats.
type seeded struct{ source *rand.ChaCha8 }

func (s *seeded) Read(p []byte) (int, error) { return s.source.Read(p) }

func seedOf(seed uint64) (key [32]byte) {
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return key
}
