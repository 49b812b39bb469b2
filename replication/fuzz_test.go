package replication

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"confman/events/proof"
)

// smallBackup is one of ten events, and the body of its header and of its blocks.
func smallBackup(f *testing.F) (file, header, rows []byte) {
	f.Helper()
	file, err := os.ReadFile("testdata/small.backup")
	if err != nil {
		f.Fatal(err)
	}
	for at := len(BackupMagic); at < len(file); {
		size := int(binary.BigEndian.Uint32(file[at+1:]))
		switch body := file[at+5 : at+5+size]; file[at] {
		case 'H':
			header = body
		case 'B':
			rows = append(rows, body...)
		}
		at += size + 9
	}
	return file, header, rows
}

// framed is a backup with sums and a digest that are right, whatever is in it.
func framed(header, rows []byte) []byte {
	file := []byte(BackupMagic)
	frame := func(kind byte, body []byte) {
		begins := len(file)
		file = append(binary.BigEndian.AppendUint32(append(file, kind), uint32(len(body))), body...)
		file = binary.BigEndian.AppendUint32(file, crc32.Checksum(file[begins:], crc32.MakeTable(crc32.Castagnoli)))
	}
	frame('H', header)
	frame('B', rows)
	trailer, _ := json.Marshal(map[string]any{"entries": countRows(rows), "blocks": 1, "sha256": fmt.Sprintf("%x", sha256.Sum256(file))}) // cannot fail
	frame('T', trailer)
	return file
}

// countRows counts the entries of a block, up to the first that is none.
func countRows(rows []byte) (n int) {
	for len(rows) > 2 {
		rows = rows[2:]
		for _, isLength := range []bool{false, true, true} { // the index, the key, the value
			length, size := binary.Uvarint(rows)
			if size <= 0 || isLength && length > uint64(len(rows)-size) {
				return n
			}
			rows = rows[size:]
			if isLength {
				rows = rows[length:]
			}
		}
		n++
	}
	return n
}

// FuzzVerifyBackup reads files that are called backups. The sums and the digest are
// right, unless the file is taken as it is: what passes then has the history of a
// real one.
func FuzzVerifyBackup(f *testing.F) {
	file, header, rows := smallBackup(f)
	first := []byte(`cluster.formed`)
	if r := checkFramed(framed(header, rows)); !bytes.Contains(file, first) || !r.OK() {
		f.Fatalf("the backup in testdata is not what this test takes it for: %+v", r)
	}
	f.Add(file, []byte{}, true)
	f.Add([]byte(BackupMagic), []byte{}, true)
	f.Add([]byte(BackupMagic+"H\x00\x00\x00\x02{}\x00\x00\x00\x00"), []byte{}, true)
	f.Add(header, rows, false)
	for _, at := range []int{0, 1, len(rows) / 3, len(rows) / 2, len(rows) - 1} {
		flipped := bytes.Clone(rows)
		flipped[at] ^= 1
		f.Add(header, flipped, false)
		f.Add(header, rows[:at], false)
	}
	f.Fuzz(func(t *testing.T, header, rows []byte, asItIs bool) {
		file := header
		if !asItIs {
			file = framed(header, rows)
		}
		if r := checkFramed(file); r.OK() && r.Records > 0 && !bytes.Contains(file, first) {
			t.Errorf("passes: %+v", r)
		}
	})
}

func checkFramed(file []byte) proof.Report {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file)), nil }
	r, err := VerifyBackup(open, proof.Options{}, func(uint64) {})
	if err != nil { // it does not even begin as one
		r.Findings = append(r.Findings, proof.Finding{Kind: proof.Altered, Detail: err.Error()})
	}
	return r
}

// FuzzArchive reads files that lie in an archive's directory.
func FuzzArchive(f *testing.F) {
	pack := func(text string) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, text)
		_ = w.Close() // into memory
		return b.Bytes()
	}
	for _, seed := range [][]byte{
		pack(`{"format":1,"cluster":"c","from":1,"to":2}` + "\n"), pack(""), pack("{}\n{}\n"),
		{0x1f, 0x8b},
		nil, pack(strings.Repeat(" ", 1<<20)),
		append(pack("{}\n"), pack("{}\n")...),
	} {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), archiveFile{from: 1, to: 2}.name())
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if chain, err := readArchive(path, archiveFile{from: 1, to: 2}); err == nil { // two events would have to be made up
			t.Errorf("%q is whole, and ends at %v", content, chain)
		}
	})
}

// FuzzMemberCalls sends bodies to the routes for members that take one, at a node that waits for
// its cluster: it answers, in JSON, and takes an invitation that is for it only.
func FuzzMemberCalls(f *testing.F) {
	n := &Node{config: Config{Member: Member{ID: "n1", Address: "127.0.0.1:1"}, Token: "a token of sixteen", Log: zerolog.Nop()}, present: newPresent(), invited: make(chan inviteRequest, 1)}
	n.config.Questions = map[string]Answerer{"echo": func(asked []byte) (any, error) { return len(asked), nil }}
	n.identity.Store(&identity{})
	handler := n.routes()
	paths := []string{pathJoin, pathInvite, pathQuestions + "echo"}
	for i := range paths {
		for _, seed := range []string{
			`{"id":"n2","address":"127.0.0.1:2","level":4}`, `{"id":"n2","address":"127.0.0.1:2","cluster":"c","promote":true,"last":18446744073709551615}`,
			`{"node":"n1","member":"127.0.0.1:2","learner":true}`, `{"node":"n2"}`, `["a"]`, `{`, `null`, "\xff", `{"id":"n2","id":"n3"}`, `{"last":-1}`, strings.Repeat("[", 20000),
		} {
			f.Add(uint8(i), seed)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		path := paths[int(which)%len(paths)]
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)).WithContext(t.Context())
		r.Header.Set(headerToken, n.config.Token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK && (w.Code < http.StatusBadRequest || w.Code > http.StatusServiceUnavailable) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %q: %d %s", path, body, w.Code, w.Body)
		}
		select {
		case invite := <-n.invited:
			if invite.Node != "n1" {
				t.Errorf("%q invites %+v", body, invite)
			}
		default:
		}
	})
}

// canned answers every call so.
type canned struct {
	status int
	body   string
}

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: c.status, Status: http.StatusText(c.status), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(c.body))}, nil
}

// FuzzMemberAnswers reads what members, or what is there in their place, answer.
func FuzzMemberAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"node":"n2","cluster":"c","begun":true,"role":"leader","term":3,"chain":"00","members":["n1"]}`, `{"cluster":"c","voter":true}`, `{"raftIndex":7}`,
		`{"detail":"no"}`, `{`, `[]`, `null`, `{"term":-1}`, `{"peers":[{"id":"","address":""}]}`,
	} {
		f.Add(200, seed)
		f.Add(409, seed)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		a := &asker{scheme: "http", http: &http.Client{Transport: canned{status, body}}}
		for _, answer := range []any{new(peerAnswer), new(joinAnswer), new(readIndexAnswer), new(map[string]json.RawMessage)} {
			if err := a.call(t.Context(), "127.0.0.1:1", pathIdentity, nil, answer); err == nil && (status != http.StatusOK || !json.Valid([]byte(body))) {
				t.Errorf("%d %q is taken for %+v", status, body, answer)
			}
		}
	})
}
