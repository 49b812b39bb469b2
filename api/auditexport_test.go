package api

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/oklog/ulid/v2"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
)

func TestCSVHasItsBytes(t *testing.T) {
	b := newBench(t)
	b.do("PUT", entryPath("pay", "a"), `{"value":"x, \"y\"\r\nz","comment":"=1+1"}`, "X-Correlation-Id: c-1").is(201)
	b.do("PUT", entryPath("pay", "a"), `{"value":""}`, "X-Correlation-Id: c-2").is(200)
	b.do("PUT", entryPath("pay", "a"), `{"value":-5}`, "X-Correlation-Id: c-3").is(200)
	b.do("DELETE", entryPath("pay", "a"), nil, "X-Correlation-Id: -c").is(204)
	r := b.do("GET", "/api/v1/namespaces/pay/audit?action=config.*&order=asc", nil, "Accept: text/csv").is(200)
	if got := r.header.Get("Content-Type"); got != "text/csv; charset=utf-8; header=present" {
		t.Errorf("content type %s", got)
	}
	want := csvHead
	for i, rest := range []string{
		`config.created,ana,pay,a,,"x, ""y""` + "\r\n" + `z",1,'=1+1,,%s,c-1,`,
		`config.updated,ana,pay,a,"x, ""y""` + "\r\n" + `z","",2,,,%s,c-2,`,
		`config.updated,ana,pay,a,"",-5,3,,,%s,c-3,`,
		`config.deleted,ana,pay,a,-5,,4,,,%s,'-c,`,
	} {
		e := decodeAs[[]wire.AuditEvent](b.do("GET", fmt.Sprintf("/api/v1/audit?order=asc&after=%d", i+3), nil))[0]
		want += fmt.Sprintf("%d,%s,%s,", e.Index, e.Position, e.Timestamp.Format("2006-01-02T15:04:05.999999999Z07:00"))
		want += fmt.Sprintf(rest, e.Transaction) + e.ID + ",\r\n"
	}
	if r.body != want {
		t.Errorf("%s\nwant\n%s", r.body, want)
	}
}

// What a spreadsheet makes of a cell is text or a number, and the text can be had
// back. A CSV reader of others reads what was meant.
func TestCellsAreTextAndNothingElse(t *testing.T) {
	for _, text := range []string{
		"a", "", " a ", "=cmd|' /C calc'!A0", "+1", "-1", "-1.5e3", "-1+1", "@x", "\tx", "\t[1]", "\t1", "\nx", "\r", "'", "'=x", "-", "01", `"`, `""`, "a,b", "ü\u2028", "x=",
	} {
		line := appendCSV(nil, wire.AuditEvent{NewValue: &text, Provenance: wire.Provenance{Index: 1, ID: "id"}})
		cells, err := csv.NewReader(strings.NewReader(string(line))).Read()
		if err != nil || len(cells) != strings.Count(csvHead, ",")+1 || cells[14] != "id" {
			t.Errorf("%q: %q, %v", text, cells, err)
			continue
		}
		cell := cells[8]
		_, number := strconv.ParseFloat(cell, 64)
		if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") && (number != nil || cell[0] == '+') {
			t.Errorf("%q is a formula", cell)
		}
		if back, read := strings.TrimPrefix(cell, "'"), strings.ReplaceAll(text, "\r\n", "\n"); back != read {
			t.Errorf("%q is read back as %q", text, back)
		}
	}
}

// trimming is a reader that does something whenever a history is asked for, and
// knows how many are held.
type trimming struct {
	Reader
	held atomic.Int64
	asks atomic.Int64
	do   func(ask int64)
}

func (r *trimming) History(index uint64) (*projections.History, func()) {
	if r.do != nil {
		r.do(r.asks.Add(1))
	}
	h, release := r.Reader.History(index)
	r.held.Add(1)
	return h, func() { r.held.Add(-1); release() }
}

// exporter is a bench with much to export, on a connection of its own. Its values
// are larger than all that is collected before the first write.
func exporter(t *testing.T, reader *trimming) (b *bench, url string) {
	b = newBench(t)
	for i := range 200 {
		c := events.PutEntry{Namespace: "pay", Key: "a", Value: []byte(`"` + strconv.Itoa(i) + strings.Repeat("x", 4<<10) + `"`)}
		if _, err := b.node.Submit(t.Context(), c, events.Stamp{Time: moment, ID: ulid.Make(), Actor: "ana"}); err != nil {
			t.Fatal(err)
		}
	}
	reader.Reader = b.server.Reader
	b.server.Reader = reader
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.server.ServeHTTP(&watched{w, t, reader}, r)
	}))
	t.Cleanup(listening.Close)
	return b, listening.URL
}

// watched is an answer during whose writing no history is held.
type watched struct {
	http.ResponseWriter
	t      *testing.T
	reader *trimming
}

func (w *watched) Write(p []byte) (int, error) {
	if n := w.reader.held.Load(); n != 0 {
		w.t.Errorf("%d histories are held while the answer is written", n)
	}
	if len(p) > 2*exportBuffer {
		w.t.Errorf("%d bytes are written at once", len(p))
	}
	return w.ResponseWriter.Write(p)
}

func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func export(t *testing.T, b *bench, url, accept string) (body string, err error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Api-Key", b.root)
	request.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	return string(read), err
}

func TestAnExportIsWholeAndHoldsNoHistory(t *testing.T) {
	reader := &trimming{}
	b, url := exporter(t, reader)
	for _, query := range []string{"", "namespace=pay&key=a", "namespace=pay&actor=ana", "action=config.*"} {
		for _, order := range []string{"asc", "desc"} {
			body, err := export(t, b, url+"/api/v1/audit?after=3&order="+order+"&"+query, wire.MediaNDJSON)
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for line := range strings.Lines(body) {
				got = append(got, auditIndex(decodeAs[wire.AuditEvent](reply{t: t, body: line})))
			}
			for i := 4; i <= 203; i++ {
				want = append(want, strconv.Itoa(i))
			}
			if order == "desc" {
				slices.Reverse(want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s %s: %v", query, order, got)
			}
		}
	}
}

// An export that the horizon overtakes is cut, so that nobody takes what arrived
// for the whole; what comes before it is no matter.
func TestAnExportThatRetentionOvertakesIsCut(t *testing.T) {
	for _, test := range []struct {
		query string
		to    uint64
		whole bool
	}{
		{"order=asc", 190, false},
		{"order=asc&namespace=pay&key=a", 190, false},
		{"order=desc", 10, false},
		{"order=asc&after=180", 170, true},
		{"order=desc&after=100", 90, true},
	} {
		for _, accept := range []string{wire.MediaNDJSON, wire.MediaCSV} {
			reader := &trimming{}
			b, url := exporter(t, reader)
			reader.do = func(ask int64) {
				if ask == 6 { // two for the bounds, two for each stretch
					reader.do = nil
					b.trim(test.to)
				}
			}
			body, err := export(t, b, url+"/api/v1/audit?"+test.query, accept)
			if (err == nil) != test.whole || len(body) == 0 {
				t.Errorf("%s, %s: %d bytes, %v", test.query, accept, len(body), err)
			}
		}
	}
}
