package api

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestWhoHasTheBeginningOfABackupIsSentTheRest(t *testing.T) {
	b, s := keeping(t)
	b.put("pay", "k", `"v"`)
	s.content = strings.Repeat("all of it ", 20_000)
	at := b.node.State().Position().String()
	sum := func(text string) string {
		digest := sha256.Sum256([]byte(text))
		return hex.EncodeToString(digest[:])
	}
	whole := s.content
	for name, c := range map[string]struct {
		at, span, sum string
		status        int
		body          string
	}{
		"the rest":                        {at, "bytes=70001-", sum(whole[:70_001]), 206, whole[70_001:]},
		"the last byte":                   {at, "bytes=199999-", sum(whole[:199_999]), 206, whole[199_999:]},
		"nothing is missing":              {at, "bytes=200000-", sum(whole), 206, ""},
		"as of an event, from the first":  {at, "", "", 200, whole},
		"more than there is":              {at, "bytes=200001-", sum(whole + "x"), 412, ""},
		"another beginning":               {at, "bytes=5-", sum("other"), 412, ""},
		"of the present":                  {"", "bytes=5-", sum(whole[:5]), 400, ""},
		"without a digest":                {at, "bytes=5-", "", 400, ""},
		"with half a digest":              {at, "bytes=5-", sum("")[:32], 400, ""},
		"a part":                          {at, "bytes=5-9", sum(whole[:5]), 400, ""},
		"from the first byte":             {at, "bytes=0-", sum(""), 400, ""},
		"of another history":              {"1-00000000", "", "", 409, ""},
		"of an event that nobody has yet": {"9999", "", "", 504, ""},
	} {
		asked, err := http.NewRequest(http.MethodGet, b.url+"/api/v1/cluster/backup", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		query := asked.URL.Query()
		if query.Set("wait", "10ms"); c.at != "" {
			query.Set("at", c.at)
		}
		asked.URL.RawQuery = query.Encode()
		for header, value := range map[string]string{"X-Api-Key": b.root, "Range": c.span, "X-Confman-Prefix-Sha256": c.sum} {
			if value != "" {
				asked.Header.Set(header, value)
			}
		}
		answer, err := http.DefaultClient.Do(asked)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != c.status || err != nil || c.status < 300 && string(body) != c.body {
			t.Errorf("%s: %d and %d bytes, %v, want %d and %d: %.300s", name, answer.StatusCode, len(body), err, c.status, len(c.body), body)
		}
		if from := answer.Header.Get("Content-Range"); c.status == 206 && !strings.HasPrefix(from, c.span[:5]+" "+c.span[6:]) {
			t.Errorf("%s: Content-Range %q", name, from)
		}
	}
	b.do("HEAD", "/api/v1/cluster/backup", nil).is(200)
}
