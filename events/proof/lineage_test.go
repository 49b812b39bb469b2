package proof_test

import (
	"slices"
	"testing"

	"confman/events"
	"confman/events/proof"
)

const (
	recoveredID = "01KAGB3GPK041061050R3GG2A7"
	restoredID  = "01KAGB3GPK041061050R3GG2A9"
)

// goOn is newChronicle's history, which went on in a recovered cluster at event
// 201 and in a restored one at event 222, with checkpoints in each.
func goOn(t *testing.T) *chronicle {
	c := newChronicle(t)
	for _, next := range []string{recoveredID, restoredID} {
		if before := c.now(); next == recoveredID {
			c.add(events.ClusterRecovered{Cluster: next, Previous: before, Node: "n3"})
		} else {
			c.add(events.ClusterRestored{Cluster: next, Previous: before, Node: "r1", Position: "220"})
		}
		c.cluster = append(c.cluster, next)
		c.fill(c.head() + 9)
		c.checkpoint()
		c.fill(c.head() + 10)
	}
	return c
}

func TestAHistoryGoesOnInAnotherCluster(t *testing.T) {
	c := goOn(t)
	for name, files := range map[string][][]byte{
		"in one file":                 {c.linesOf(restoredID, 1, c.head())},
		"in files of each cluster":    {c.linesOf(clusterID, 1, 200), c.linesOf(recoveredID, 201, 221), c.linesOf(restoredID, 222, c.head())},
		"in files that end elsewhere": {c.linesOf(clusterID, 1, 150), c.linesOf(recoveredID, 100, 210), c.linesOf(restoredID, 211, c.head())},
		"from where it went on":       {c.linesOf(restoredID, 205, c.head())},
		"before it did":               {c.linesOf(clusterID, 60, 190)},
	} {
		o := proof.Options{Partial: true, Key: public(testKey(2))}
		if r := verify(o, files...); !r.OK() || name != "before it did" && r.Cluster != restoredID {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := c.backward(events.Horizon{}, proof.Options{Cluster: restoredID}); !r.OK() || r.Cluster != restoredID {
		t.Errorf("backwards: %+v", r)
	}
}

func TestWhoseHistoryItIsCannotBeForged(t *testing.T) {
	for _, tt := range []struct {
		name  string
		forge func(*chronicle) (claimed string, o proof.Options)
		index uint64
	}{
		{"its end is of the cluster before", func(*chronicle) (string, proof.Options) {
			return recoveredID, proof.Options{Cluster: recoveredID}
		}, 222},
		{"it goes on from a cluster that it was not of", func(c *chronicle) (string, proof.Options) {
			c.add(events.ClusterRecovered{Cluster: "another", Previous: clusterID})
			return "another", proof.Options{Cluster: "another"}
		}, 243},
		{"a checkpoint is of the cluster before", func(c *chronicle) (string, proof.Options) {
			c.cluster = append(c.cluster, recoveredID)
			c.checkpoint()
			return restoredID, proof.Options{Cluster: restoredID}
		}, 243},
	} {
		c := goOn(t)
		claimed, o := tt.forge(c)
		for way, r := range map[string]proof.Report{
			"forwards": verify(proof.Options{}, c.linesOf(claimed, 1, c.head())), "backwards": c.backward(events.Horizon{}, o),
			"from the middle": verify(proof.Options{Partial: true}, c.linesOf(claimed, 205, c.head())),
		} {
			if !slices.ContainsFunc(r.Findings, func(f proof.Finding) bool { return f.Index == tt.index && f.Kind == proof.Altered }) {
				t.Errorf("%s, %s: %v, want %s at %d", tt.name, way, r.Findings, proof.Altered, tt.index)
			}
		}
	}
	c := newChronicle(t)
	if r := verify(proof.Options{Partial: true}, c.linesOf("another", 60, 190)); r.OK() {
		t.Error("a file that names another cluster than its checkpoints passes")
	}
}
