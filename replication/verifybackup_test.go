package replication

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"confman/events"
	"confman/events/proof"
)

// rowOf is one entry of a backup, as a forger takes it apart.
type rowOf struct {
	end, parts byte
	index      uint64
	key, value []byte
	at, to     int // its bytes in the file
}

// isRecord reports whether the entry is the row of a record.
func (r rowOf) isRecord() bool { return len(r.key) == 10 && r.key[0] == 'r' && r.key[1] == 'r' }

// isErased reports whether the record is marked so, in its flags behind the chain.
func (r rowOf) isErased() bool { return r.value[33]&2 != 0 }

func (r rowOf) number() uint64 { return binary.BigEndian.Uint64(r.key[2:]) }

// takenApart is a backup in its parts.
type takenApart struct {
	header []byte
	rows   []rowOf
}

// takeApart reads a backup that is right.
func takeApart(t *testing.T, file []byte) (b takenApart) {
	t.Helper()
	for at := len(BackupMagic); at < len(file); {
		size := int(binary.BigEndian.Uint32(file[at+1:]))
		body := file[at+5 : at+5+size]
		switch file[at] {
		case 'H':
			b.header = body
		case 'B':
			for rest := body; len(rest) > 0; {
				begins := at + 5 + len(body) - len(rest)
				r := rowOf{end: rest[0], parts: rest[1], at: begins}
				rest = rest[2:]
				cut := func() uint64 {
					n, size := binary.Uvarint(rest)
					rest = rest[size:]
					return n
				}
				r.index = cut()
				n := cut()
				r.key, rest = rest[:n], rest[n:]
				n = cut()
				r.value, rest = rest[:n], rest[n:]
				r.to = at + 5 + len(body) - len(rest)
				b.rows = append(b.rows, r)
			}
		}
		at += size + 9
	}
	return b
}

// together puts a backup together again, every sum and digest right.
func (b takenApart) together(t *testing.T) []byte {
	t.Helper()
	file := []byte(BackupMagic)
	frame := func(kind byte, body []byte) {
		begins := len(file)
		file = binary.BigEndian.AppendUint32(append(file, kind), uint32(len(body)))
		file = append(file, body...)
		file = binary.BigEndian.AppendUint32(file, crc32.Checksum(file[begins:], crc32.MakeTable(crc32.Castagnoli)))
	}
	frame('H', b.header)
	var block []byte
	blocks := 0
	flush := func() {
		if len(block) > 0 {
			frame('B', block)
			block, blocks = nil, blocks+1
		}
	}
	for _, r := range b.rows {
		block = append(block, r.end, r.parts)
		block = binary.AppendUvarint(block, r.index)
		block = append(binary.AppendUvarint(block, uint64(len(r.key))), r.key...)
		block = append(binary.AppendUvarint(block, uint64(len(r.value))), r.value...)
		if len(block) > 4<<10 { // any length will do
			flush()
		}
	}
	flush()
	sum := sha256.Sum256(file)
	trailer, err := json.Marshal(map[string]any{"entries": len(b.rows), "blocks": blocks, "sha256": hex.EncodeToString(sum[:])})
	if err != nil {
		t.Fatal(err)
	}
	frame('T', trailer)
	return file
}

// records are the places of the records among the rows, oldest first.
func (b takenApart) records() (places []int) {
	for i, r := range b.rows {
		if r.isRecord() {
			places = append(places, i)
		}
	}
	slices.Reverse(places)
	return places
}

// rechain chains the records anew from one on, and has the header say so.
func (b *takenApart) rechain(t *testing.T, from uint64) {
	t.Helper()
	places := b.records()
	var before events.Chain
	for _, i := range places {
		r := &b.rows[i]
		if r.parts > 0 {
			t.Fatal("a long record is not for forging here")
		}
		if r.number() >= from && !r.isErased() {
			before = before.Next(r.value[len(before):])
			r.value = append(bytes.Clone(before[:]), r.value[len(before):]...)
		}
		copy(before[:], r.value)
	}
	var header map[string]any
	if err := json.Unmarshal(b.header, &header); err != nil {
		t.Fatal(err)
	}
	newest := b.rows[places[len(places)-1]]
	header["chain"], header["index"] = before.String(), newest.number()
	b.header, _ = json.Marshal(header)
}

func (b takenApart) fork() takenApart {
	b.rows = slices.Clone(b.rows)
	return b
}

// checkBackup verifies a backup in memory.
func checkBackup(t *testing.T, file []byte, o proof.Options) proof.Report {
	t.Helper()
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file)), nil }
	r, err := VerifyBackup(open, o, func(uint64) {})
	if err != nil { // it does not even begin as one
		r.Findings = append(r.Findings, proof.Finding{Kind: proof.Altered, Detail: err.Error()})
	}
	return r
}

// historyToBackUp is a backup of 120 events or more: checkpoints every 20 or so,
// two erased values, and, if wanted, some values that lie in parts.
func historyToBackUp(t *testing.T, long bool) ([]byte, *testNode) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	c.with = func(config *Config) { config.Proof = ProofConfig{Key: checkpointKey(1), Interval: time.Hour} }
	c.form(1)
	n, ctx := c.leader(), testContext(t)
	for i := range 100 {
		value := fmt.Sprintf("value %d", i)
		if long && i%30 == 7 {
			value += strings.Repeat("long ", 60<<10+i)
		}
		if _, err := n.Submit(ctx, put("pay", fmt.Sprintf("k%d", i%9), value), marked(i)); err != nil {
			t.Fatal(err)
		}
		if i%20 == 19 {
			if _, err := n.SignCheckpoint(ctx, stamp()); err != nil {
				t.Fatal(err)
			}
		}
	}
	n.eraseIn(t, 12, 14)
	if _, err := n.SignCheckpoint(ctx, stamp()); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := n.Backup(ctx, &file, 0, func(events.Position) {}); err != nil {
		t.Fatal(err)
	}
	return file.Bytes(), n
}

// eraseIn erases what records set.
func (n *testNode) eraseIn(t *testing.T, indexes ...uint64) {
	t.Helper()
	h, release := n.History(n.State().Index())
	defer release()
	command := events.EraseValues{Reason: "test"}
	for _, index := range indexes {
		r, err := h.Record(index)
		if err != nil {
			t.Fatal(err)
		}
		places := []events.Place{events.ThisValue}
		after, err := r.Erase(places)
		if err != nil {
			t.Fatal(err)
		}
		before, err := h.Record(index - 1)
		if err != nil {
			t.Fatal(err)
		}
		command.Records = append(command.Records, events.ErasedRecord{
			Index: index, Before: before.Chain, Digest: events.DigestOf(r.AppendStored(nil)), Remains: events.DigestOf(after.AppendStored(nil)), Values: places,
		})
	}
	if _, err := n.Submit(testContext(t), command, stamp()); err != nil {
		t.Fatal(err)
	}
}

func TestAnUntouchedBackupPasses(t *testing.T) {
	file, n := historyToBackUp(t, true)
	trust := []ed25519.PublicKey{publicKey(checkpointKey(1))}
	for name, o := range map[string]proof.Options{
		"against itself": {}, "by the key": {Trust: trust}, "at its position": {Positions: []events.Position{n.State().Position()}},
	} {
		r := checkBackup(t, file, o)
		if !r.OK() || r.To != n.State().Index() || r.Chain != n.State().Chain() || r.Erased != 2 || r.Checkpoints != 6 || r.Records != r.To {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := checkBackup(t, takeApart(t, file).together(t), proof.Options{}); !r.OK() {
		t.Errorf("taken apart and put together: %+v", r)
	}
	if r := checkBackup(t, file, proof.Options{Cluster: "another"}); r.OK() {
		t.Error("of another cluster, and nothing is found")
	}
}

// forgeries are what somebody does to a backup who makes every sum right, and has
// not got the key. They are found at from to to.
var forgeries = map[string]func(t *testing.T, b *takenApart, r *rand.Rand) (from, to uint64){
	"a record altered": func(_ *testing.T, b *takenApart, r *rand.Rand) (from, to uint64) {
		row := &b.rows[pick(*b, r)]
		row.value = bytes.Clone(row.value)
		at := r.IntN(len(row.value))
		row.value[at] ^= 1 << r.IntN(8)
		return row.number(), row.number()
	},
	"a record dropped": func(_ *testing.T, b *takenApart, r *rand.Rand) (from, to uint64) {
		place := pick(*b, r)
		index := b.rows[place].number()
		b.rows = slices.Delete(b.rows, place, place+1)
		return index, index
	},
	"a record twice": func(_ *testing.T, b *takenApart, r *rand.Rand) (from, to uint64) {
		place := pick(*b, r)
		b.rows = slices.Insert(b.rows, place, b.rows[place])
		return b.rows[place].number(), b.rows[place].number()
	},
	"two records swapped": func(_ *testing.T, b *takenApart, r *rand.Rand) (from, to uint64) {
		place := pick(*b, r)
		b.rows[place], b.rows[place-1] = b.rows[place-1], b.rows[place]
		return b.rows[place-1].number(), b.rows[place].number()
	},
	"two records exchanged under their numbers": func(_ *testing.T, b *takenApart, r *rand.Rand) (from, to uint64) {
		place := pick(*b, r)
		a, c := &b.rows[place], &b.rows[place-1]
		a.value, c.value = c.value, a.value
		return a.number(), c.number()
	},
	"a record written anew, and all after it chained": func(t *testing.T, b *takenApart, r *rand.Rand) (from, to uint64) {
		row := &b.rows[pick(*b, r)]
		row.value = bytes.Replace(row.value, []byte(`"actor":"tester"`), []byte(`"actor":"nobody"`), 1)
		b.rechain(t, row.number())
		return between(*b, row.number())
	},
	"a record taken out, and all after it chained": func(t *testing.T, b *takenApart, r *rand.Rand) (from, to uint64) {
		place := pick(*b, r)
		index := b.rows[place].number()
		b.rows = slices.Delete(b.rows, place, place+1)
		for i := range b.rows {
			if row := &b.rows[i]; row.isRecord() && row.number() > index {
				row.key = binary.BigEndian.AppendUint64([]byte("rr"), row.number()-1)
				row.index--
			}
		}
		b.rechain(t, index)
		return between(*b, index)
	},
}

// pick is the place of a record that was put and is not erased, nor is the next.
func pick(b takenApart, r *rand.Rand) int {
	places := b.records()
	for {
		place := places[4+r.IntN(len(places)-14)]
		fit := func(r rowOf) bool { return bytes.Contains(r.value, []byte(`"config.`)) && !r.isErased() }
		if fit(b.rows[place]) && fit(b.rows[place-1]) {
			return place
		}
	}
}

// between are the events around one from checkpoint to checkpoint.
func between(b takenApart, index uint64) (from, to uint64) {
	from, to = 1, index
	for _, place := range b.records() {
		row := b.rows[place]
		if signs := bytes.Contains(row.value, []byte("history.checkpointed")); signs && row.number() < index {
			from = row.number()
		} else if to = row.number(); signs && to > index {
			return from, to
		}
	}
	return from, to
}

func TestEveryCorruptionOfABackupIsFoundWhereItIs(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	file, _ := historyToBackUp(t, false)
	whole := takeApart(t, file)
	var names []string
	for name := range forgeries {
		names = append(names, name)
	}
	slices.Sort(names)
	for i := range 210 {
		name := names[i%len(names)]
		b := whole.fork()
		from, to := forgeries[name](t, &b, r)
		found(t, checkBackup(t, b.together(t), proof.Options{}), name, from, to)
	}
	for range 200 {
		flipped := bytes.Clone(file)
		at, bit := r.IntN(len(file)), r.IntN(8)
		flipped[at] ^= 1 << bit
		report := checkBackup(t, flipped, proof.Options{})
		from, to := uint64(0), ^uint64(0)
		for _, row := range whole.rows {
			// What says how long it is may turn all that follows into something else.
			if row.isRecord() && at >= row.to-len(row.value) && at < row.to {
				from, to = row.number(), row.number()+1 // of an erased one the chain cannot be told from the next
			}
		}
		found(t, report, fmt.Sprintf("bit %d of byte %d", bit, at), from, to)
	}
	for range 50 {
		at := r.IntN(len(file))
		found(t, checkBackup(t, file[:at], proof.Options{}), fmt.Sprintf("cut at byte %d", at), 0, ^uint64(0))
	}
}

// found checks that something is reported where it is.
func found(t *testing.T, r proof.Report, what string, from, to uint64) {
	t.Helper()
	if !slices.ContainsFunc(r.Findings, func(f proof.Finding) bool { return f.Index >= from && f.Index <= to }) {
		t.Errorf("%s: found %v, want it at %d to %d", what, r.Findings, from, to)
	}
}
