package peer

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// FuzzUpgrade sends what a stranger may send where streams of Raft begin: whoever
// is let in has shown the token, the cluster and whom it means.
func FuzzUpgrade(f *testing.F) {
	good := "GET /internal/v1/raft HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: confman-raft/1\r\nX-Cluster-Token: secret\r\n" +
		"X-Confman-Node: n2\r\nX-Confman-To: n1\r\nX-Confman-Cluster: c1\r\nX-Confman-Address: 127.0.0.1:1\r\n\r\n"
	f.Add([]byte(good), false)
	f.Add([]byte(good), true)
	for _, change := range [][2]string{
		{"secret", ""},
		{"secret", "secre"},
		{"c1", "c2"},
		{"To: n1", "To: n3"},
		{"GET", "POST"},
		{"raft/1\r\n", "raft/2\r\n"},
		{"1.1", "1.0"},
		{"X-Cluster-Token: secret", "X-Cluster-Token: secret\r\nX-Cluster-Token: other"},
		{"n2", "\xff\x00"},
	} {
		f.Add([]byte(strings.Replace(good, change[0], change[1], 1)), false)
	}
	f.Fuzz(func(t *testing.T, sent []byte, certified bool) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(sent)))
		if err != nil {
			return
		}
		n := &Transport{cfg: Config{ID: "n1", Token: "secret", Cluster: func() string { return "c1" }, RequirePeerCertificate: certified}}
		no := n.admit(r)
		if no != nil {
			if no.Status < http.StatusBadRequest || no.Status > http.StatusUpgradeRequired || no.Detail == "" || strings.Contains(no.Detail, "secret") && !bytes.Contains(sent, []byte("secret")) {
				t.Errorf("refused with %+v", no)
			}
			return
		}
		h := r.Header
		if certified || h.Get("X-Cluster-Token") != "secret" || h.Get("X-Confman-To") != "n1" || h.Get("X-Confman-Cluster") != "c1" || r.Method != http.MethodGet {
			t.Errorf("let in: %q", sent)
		}
	})
}

// answering is a connection on which a peer has answered already.
type answering struct {
	net.Conn
	answer *bytes.Reader
}

func (a answering) Read(b []byte) (int, error) { return a.answer.Read(b) }
func (answering) Write(b []byte) (int, error)  { return len(b), nil }
func (answering) SetDeadline(time.Time) error  { return nil }
func (answering) Close() error                 { return nil }

// FuzzUpgradeAnswer has something answer that may be no node at all: only 101
// begins a stream, and an error is short enough for a log.
func FuzzUpgradeAnswer(f *testing.F) {
	f.Add([]byte(accepted + "and what follows"))
	f.Add([]byte("HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\nContent-Length: 20\r\n\r\n{\"detail\":\"no\"}     "))
	f.Add([]byte("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nlater"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n"))
	f.Add([]byte("\x15\x03\x01\x00\x02\x02\x16"))
	f.Add(bytes.Repeat([]byte{0x94}, 5000)) // all of it was quoted once
	f.Add([]byte("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100_000)))
	f.Fuzz(func(t *testing.T, answer []byte) {
		s := newStreams(Config{ID: raft.ServerID("n2"), Token: "secret", Cluster: func() string { return "c1" }})
		r, err := s.upgrade(answering{answer: bytes.NewReader(answer)}, "127.0.0.1:1", "n1")
		switch {
		case err == nil && (r == nil || !bytes.Contains(answer, []byte("101"))):
			t.Errorf("a stream begins with %q", answer)
		case err != nil && len(err.Error()) > maxRefusal+1000:
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}
