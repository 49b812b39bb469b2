package events_test

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"confman/events"
)

// goldenBatch is what testdata/entry.1.hex means.
func goldenBatch() []events.Proposal {
	at := time.Unix(0, 1_763_800_000_123_456_789).UTC()
	return []events.Proposal{
		{
			Time: at,
			Claim: &events.Claim{
				ID:          events.ReceiptID{0: 0xa0, 15: 0xaf},
				Fingerprint: events.Fingerprint{0: 0xb0, 15: 0xbf},
			},
			Guards: []events.Guard{
				theNamespace("pay", 3),
				theContents("pay", 200),
				theEntry("pay", "db/url", 1<<40),
				theKey("k1", 0),
				{Subject: events.Subject{Noun: events.TheCluster}, Revision: 1},
			},
			Bodies: [][]byte{[]byte(`{"a":1}`), []byte(`{"b":2}`)},
		},
		{Time: at.Add(-time.Hour)},
	}
}

func TestRaftEntriesKeepTheirForm(t *testing.T) {
	want, err := hex.DecodeString(strings.Join(strings.Fields(string(golden(t, "entry.1.hex"))), ""))
	if err != nil {
		t.Fatal(err)
	}
	if got := events.EncodeEntry(goldenBatch()); string(got) != string(want) {
		t.Errorf("encoded\n%x, want\n%x", got, want)
	}
	if got, err := events.DecodeEntry(want); err != nil || !reflect.DeepEqual(got, goldenBatch()) {
		t.Errorf("decoded\n%+v, %v, want\n%+v", got, err, goldenBatch())
	}
}

func TestRaftEntriesSurviveARoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		batch := rapid.SliceOfN(proposals(), 0, 8).Draw(t, "batch")
		got, err := events.DecodeEntry(events.EncodeEntry(batch))
		if err != nil || len(got) != len(batch) || len(batch) > 0 && !reflect.DeepEqual(got, batch) {
			t.Fatalf("decoded %+v, %v", got, err)
		}
	})
}

func proposals() *rapid.Generator[events.Proposal] {
	return rapid.Custom(func(t *rapid.T) events.Proposal {
		p := events.Proposal{Time: time.Unix(0, rapid.Int64().Draw(t, "time")).UTC()}
		if rapid.Bool().Draw(t, "claimed") {
			p.Claim = &events.Claim{
				ID:          events.ReceiptID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
				Fingerprint: events.Fingerprint(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "fingerprint")),
			}
		}
		for range rapid.IntRange(0, 4).Draw(t, "guards") {
			p.Guards = append(p.Guards, events.Guard{
				Subject: events.Subject{
					Noun:      events.Noun(rapid.IntRange(1, 10).Draw(t, "noun")),
					Namespace: rapid.String().Draw(t, "namespace"),
					Name:      rapid.String().Draw(t, "name"),
				},
				Revision: rapid.Uint64().Draw(t, "revision"),
			})
		}
		for range rapid.IntRange(0, 4).Draw(t, "bodies") {
			p.Bodies = append(p.Bodies, rapid.SliceOf(rapid.Byte()).Draw(t, "body"))
		}
		return p
	})
}

func TestATruncatedRaftEntryIsRefused(t *testing.T) {
	whole := events.EncodeEntry(goldenBatch())
	for n := range whole {
		if batch, err := events.DecodeEntry(whole[:n]); err == nil {
			t.Errorf("%d of %d bytes decode to %+v", n, len(whole), batch)
		}
	}
	if _, err := events.DecodeEntry(append(whole, 0)); err == nil {
		t.Error("one byte too many was accepted")
	}
}

func TestRaftEntriesOfANewerReleaseAreRefused(t *testing.T) {
	whole := events.EncodeEntry(goldenBatch())
	const flagAt, nounAt = 1 + 1 + 8, 1 + 1 + 8 + 1 + 32 + 1 // of the first proposal and its first guard
	with := func(at int, b byte) []byte {
		changed := slices.Clone(whole)
		changed[at] = b
		return changed
	}
	for name, tt := range map[string]struct {
		data []byte
		says string
	}{
		"an unknown format":     {with(0, 2), "format 2"},
		"an unknown noun":       {with(nounAt, byte(events.TheNamespaces)+1), "noun 11"},
		"noun zero":             {with(nounAt, 0), "noun 0"},
		"an unknown claim flag": {with(flagAt, 2), "claim flag 2"},
	} {
		if _, err := events.DecodeEntry(tt.data); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want an error that says %q", name, err, tt.says)
		}
	}
}

func TestARaftEntryHolds256Proposals(t *testing.T) {
	batch := make([]events.Proposal, events.MaxProposals+1)
	if got, err := events.DecodeEntry(events.EncodeEntry(batch[1:])); err != nil || len(got) != 256 {
		t.Errorf("256: %d, %v", len(got), err)
	}
	if _, err := events.DecodeEntry(events.EncodeEntry(batch)); err == nil {
		t.Error("257 were accepted")
	}
}

func TestCountsThatLieAllocateNothing(t *testing.T) {
	head := events.EncodeEntry([]events.Proposal{{Time: time.Unix(0, 0)}})
	head = head[:len(head)-2] // without its counts of guards and bodies
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}
	most := binary.AppendUvarint(nil, events.MaxGuards)
	for name, data := range map[string][]byte{
		"guards, within the limit": slices.Concat(head, most),
		"bodies, within the limit": slices.Concat(head, []byte{0}, most),
		"proposals":                slices.Concat([]byte{1}, huge),
		"guards":                   slices.Concat(head, huge),
		"bodies":                   slices.Concat(head, []byte{0}, huge),
		"a body's size":            slices.Concat(head, []byte{0, 1}, huge),
		"a text's size":            slices.Concat(head, []byte{1, byte(events.TheEntry)}, huge),
		"an overflow":              slices.Concat([]byte{1}, huge[:9], []byte{0x7f}),
	} {
		if _, err := events.DecodeEntry(data); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if n := allocatedBy(func() { _, _ = events.DecodeEntry(data) }); n > 4096 {
			t.Errorf("%s: %d bytes allocated for %d", name, n, len(data))
		}
	}
}

// allocatedBy is about how many bytes f allocates; the least of a few tries,
// because others allocate too.
func allocatedBy(f func()) uint64 {
	least := uint64(math.MaxUint64)
	var before, after runtime.MemStats
	for range 3 {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add(events.EncodeEntry(goldenBatch()))
	f.Add(events.EncodeEntry(nil))
	f.Add([]byte{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 3, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		var batch []events.Proposal
		var err error
		allocated := allocatedBy(func() { batch, err = events.DecodeEntry(data) })
		if most := uint64(64<<10 + 256*len(data)); allocated > most {
			t.Errorf("%d bytes allocated for %d", allocated, len(data))
		}
		if err != nil {
			return
		}
		again, err := events.DecodeEntry(events.EncodeEntry(batch))
		if err != nil || !reflect.DeepEqual(again, batch) {
			t.Errorf("decoded %+v, encoded again and decoded %+v, %v", batch, again, err)
		}
	})
}

func TestNounsKeepTheirNumbers(t *testing.T) {
	for i, noun := range []events.Noun{
		events.TheNamespace, events.TheContents, events.TheEntry, events.TheAPIKey, events.TheCluster,
		events.ThePolicies, events.TheDraft, events.TheRequest, events.TheWebhook, events.TheNamespaces,
	} {
		if int(noun) != i+1 {
			t.Errorf("noun %d has become %d", i+1, noun)
		}
	}
}
