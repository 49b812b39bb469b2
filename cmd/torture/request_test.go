package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"confman/api/wire"
)

// answer is what a node said, as it said it.
type answer struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration
}

func (a answer) decode(into any) error {
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("answer %d %.200q: %w", a.status, a.body, err)
	}
	return nil
}

func (a answer) String() string { return fmt.Sprintf("%d in %v: %.300s", a.status, a.took, a.body) }

// problem is the type of the problem that the answer is, or empty.
func (a answer) problem() string {
	var p wire.Problem
	if a.header.Get("Content-Type") != wire.MediaProblem || a.decode(&p) != nil {
		return ""
	}
	return p.Type
}

// requestTimeout is longer than a node lets anybody wait.
const requestTimeout = 10 * time.Second

// do asks one node, as admin, without following redirects or trying again.
// Headers are pairs of name and value.
func (c *cluster) do(n *node, method, path string, body any, headers ...string) (answer, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return answer{}, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, n.url()+path, bytes.NewReader(content))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", wire.MediaJSON)
	r.Header.Set(wire.HeaderAPIKey, c.key)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	began := time.Now()
	resp, err := c.http.Do(r)
	if err != nil {
		return answer{took: time.Since(began)}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if resp.StatusCode != http.StatusSwitchingProtocols { // what follows is no body, and may never end
		a.body, err = io.ReadAll(resp.Body)
	}
	a.took = time.Since(began)
	return a, err
}

func (c *cluster) get(n *node, path string) (answer, error) {
	return c.do(n, http.MethodGet, path, nil)
}

// must is do for a request that has to be answered so.
func (c *cluster) must(status int, n *node, method, path string, body any, headers ...string) answer {
	c.t.Helper()
	a, err := c.do(n, method, path, body, headers...)
	if err != nil {
		c.t.Fatalf("%s %s at %s: %v", method, path, n.id, err)
	}
	if a.status != status {
		c.t.Fatalf("%s %s at %s: want %d, got %v", method, path, n.id, status, a)
	}
	return a
}

// entryPath addresses an entry of a namespace of one segment.
func entryPath(namespace, key string) string {
	return "/api/v1/namespaces/" + namespace + "/config/" + key
}

// value is the body of a write of a string.
func value(s string) wire.PutConfig {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string can be encoded
	}
	return wire.PutConfig{Value: raw, Type: wire.TypeString}
}

// text is the string that an entry's value is.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}
