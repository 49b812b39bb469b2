package client_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// cutting is a node whose backups break off somewhere, again and again.
type cutting struct {
	content []byte
	cuts    []int // bytes after which an answer breaks off, in turn
	gone    bool  // the backup cannot be made again
	asked   int
}

func (c *cutting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.asked++
	from := 0
	if span := r.Header.Get("Range"); span != "" {
		_, _ = fmt.Sscanf(span, "bytes=%d-", &from)
		sum := sha256.Sum256(c.content[:min(from, len(c.content))])
		if c.gone || hex.EncodeToString(sum[:]) != r.Header.Get(wire.HeaderPrefixSHA256) || r.URL.Query().Get("at") != "42-9f3c2a1b" {
			w.Header().Set("Content-Type", wire.MediaProblem)
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
	}
	w.Header().Set("Content-Type", wire.MediaBinary)
	w.Header().Set(wire.HeaderPosition, "42-9f3c2a1b")
	if from > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	if len(c.cuts) == 0 {
		_, _ = w.Write(c.content[from:])
		return
	}
	_, _ = w.Write(c.content[from:min(len(c.content), from+c.cuts[0])])
	_ = http.NewResponseController(w).Flush()
	c.cuts = c.cuts[1:]
	panic(http.ErrAbortHandler)
}

func TestABackupWhoseConnectionBreaksGoesOnWhereItBroke(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	content := make([]byte, 300_000)
	for i := range content {
		content[i] = byte(rng.Uint32())
	}
	node := &cutting{content: content}
	server := httptest.NewServer(node)
	defer server.Close()
	open := func() *client.Client {
		c, err := client.New(client.Config{Endpoints: []string{server.URL}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	node.cuts = []int{1 + rng.IntN(50_000), 0, 1 + rng.IntN(50_000), 1 + rng.IntN(50_000)}
	var got bytes.Buffer
	position, err := open().Backup(t.Context(), &got)
	if err != nil || position != "42-9f3c2a1b" || !bytes.Equal(got.Bytes(), content) || node.asked != 5 {
		t.Errorf("%s, %v: %d of %d bytes after %d questions", position, err, got.Len(), len(content), node.asked)
	}
	for _, has := range []int{1, 1 + rng.IntN(len(content)-1), len(content)} {
		var rest bytes.Buffer
		position, err = open().ContinueBackup(t.Context(), &rest, "42-9f3c2a1b", bytes.NewReader(content[:has]))
		if err != nil || position != "42-9f3c2a1b" || !bytes.Equal(rest.Bytes(), content[has:]) {
			t.Errorf("from byte %d: %s, %v: %d bytes", has, position, err, rest.Len())
		}
	}
	var none bytes.Buffer
	if _, err = open().ContinueBackup(t.Context(), &none, "42-9f3c2a1b", strings.NewReader("something else")); !errors.Is(err, client.ErrConditionFailed) || none.Len() > 0 {
		t.Errorf("of another beginning: %v, %d bytes", err, none.Len())
	}
	node.cuts, node.gone = []int{1000}, true
	if _, err = open().Backup(t.Context(), &none); !errors.Is(err, client.ErrConditionFailed) {
		t.Errorf("when it cannot be made again: %v", err)
	}
	full := errors.New("disk full")
	if _, err = open().Backup(t.Context(), fullDisk{full}); !errors.Is(err, full) {
		t.Errorf("to a disk that is full: %v", err)
	}
}

type fullDisk struct{ err error }

func (f fullDisk) Write([]byte) (int, error) { return 0, f.err }
