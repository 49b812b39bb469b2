package cli

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"confman/replication"
)

// Another member is found whether or not it speaks TLS; what speaks something
// else, or is slow, is none.
func TestOtherMembersAreAskedWhateverTheySpeak(t *testing.T) {
	ready := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health/ready" {
			t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":"not-ready","cluster":{"role":"follower","leaderKnown":true},"eventIndex":42}`))
	})
	plain, secure := httptest.NewServer(ready), httptest.NewTLSServer(ready)
	secure.Config.ErrorLog = nil
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	for _, s := range []*httptest.Server{plain, secure, page} {
		defer s.Close()
	}
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	at := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	others := askOthers(t.Context(), []otherMember{
		{ID: "plain", Address: at(plain)}, {ID: "secure", Address: at(secure)}, {ID: "page", Address: at(page)}, {ID: "gone", Address: gone.Addr().String()},
	})
	for _, m := range others {
		member := m.ID == "plain" || m.ID == "secure"
		if m.Answers != member || m.LeaderKnown != member || member && m.EventIndex != 42 || member == (m.Error != "") {
			t.Errorf("%+v", m)
		}
	}
	if newestEvent(others) != 42 || !strings.Contains(others[3].line(), "refused") {
		t.Errorf("newest %d; %s", newestEvent(others), others[3].line())
	}
}

func TestTheOthersJoinAnAddressThatTheyCanReach(t *testing.T) {
	done := replication.Recovered{Member: replication.Member{ID: "n3", Address: "127.0.0.1:6103"}}
	for want, secure := range map[string]bool{"--join http://127.0.0.1:6103": false, "--join https://127.0.0.1:6103": true} {
		done.TLS = secure
		if join := nextSteps(done, "d")[1]; !strings.HasSuffix(join, want) {
			t.Errorf("%q, want %q", join, want)
		}
	}
}

func TestRecoveryNeedsADirectoryThatANodeHasLivedIn(t *testing.T) {
	for want, args := range map[int][]string{
		ExitUsage:   {"cluster", "recover"},
		ExitFailure: {"cluster", "recover", "--data", t.TempDir(), "--accept-data-loss"},
	} {
		var stderr strings.Builder
		if code := Run(t.Context(), args, Env{Stdout: io.Discard, Stderr: &stderr}); code != want {
			t.Errorf("confman %v: code %d, want %d: %s", args, code, want, &stderr)
		}
	}
}
