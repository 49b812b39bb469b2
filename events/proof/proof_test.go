package proof_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"confman/events"
	"confman/events/proof"
)

func TestRecordsComeBackAsTheyWereWritten(t *testing.T) {
	c := newChronicle(t)
	r, err := proof.NewReader(bytes.NewReader(c.lines(5, 150)))
	if err != nil {
		t.Fatal(err)
	}
	if h := r.Header(); h.From != 5 || h.To != 150 || h.Cluster != clusterID || h.Node != "n1" || h.Before != c.chain(4) {
		t.Errorf("header %+v", h)
	}
	for index := uint64(5); ; index++ {
		got, err := r.Next()
		if errors.Is(err, io.EOF) && index == 151 {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if want := c.records[index-1]; got.Index != index || got.Chain != want.Chain || !bytes.Equal(got.AppendStored(nil), want.AppendStored(nil)) {
			t.Fatalf("record %d is %+v", index, got)
		}
	}
}

func TestAnUntouchedHistoryPasses(t *testing.T) {
	c := newChronicle(t)
	keys := []ed25519.PublicKey{public(testKey(1))}
	kept := []events.Checkpoint{c.signed(150), c.signed(c.head())}
	for name, tt := range map[string]struct {
		o      proof.Options
		sealed uint64
	}{
		"against itself":                       {proof.Options{}, 199},
		"of its cluster":                       {proof.Options{Cluster: clusterID}, 199},
		"by the first key and its endorsement": {proof.Options{Trust: keys}, 199},
		"by the second key":                    {proof.Options{Trust: []ed25519.PublicKey{public(testKey(2)), public(testKey(1))}}, 199},
		"with what was kept":                   {proof.Options{Checkpoints: kept, Positions: []events.Position{c.chain(77).At(77), {Index: 0, Proof: "00000000"}}}, 200},
	} {
		for way, r := range map[string]proof.Report{
			"forwards": verify(tt.o, c.whole()), "in three files": verify(tt.o, c.lines(1, 50), c.lines(51, 120), c.lines(100, c.head())),
			"backwards": c.backward(events.Horizon{}, tt.o),
		} {
			if !r.OK() || r.From != 1 || r.To != c.head() || r.Chain != c.chain(c.head()) || r.Sealed != tt.sealed || r.Erased != 4 || r.Records != c.head() {
				t.Errorf("%s, %s: %+v", name, way, r)
			}
		}
	}
}

func TestAPartOfAHistoryPasses(t *testing.T) {
	c := newChronicle(t)
	edge := events.Horizon{Oldest: 112, Chain: c.chain(111), Time: c.records[110].Time}
	c.add(events.HistoryTrimmed{Horizon: edge})
	for name, r := range map[string]proof.Report{
		"forwards": verify(proof.Options{}, c.lines(112, c.head())), "backwards": c.backward(edge, proof.Options{}),
		"with the key from elsewhere": verify(proof.Options{Trust: []ed25519.PublicKey{public(testKey(2))}}, c.lines(112, c.head())),
		"with the key of the state":   c.backward(edge, proof.Options{Key: public(testKey(2))}),
	} {
		keyed := strings.HasPrefix(name, "with")
		if !r.OK() || r.From != 112 || keyed != (r.Sealed == 199) || keyed != (r.Unproven == 0) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := verify(proof.Options{}, c.lines(1, 150)); len(r.Findings) != 2 || r.Findings[1].Kind != proof.Unerased || r.Findings[1].Index != 125 {
		t.Errorf("erased after the end, one for the second time: %+v", r.Findings)
	}
	if r := verify(proof.Options{Partial: true}, c.lines(20, 90)); !r.OK() || r.Pending != 3 {
		t.Errorf("a part: %+v", r)
	}
}

// Who lost a key must not be told for ever that the records are wrong; who trusts
// keys and not the new one must.
func TestAKeyThatWasLostIsAWarning(t *testing.T) {
	keys := func(n ...byte) (keys []ed25519.PublicKey) {
		for _, n := range n {
			keys = append(keys, public(testKey(n)))
		}
		return keys
	}
	c := newChronicle(t)
	c.newKey(testKey(9), false)
	c.checkpoint()
	c.newKey(testKey(8), true)
	c.checkpoint()
	want := "event 201: not endorsed: the checkpoint key " + events.CheckpointKeyID(public(testKey(9))) +
		" replaces " + events.CheckpointKeyID(public(testKey(2))) + ", which does not endorse it"
	for _, tt := range []struct {
		name     string
		trust    []ed25519.PublicKey
		from     uint64
		sealed   uint64
		warnings int
		ok       bool
	}{
		{"nothing is trusted", nil, 1, 203, 1, true},
		{"both are trusted", keys(1, 9), 1, 203, 1, true},
		{"the new one is not trusted", keys(1), 1, 199, 0, false},
		{"a part that begins after the lost one", nil, 190, 203, 1, true},
		{"a part that begins after the lost one, the new one is trusted", keys(2, 9), 190, 203, 1, true},
		{"a part with a key that one endorses that is not known", keys(8), 203, 203, 0, true},
	} {
		o := proof.Options{Trust: tt.trust}
		reports := map[string]proof.Report{"forwards": verify(o, c.lines(tt.from, c.head()))}
		if tt.from == 1 {
			reports["backwards"] = c.backward(events.Horizon{}, o)
		}
		for way, r := range reports {
			if r.OK() != tt.ok || r.Sealed != tt.sealed || len(r.Warnings) != tt.warnings || tt.warnings > 0 && r.Warnings[0].String() != want {
				t.Errorf("%s, %s: %+v, want %q", tt.name, way, r, want)
			}
		}
	}
}

// Everything that a forger may do to one history, and what is said about it.
func TestForgeriesAreNamed(t *testing.T) {
	key, other := testKey(1), testKey(9)
	for _, tt := range []struct {
		name  string
		forge func(c *chronicle) proof.Options
		index uint64
		kind  proof.Kind
	}{
		{"an altered value", func(c *chronicle) proof.Options {
			c.records[41].Body = bytes.Replace(c.records[41].Body, []byte("value 41"), []byte("value 14"), 1)
			return proof.Options{}
		}, 42, proof.Altered},
		{"an altered chain", func(c *chronicle) proof.Options { c.records[41].Chain[3]++; return proof.Options{} }, 42, proof.Altered},
		{"another time", func(c *chronicle) proof.Options {
			c.records[41].Time = c.records[41].Time.Add(1)
			return proof.Options{}
		}, 42, proof.Altered},
		{"a time that goes back", func(c *chronicle) proof.Options { c.records[41].Time = t0; return proof.Options{} }, 42, proof.Altered},
		{"chained anew", func(c *chronicle) proof.Options {
			c.records[41].Body = bytes.Replace(c.records[41].Body, []byte("value 41"), []byte("value 14"), 1)
			c.rechain(42)
			return proof.Options{}
		}, 30, proof.Rechained},
		{"chained anew under a key of the forger's own", func(c *chronicle) proof.Options {
			*c = chronicle{t: c.t}
			c.add(events.ClusterFormed{ID: clusterID})
			c.newKey(other, false)
			c.fill(40)
			c.checkpoint()
			return proof.Options{Trust: []ed25519.PublicKey{public(key)}}
		}, 2, proof.Untrusted},
		{"chained anew without checkpoints", func(c *chronicle) proof.Options {
			*c = chronicle{t: c.t}
			c.fill(60)
			return proof.Options{Trust: []ed25519.PublicKey{public(key)}}
		}, 0, proof.Untrusted},
		{"another history at a position that was noted", func(c *chronicle) proof.Options {
			noted := c.chain(75).At(75)
			*c = chronicle{t: c.t}
			c.fill(80)
			return proof.Options{Positions: []events.Position{noted}}
		}, 1, proof.Rechained},
		{"an end that lies before a position", func(c *chronicle) proof.Options {
			noted := c.chain(150).At(150)
			c.records = c.records[:140]
			return proof.Options{Positions: []events.Position{noted}, Partial: true}
		}, 141, proof.CutShort},
		{"a checkpoint that was kept, of another history", func(c *chronicle) proof.Options {
			kept := c.fork().signed(70)
			kept.Chain[0]++
			return proof.Options{Checkpoints: []events.Checkpoint{kept}}
		}, 70, proof.Rechained},
		{"a checkpoint that was kept, forged", func(c *chronicle) proof.Options {
			kept := c.signed(70)
			kept.Signature = ed25519.Sign(other, kept.Signed())
			return proof.Options{Checkpoints: []events.Checkpoint{kept}, Trust: []ed25519.PublicKey{public(key), public(testKey(2))}}
		}, 0, proof.Altered},
		{"a key that nobody endorses", func(c *chronicle) proof.Options {
			c.newKey(other, false)
			c.checkpoint()
			return proof.Options{Trust: []ed25519.PublicKey{public(key)}}
		}, 201, proof.Untrusted},
		{"marked as erased, and nothing says so", func(c *chronicle) proof.Options {
			c.records[60], _ = c.records[60].Erase([]events.Place{events.ThisValue})
			return proof.Options{}
		}, 61, proof.Unerased},
		{"altered behind an erasure", func(c *chronicle) proof.Options {
			c.records[56].Body = bytes.Replace(c.records[56].Body, []byte("value 55"), []byte("value 44"), 1)
			c.records[56].Body = bytes.Replace(c.records[56].Body, []byte(`"actor":"ann"`), []byte(`"actor":"bob"`), 1)
			return proof.Options{}
		}, 57, proof.Altered},
		{"erased by half", func(c *chronicle) proof.Options {
			whole := newChronicle(c.t).records // the same bytes, once erased
			c.value("x")
			c.erase(c.head())
			c.records[c.head()-2] = whole[40]
			c.records[c.head()-2].Index = c.head() - 1
			return proof.Options{}
		}, 201, proof.NotErased},
		{"of another cluster", func(*chronicle) proof.Options { return proof.Options{Cluster: "another"} }, 1, proof.Altered},
	} {
		c := newChronicle(t)
		o := tt.forge(c)
		for way, r := range map[string]proof.Report{"forwards": verify(o, c.whole()), "backwards": c.backward(events.Horizon{}, o)} {
			if !slices.ContainsFunc(r.Findings, func(f proof.Finding) bool { return f.Index == tt.index && f.Kind == tt.kind }) {
				t.Errorf("%s, %s: %v, want %s at %d", tt.name, way, r.Findings, tt.kind, tt.index)
			}
		}
	}
}
