package proof_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"confman/events"
	"confman/events/proof"
)

const clusterID = "01KAGB3GPK041061050R3GG289"

var t0 = time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.UTC)

// testKey is a key that is the same in every run.
func testKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// chronicle writes a history.
type chronicle struct {
	t       *testing.T
	records []events.Record
	key     ed25519.PrivateKey
	cluster []string // IDs in the order of the history; none: clusterID
}

// now is whose history it is.
func (c *chronicle) now() string {
	if len(c.cluster) > 0 {
		return c.cluster[len(c.cluster)-1]
	}
	return clusterID
}

func (c *chronicle) head() uint64 { return uint64(len(c.records)) }

func (c *chronicle) chain(index uint64) events.Chain {
	if index == 0 {
		return events.Chain{}
	}
	return c.records[index-1].Chain
}

func (c *chronicle) add(data events.Data) uint64 {
	c.t.Helper()
	index := c.head() + 1
	var id ulid.ULID
	id[15] = byte(index)
	e := events.Event{ID: id, Actor: "ann", Data: data}
	if kind := string(data.Kind()); kind[:6] == "config" {
		e.Namespace, e.Key = "teams/pay", fmt.Sprintf("k%d", index%7)
	}
	body, err := e.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	r := events.Record{Index: index, Time: t0.Add(time.Duration(index) * 1500 * time.Millisecond), RaftTerm: 2, RaftIndex: index + 5, More: index%10 == 3, Body: body}
	r.Chain = c.chain(index - 1).Next(r.AppendStored(nil))
	c.records = append(c.records, r)
	return index
}

func (c *chronicle) value(text string) uint64 {
	v := events.Value{Type: events.String, JSON: []byte(fmt.Sprintf("%q", text))}
	return c.add(events.ConfigUpdated{Value: v, Version: 2, Previous: events.Version{Value: v, Version: 1}})
}

func (c *chronicle) fill(to uint64) {
	for c.head() < to {
		c.value(fmt.Sprintf("value %d", c.head()))
	}
}

// newKey has another key come into force.
func (c *chronicle) newKey(key ed25519.PrivateKey, endorsed bool) {
	change := events.CheckpointKeyChanged{PublicKey: public(key), KeyID: events.CheckpointKeyID(public(key))}
	if c.key != nil {
		change.Previous = events.CheckpointKeyID(public(c.key))
	}
	change.Signature = ed25519.Sign(key, change.Signed())
	if endorsed {
		change.Endorsement = ed25519.Sign(c.key, change.Signed())
	}
	c.key = key
	c.add(change)
}

func (c *chronicle) signed(index uint64) events.Checkpoint {
	s := events.Checkpoint{Cluster: c.now(), Index: index, Chain: c.chain(index), Time: t0, KeyID: events.CheckpointKeyID(public(c.key))}
	s.Signature = ed25519.Sign(c.key, s.Signed())
	return s
}

func (c *chronicle) checkpoint() { c.add(events.HistoryCheckpointed{Checkpoint: c.signed(c.head())}) }

// erase takes the value out of records, some of which were erased before.
func (c *chronicle) erase(indexes ...uint64) {
	d := events.HistoryErased{Reason: "leaked"}
	for _, index := range indexes {
		r := &c.records[index-1]
		places := []events.Place{events.ThisValue}
		if r.Erased {
			places = []events.Place{events.PreviousValue}
		}
		was := events.DigestOf(r.AppendStored(nil))
		after, err := r.Erase(places)
		if err != nil {
			c.t.Fatal(err)
		}
		*r = after
		d.Records = append(d.Records, events.ErasedRecord{Index: index, Before: c.chain(index - 1), Digest: was, Remains: events.DigestOf(r.AppendStored(nil)), Values: places})
	}
	c.add(d)
}

// newChronicle is a history with everything in it: 200 events, checkpoints by two
// keys every 20 events or so, erasures.
func newChronicle(t *testing.T) *chronicle {
	c := &chronicle{t: t}
	c.add(events.ClusterFormed{ID: clusterID})
	c.fill(8)
	c.newKey(testKey(1), false)
	for c.head() < 100 {
		c.checkpoint()
		c.fill(c.head() + 19)
	}
	c.erase(31, 32, 57)
	c.newKey(testKey(2), true)
	for c.head() < 180 {
		c.checkpoint()
		c.fill(c.head() + 19)
	}
	c.erase(31, 125)
	c.fill(199)
	c.checkpoint()
	return c
}

// lines writes records down.
func (c *chronicle) lines(from, to uint64) []byte { return c.linesOf(clusterID, from, to) }

func (c *chronicle) linesOf(cluster string, from, to uint64) []byte {
	c.t.Helper()
	var b bytes.Buffer
	w, err := proof.NewWriter(&b, proof.Header{Cluster: cluster, Node: "n1", From: from, To: to, Before: c.chain(from - 1)})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, r := range c.records[from-1 : to] {
		if err := w.Write(r); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		c.t.Fatal(err)
	}
	return b.Bytes()
}

func (c *chronicle) whole() []byte { return c.lines(1, c.head()) }

// rechain chains records anew from an index on, and numbers them, as a forger
// does who has no key.
func (c *chronicle) rechain(from uint64) {
	for i := from; i <= c.head(); i++ {
		r := &c.records[i-1]
		r.Index = i
		if r.Erased {
			continue // what it was is not known
		}
		r.Chain = c.chain(i - 1).Next(r.AppendStored(nil))
	}
}

func (c *chronicle) fork() *chronicle {
	return &chronicle{t: c.t, key: c.key, records: slices.Clone(c.records), cluster: slices.Clone(c.cluster)}
}

func verify(o proof.Options, files ...[]byte) proof.Report {
	v := proof.NewVerifier(o)
	for _, f := range files {
		v.Read(bytes.NewReader(f))
	}
	return v.End()
}

// backward checks the records as a backup has them.
func (c *chronicle) backward(horizon events.Horizon, o proof.Options) proof.Report {
	head := c.head()
	b := proof.NewBackward(head, c.chain(head), horizon, o)
	for _, r := range slices.Backward(c.records) {
		b.Record(r)
	}
	return b.End()
}

func seeded(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}
