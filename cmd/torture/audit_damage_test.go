package torture

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"confman/api/wire"
)

// flip changes one byte of a node's tables in place, within the body of a record
// that is found by a text in it, and says in which file. The process, if it runs,
// has the file mapped and sees it.
func (n *node) flip(text string) (file string, err error) {
	tables, err := filepath.Glob(filepath.Join(n.dir, "views/generation-*/views/*.sst"))
	if err != nil {
		return "", err
	}
	for _, table := range tables {
		content, err := os.ReadFile(table)
		if err != nil {
			return "", err
		}
		at := bytes.Index(content, []byte(text))
		if at < 0 {
			continue
		}
		f, err := os.OpenFile(table, os.O_RDWR, 0)
		if err != nil {
			return "", err
		}
		defer f.Close()
		_, err = f.WriteAt([]byte{content[at+1] ^ 1}, int64(at+1))
		return filepath.Base(table), err
	}
	return "", fmt.Errorf("none of %d tables has %q", len(tables), text)
}

func TestANodeWithOneFlippedByteIsReportedByTheCluster(t *testing.T) {
	rng := random(t)
	c, made := prepareGrown(t, rng, 20_000, plan{size: 1, args: calm().args})
	first := c.nodes[0]
	first.start()
	c.awaitReady(first)
	h := c.wholeExport(first, made.Head.Index)
	for range 2 {
		n := c.join(fmt.Sprintf("n%d", len(c.nodes)+1), first)
		n.start()
		c.awaitVoter(n)
	}
	c.awaitAgreement()
	for _, n := range c.nodes {
		if v := c.verifyNode(n); !v.OK || v.To < made.Head.Index {
			t.Fatalf("%s, untouched: %+v", n.id, v)
		}
	}
	sick := c.nodes[1+rng.IntN(2)]
	file, event := "", wire.AuditEvent{}
	await(t, "a byte is flipped", func() (err error) { // some records are in no table yet
		event = h[rng.IntN(len(h)/2)]
		file, err = sick.flip(`{"id":"` + event.ID)
		return err
	})
	t.Logf("%s has a wrong byte in event %d, %s", sick.id, event.Index, file)
	for _, n := range c.nodes {
		v := c.verifyNode(n)
		if v.OK != (n != sick) || n == sick && v.At != event.Index && !strings.Contains(v.Problem, file) {
			t.Errorf("%s: %+v", n.id, v)
		}
	}
	stdout, stderr, code := c.confman("audit", "verify")
	if code == 0 || !strings.Contains(stdout+stderr, sick.id) {
		t.Errorf("confman audit verify: exit %d\n%s%s", code, stdout, stderr)
	}
	sick.kill9()
	sick.start() // with what the disk says now
	if code := sick.exit(); code == 0 || sick.logged(file) != nil {
		t.Errorf("%s starts with a wrong byte in %s, or does not name it: code %d\n%s", sick.id, file, code, sick.tail(3))
	}
}
