package cli_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
)

// Who names an event that has not come is told so, in the words of the server, once.
func TestAnEventThatHasNotComeIsSaidToHaveNotCome(t *testing.T) {
	for _, args := range []string{
		"get pay a --at 9999", "list pay --at 9999-00000000", "explain pay a --at 9999", "export pay --at 9999", "diff pay@9999 pay",
		"audit query --after 9999", "audit query --after 9999 -o csv", "audit replay --from 9999", "audit replay --to 9999",
		"audit export --to 9999 -", "audit proof 9999", "bisect --good 9999 pay -- true",
	} {
		asked := 0
		s := newRoutes(t, map[string]any{
			"GET /api/v1/audit/checkpoints": []wire.Checkpoint{},
			"/": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				w.Header().Set("Content-Type", wire.MediaProblem)
				w.WriteHeader(http.StatusGatewayTimeout)
				fmt.Fprintf(w, `{"type":%q,"title":"Not caught up","detail":"event 9999, this node stands at 7","index":7}`, wire.ProblemNotCaughtUp)
			}),
		})
		_, stderr, code := newShell(t, s).run(strings.Fields(args)...)
		if code != 6 || asked != 1 || !strings.Contains(stderr, "event 9999, this node stands at 7") {
			t.Errorf("%s: exit %d, asked %d times: %s", args, code, asked, stderr)
		}
	}
}

func TestTheEndOfAQueryMayBeYetToCome(t *testing.T) {
	admin, _ := trail(t)
	began := time.Now()
	all, _ := admin.asked("--limit", "0")
	for _, flag := range []string{"--until", "--before"} {
		if found, _ := admin.asked("--limit", "0", flag, "9999"); len(found) != len(all) {
			t.Errorf("%s 9999: %d events, want %d", flag, len(found), len(all))
		}
	}
	if took := time.Since(began); took > 4*time.Second { // a node waits 5 s for an event
		t.Errorf("it took %v", took)
	}
}
