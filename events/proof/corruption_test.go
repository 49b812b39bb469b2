package proof_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"confman/events"
	"confman/events/proof"
)

// harm is something that was done to an export, and where it must be found: at
// one event of a range. To is 0 where it concerns no event.
type harm struct {
	what     string
	file     []byte
	from, to uint64
}

// lineIndex is the event of a line: line 0 is the header, the one after the last
// event the trailer.
func lineIndex(n int, c *chronicle) (from, to uint64) {
	if n < 1 || uint64(n) > c.head() {
		return 0, c.head() + 1
	}
	return uint64(n), uint64(n)
}

// harms are the ways of harming an export.
var harms = map[string]func(c *chronicle, r *rand.Rand) harm{
	"bit flip": func(c *chronicle, r *rand.Rand) harm {
		file := c.whole()
		at, bit := r.IntN(len(file)), r.IntN(8)
		from, to := lineIndex(bytes.Count(file[:at], []byte("\n")), c)
		file[at] ^= 1 << bit
		if from > 0 && c.records[from-1].Erased {
			to++ // its chain cannot be told from that of the next
		}
		return harm{fmt.Sprintf("bit %d of byte %d", bit, at), file, from, to}
	},
	"drop": func(c *chronicle, r *rand.Rand) harm {
		return onLines(c, r, "line %d dropped", func(lines [][]byte, n int) [][]byte { return slices.Delete(lines, n, n+1) })
	},
	"duplicate": func(c *chronicle, r *rand.Rand) harm {
		return onLines(c, r, "line %d comes twice", func(lines [][]byte, n int) [][]byte { return slices.Insert(lines, n, lines[n]) })
	},
	"swap": func(c *chronicle, r *rand.Rand) harm {
		return onLines(c, r, "line %d comes after the next", func(lines [][]byte, n int) [][]byte {
			other := min(n+1, int(c.head()))
			if other == n {
				other = n - 1
			}
			lines[n], lines[other] = lines[other], lines[n]
			return lines
		})
	},
	"move": func(c *chronicle, r *rand.Rand) harm {
		to := 1 + r.IntN(int(c.head()))
		h := onLines(c, r, "line %d stands elsewhere", func(lines [][]byte, n int) [][]byte {
			if to == n {
				to = n%int(c.head()) + 1
			}
			line := lines[n]
			return slices.Insert(slices.Delete(lines, n, n+1), to, line)
		})
		h.what += fmt.Sprintf(", at %d", to)
		h.from, h.to = min(h.from, uint64(to)), max(h.to, uint64(to))
		return h
	},
	"truncation": func(c *chronicle, r *rand.Rand) harm {
		file := c.whole()
		at := r.IntN(len(file))
		from, to := lineIndex(bytes.Count(file[:at], []byte("\n")), c)
		return harm{fmt.Sprintf("cut at byte %d", at), file[:at], from, to}
	},
	"rewriting": func(c *chronicle, r *rand.Rand) harm {
		return onRecords(c, r, "event %d written anew", func(c *chronicle, index uint64) {
			body := &c.records[index-1].Body
			*body = bytes.Replace(*body, []byte(`"actor":"ann"`), []byte(`"actor":"bob"`), 1)
		})
	},
	"removal": func(c *chronicle, r *rand.Rand) harm {
		return onRecords(c, r, "event %d taken out", func(c *chronicle, index uint64) {
			c.records = slices.Delete(c.records, int(index-1), int(index))
		})
	},
	"insertion": func(c *chronicle, r *rand.Rand) harm {
		return onRecords(c, r, "event %d put in", func(c *chronicle, index uint64) {
			c.records = slices.Insert(c.records, int(index-1), c.records[index-2])
		})
	},
}

// onLines does something to the line of one event.
func onLines(c *chronicle, r *rand.Rand, what string, do func([][]byte, int) [][]byte) harm {
	lines := bytes.SplitAfter(c.whole(), []byte("\n"))
	n := 1 + r.IntN(int(c.head()))
	lines = do(lines, n)
	from, to := uint64(n), uint64(n)
	if from == c.head() {
		from--
	}
	return harm{fmt.Sprintf(what, n), bytes.Join(lines, nil), from, to + 1}
}

// onRecords does what a forger does who has everything but the key: all records
// after it are numbered and chained anew, and the file is written properly. It
// lies between two checkpoints of which the second contradicts it.
func onRecords(c *chronicle, r *rand.Rand, what string, do func(*chronicle, uint64)) harm {
	f := c.fork()
	index := 11 + r.Uint64N(150)
	for c.records[index-1].Erased || c.records[index-2].Erased { // they would have to be found in the erasure
		index++
	}
	do(f, index)
	f.rechain(index)
	sealed := index - 1
	for ; sealed > 9 && !bytes.Contains(c.records[sealed].Body, []byte("history.checkpointed")); sealed-- {
	}
	from := max(sealed, 9)
	to := index + 1
	for ; to < c.head() && !bytes.Contains(c.records[to-1].Body, []byte("history.checkpointed")); to++ {
	}
	return harm{fmt.Sprintf(what, index), f.whole(), from, to}
}

// Of 450 corruptions every one is found, where it is.
func TestEveryCorruptionOfAnExportIsFoundWhereItIs(t *testing.T) {
	r := seeded(t)
	c := newChronicle(t)
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range harms {
			if !yield(name) {
				return
			}
		}
	})
	for i := range 50 * len(harms) {
		h := harms[names[i%len(names)]](c, r)
		report := verify(proof.Options{}, h.file)
		if report.OK() {
			t.Fatalf("%s, %s: nothing was found", names[i%len(names)], h.what)
		}
		there := func(f proof.Finding) bool { return f.Index >= h.from && f.Index <= h.to }
		if !slices.ContainsFunc(report.Findings, there) {
			t.Errorf("%s, %s: found %v, want it at %d to %d", names[i%len(names)], h.what, report.Findings, h.from, h.to)
		}
	}
	if report := verify(proof.Options{}, c.whole()); !report.OK() {
		t.Errorf("the untouched one: %v", report.Findings)
	}
}

// The same by flips and moves of records that come newest first.
func TestEveryCorruptionOfABackwardHistoryIsFoundWhereItIs(t *testing.T) {
	r := seeded(t)
	whole := newChronicle(t)
	for i := range 200 {
		c := whole.fork()
		n := 1 + r.IntN(int(c.head())-2)
		index := uint64(n + 1)
		head, chain := c.head(), c.chain(c.head())
		switch record := &c.records[n]; i % 5 {
		case 0:
			record.Body = bytes.Clone(record.Body)
			record.Body[r.IntN(len(record.Body))] ^= 1 << r.IntN(8)
		case 1:
			record.Chain[r.IntN(32)] ^= 1 << r.IntN(8)
		case 2:
			c.records = slices.Delete(c.records, n, n+1)
		case 3:
			c.records = slices.Insert(c.records, n, *record)
		case 4:
			c.records[n], c.records[n-1] = c.records[n-1], c.records[n]
		}
		b := proof.NewBackward(head, chain, events.Horizon{}, proof.Options{})
		for _, record := range slices.Backward(c.records) {
			b.Record(record)
		}
		report := b.End()
		if !slices.ContainsFunc(report.Findings, func(f proof.Finding) bool { return f.Index >= index-1 && f.Index <= index+1 }) {
			t.Errorf("case %d at event %d: found %v", i%5, index, report.Findings)
		}
	}
}

func FuzzReader(f *testing.F) {
	c := newChronicle(&testing.T{})
	f.Add(c.lines(1, 12))
	f.Add(c.lines(100, 130))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		report := verify(proof.Options{Partial: true}, file)
		if !report.OK() || report.Records == 0 {
			return
		}
		// What passes is what would be written.
		reader, err := proof.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		w, err := proof.NewWriter(&again, reader.Header())
		if err != nil {
			t.Fatal(err)
		}
		for r, err := reader.Next(); err == nil; r, err = reader.Next() {
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil || !bytes.Equal(again.Bytes(), file) {
			t.Fatalf("passed, and is not what is written: %v", err)
		}
	})
}
