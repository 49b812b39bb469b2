package server

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"confman/api/client"
	"confman/api/wire"
)

// denied are the rows of a node that a query selects, newest first.
func (c *started) denied(n *node, q client.DeniedQuery) (rows []wire.Denied) {
	c.t.Helper()
	for d, err := range c.sdk(adminKey, n).Denied(c.t.Context(), q) {
		if err != nil {
			c.t.Fatal(err)
		}
		rows = append(rows, d)
	}
	return rows
}

func TestANodeKeepsWhatItRefused(t *testing.T) {
	c := start(t, 1, func(o *Options) { o.Denials.Reads = readsSecretRefs })
	n := c.nodes[0]
	ann := "X-Api-Key: " + c.key("ann", "pay", "viewer")
	admin := "X-Api-Key: " + adminKey
	c.do("PUT", n.url+"/api/v1/namespaces/pay/config/token", `{"value":"vault://a","type":"secret-ref"}`, admin).is(t, 201)
	c.do("GET", n.url+"/api/v1/keys", "", "X-Api-Key: a-guess").is(t, 401)
	c.do("GET", n.url+"/api/v1/cluster", "", ann).is(t, 403)
	c.do("GET", n.url+"/internal/v1/identity", "", "X-Confman-Token: a-guess").is(t, 401)
	c.do("GET", n.url+"/api/v1/namespaces/pay/config/token", "", ann).is(t, 200)
	check := func() {
		t.Helper()
		rows := c.denied(n, client.DeniedQuery{})
		var told []string
		for _, d := range rows {
			told = append(told, fmt.Sprintf("%s %d %s %s%s %s", d.Reason, d.Status, d.Method, d.Path, d.Principal, d.Node))
		}
		want := []string{
			"read 200 GET /api/v1/namespaces/pay/config/tokenann n1", "unauthenticated 401 GET /internal/v1/identity n1",
			"forbidden 403 GET /api/v1/clusterann n1", "unauthenticated 401 GET /api/v1/keys n1",
		}
		if fmt.Sprint(told) != fmt.Sprint(want) {
			t.Errorf("rows are\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
		}
	}
	check()
	c.do("GET", n.url+"/metrics", "").is(t, 200, `confman_denied_total{reason="forbidden"} 1`, `confman_denied_total{reason="unauthenticated"} 2`,
		`confman_denied_total{reason="read"} 1`, "confman_denied_lost_total 0", "confman_denied_write_errors_total 0", "confman_denied_log_bytes ")
	files, err := filepath.Glob(filepath.Join(n.options.Node.Data, "denied", "*.ndjson"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files are %v, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil || strings.Contains(string(content), "guess") || strings.Contains(string(content), "vault://") {
		t.Errorf("the file holds %s, %v", content, err)
	}
	c.stop(n)
	c.run(n)
	c.ready()
	check()
}

func TestANodeThatCannotKeepDenialsDoesNotStart(t *testing.T) {
	c := start(t, 1, nil)
	n := c.nodes[0]
	c.stop(n)
	dir := filepath.Join(n.options.Node.Data, "denied")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Start(n.options, Env{Stdout: io.Discard, Log: zerolog.Nop(), Fatal: func(err error) { t.Error(err) }}); err == nil || !strings.Contains(err.Error(), "log of denials") {
		t.Fatalf("started with %v, %v", s, err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	c.run(n) // the first attempt left nothing open
	c.ready()
	if c.do("GET", n.url+"/health", "").status != http.StatusOK {
		t.Error("it does not serve")
	}
}

func TestDenialOptionsAreJudged(t *testing.T) {
	for _, tt := range []struct {
		o    DenialOptions
		says string
	}{
		{DenialOptions{}, ""},
		{DenialOptions{Bytes: 1 << 20, Reads: readsAll}, ""},
		{DenialOptions{Bytes: 1000}, "--denied-log-bytes"},
		{DenialOptions{Reads: "some"}, "--audit-reads"},
	} {
		if err := tt.o.validate(); (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v", tt.o, err)
		}
	}
}
