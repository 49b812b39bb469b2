package torture

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"
)

// exported is a verifiable export with something done to it.
type exported struct {
	name  string
	lines [][]byte // with the first and the last
	wrong uint64   // the first event that is not as it was
}

// corrupt does one thing to an export.
func corrupt(lines [][]byte, pick func(int) int) exported {
	lines = slices.Clone(lines)
	at := 1 + pick(len(lines)-3) // a record that is followed by another
	e := exported{lines: lines, wrong: indexIn(lines[at])}
	switch pick(5) {
	case 0:
		e.name = "a bit"
		line := slices.Clone(lines[at])
		body := bytes.Index(line, []byte(`"event":`)) + len(`"event":{"id":"`)
		line[body+pick(20)] ^= 1
		lines[at] = line
	case 1:
		e.name = "a swap"
		lines[at], lines[at+1] = lines[at+1], lines[at]
	case 2:
		e.name = "a drop"
		e.lines = slices.Delete(lines, at, at+1)
	case 3:
		e.name = "a duplicate"
		e.lines = slices.Insert(lines, at, lines[at])
		e.wrong++
	case 4:
		e.name = "a truncation"
		e.lines = lines[:at]
	}
	return e
}

func indexIn(line []byte) uint64 {
	var r struct{ Index uint64 }
	if json.Unmarshal(line, &r) != nil {
		return 0
	}
	return r.Index
}

// says reports whether a text names an event.
func says(text string, event uint64) bool {
	return regexp.MustCompile(fmt.Sprintf(`\b%d\b`, event)).MatchString(text)
}

func TestWhateverIsDoneToAnExportOrABackupIsFoundByTheCommand(t *testing.T) {
	rng := random(t)
	c := form(t, plan{size: 1})
	for i := range 40 {
		c.must([]int{http.StatusCreated, http.StatusOK}[min(i, 1)], c.nodes[0], http.MethodPut, entryPath("app", "k"), value(fmt.Sprint("value ", i)))
	}
	a := c.must(http.StatusOK, c.nodes[0], http.MethodGet, "/api/v1/audit/proof", nil)
	lines := bytes.SplitAfter(a.body, []byte("\n"))
	lines = lines[:len(lines)-1] // nothing follows the last
	backup := c.backup(c.nodes[0])
	whole, kept := c.write("whole", string(a.body)), c.write("backup", string(backup))
	for _, file := range []string{whole, kept} {
		if stdout, stderr, code := c.confman("audit", "verify", "--position", c.positionNow(), file); code != 0 {
			t.Fatalf("%s, untouched: exit %d\n%s%s", file, code, stdout, stderr)
		}
	}
	for range rounds(10, 200) {
		e := corrupt(lines, rng.IntN)
		stdout, stderr, code := c.confman("audit", "verify", c.write("corrupt", string(bytes.Join(e.lines, nil))))
		if code != 1 || !says(stdout+stderr, e.wrong) {
			t.Errorf("%s at %d: exit %d\n%s%s", e.name, e.wrong, code, stdout, stderr)
		}
	}
	for range rounds(10, 200) {
		what, content := damage(backup, rng)
		stdout, stderr, code := c.confman("audit", "verify", c.write("corrupt", string(content)))
		if code != 1 {
			t.Errorf("%s of a backup: exit %d\n%s%s", what, code, stdout, stderr)
		}
	}
	for range rounds(3, 50) {
		c.checkForgery(lines, rng)
	}
}

// damage does one thing to bytes.
func damage(content []byte, rng *rand.Rand) (what string, damaged []byte) {
	content = slices.Clone(content)
	at, length := rng.IntN(len(content)-400), 1+rng.IntN(200)
	switch rng.IntN(5) {
	case 0:
		content[at] ^= 1 << rng.IntN(8)
		return fmt.Sprintf("a bit at %d", at), content
	case 1:
		copied := slices.Clone(content[at : at+length])
		copy(content[at:], content[at+length:at+2*length])
		copy(content[at+length:], copied)
		content[at] ^= 1 // should they be equal
		return fmt.Sprintf("a swap of %d bytes at %d", length, at), content
	case 2:
		return fmt.Sprintf("a drop of %d bytes at %d", length, at), slices.Delete(content, at, at+length)
	case 3:
		return fmt.Sprintf("%d bytes twice at %d", length, at), slices.Insert(content, at, content[at:at+length]...)
	}
	return fmt.Sprintf("a truncation at %d", at), content[:at]
}

// record is a line of an export.
type record struct {
	Index     uint64          `json:"index"`
	Chain     string          `json:"chain"`
	Time      time.Time       `json:"time"`
	RaftTerm  uint64          `json:"raftTerm"`
	RaftIndex uint64          `json:"raftIndex"`
	More      bool            `json:"more,omitempty"`
	Event     json.RawMessage `json:"event"`
}

// next is the chain after a record, as the documentation says that it is made.
func (r record) next(before []byte) []byte {
	stored := []byte{1, 0}
	if r.More {
		stored[1] = 1
	}
	stored = binary.BigEndian.AppendUint64(stored, uint64(r.Time.UnixNano()))
	stored = binary.BigEndian.AppendUint64(stored, r.RaftTerm)
	stored = binary.BigEndian.AppendUint64(stored, r.RaftIndex)
	sum := sha256.Sum256(append(append(slices.Clone(before), stored...), r.Event...))
	return sum[:]
}

// checkForgery writes a record anew, and all chains after it. That is in itself as
// good a history as any; a position that was noted before tells.
func (c *cluster) checkForgery(lines [][]byte, rng *rand.Rand) {
	c.t.Helper()
	chain, forged := make([]byte, sha256.Size), []byte{}
	at := len(lines)/2 + rng.IntN(len(lines)/2-2)
	noted := ""
	for i, line := range lines[1 : len(lines)-1] {
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			c.t.Fatal(err)
		}
		if i < at && hex.EncodeToString(r.next(chain)) != r.Chain {
			c.t.Fatalf("event %d: its chain is not as documented", r.Index)
		}
		if i == at {
			noted = fmt.Sprintf("%d-%s", r.Index, r.Chain[:8])
			r.Event = bytes.Replace(r.Event, []byte(`"value `), []byte(`"forged `), 1)
		}
		chain = r.next(chain)
		r.Chain = hex.EncodeToString(chain)
		line, err := json.Marshal(r)
		if err != nil {
			c.t.Fatal(err)
		}
		forged = append(append(forged, line...), '\n')
	}
	written := append(slices.Clone(lines[0]), forged...)
	end := fmt.Sprintf(`{"end":true,"records":%d,"index":%d,"chain":"%x","sha256":"%x"}`, len(lines)-2, len(lines)-2, chain, sha256.Sum256(written))
	file := c.write("forged", string(written)+end+"\n")
	if stdout, stderr, code := c.confman("audit", "verify", file); code != 0 {
		c.t.Errorf("a history with chains that fit, and nothing to hold it against: exit %d\n%s%s", code, stdout, stderr)
	}
	if stdout, stderr, code := c.confman("audit", "verify", "--position", noted, file); code != 1 || !says(stdout+stderr, uint64(at+1)) {
		c.t.Errorf("a forgery from %s on, which was noted: exit %d\n%s%s", noted, code, stdout, stderr)
	}
}
