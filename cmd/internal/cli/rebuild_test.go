package cli_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"confman/api/wire"
	"confman/cmd/internal/cli"
)

// rebuilds runs rebuild; offline it is of three events.
func rebuilds(t *testing.T, environ []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	env := cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Environ: environ}
	code = cli.Run(t.Context(), append([]string{"rebuild"}, args...), env, cli.Rebuild(env, func(data string, progress func(index, last uint64)) (string, error) {
		if data != "/data" {
			return "", errors.New("no node has lived in " + data)
		}
		progress(3, 3)
		return "3-00000000", nil
	}))
	return out.String(), errs.String(), code
}

func TestNodesAreRebuiltStoppedOrRunning(t *testing.T) {
	lines := func(lines string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", wire.MediaNDJSON)
			_, _ = w.Write([]byte(lines))
		}
	}
	node := func(route http.HandlerFunc) []string {
		return newShell(t, newRoutes(t, map[string]any{"POST /api/v1/cluster/rebuild": route})).environ
	}
	const progress = `{"at":10,"to":42}` + "\n" + `{"at":42,"to":42}` + "\n"
	good := node(lines(progress + `{"node":"n2","position":"42-9f3c2a1b","seconds":1.5,"ok":true}` + "\n"))
	two := append(good, "CONFMAN_ADDR=http://127.0.0.1:1,http://127.0.0.1:2")
	tests := []struct {
		name           string
		environ        []string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"stopped", nil, []string{"--data", "/data"}, 0, "3-00000000\n", "3 events, chain verified"},
		{"elsewhere", nil, []string{"--data", "/other"}, 1, "", "no node has lived"},
		{"running", good, []string{"--online"}, 0, "42-9f3c2a1b\n", "42 events, chain verified"},
		{"failed", node(lines(progress + `{"node":"n2","ok":false,"problem":"record 7: the chain breaks"}` + "\n")), []string{"--online"}, 1, "", "node n2: record 7: the chain breaks"},
		{"cut", node(lines(progress)), []string{"--online"}, 1, "", "did not say how it ended"},
		{"several", two, []string{"--online"}, 2, "", "say which node"},
		{"neither", nil, nil, 2, "", "--data DIR"},
		{"both", good, []string{"--data", "/data", "--online"}, 2, "", "say which node"},
	}
	for _, test := range tests {
		stdout, stderr, code := rebuilds(t, test.environ, test.args...)
		if code != test.code || stdout != test.stdout || !strings.Contains(stderr, test.stderr) {
			t.Errorf("%s: exit %d, %q\n%s", test.name, code, stdout, stderr)
		}
	}
}
