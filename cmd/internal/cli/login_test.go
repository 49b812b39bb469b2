package cli_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"confman/api"
	"confman/api/apitest"
	"confman/api/identity"
	"confman/api/identity/issuertest"
	"confman/api/wire"
	"confman/cmd/internal/cli"
)

// trusting is a cluster that takes an API key, and tokens that begin with "good".
type trusting struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string // the credential of each request for whoami
}

func newTrusting(t *testing.T) *trusting {
	s := &trusting{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/whoami", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		key, token := r.Header.Get(wire.HeaderAPIKey), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		s.seen = append(s.seen, key+token)
		switch {
		case key == goodKey && token == "":
			answer(w, 200, wire.Principal{Principal: "machine"})
		case key == "" && strings.HasPrefix(token, "good"):
			answer(w, 200, wire.Principal{Principal: "ann@example.com"})
		default:
			problem(w, 401, "the token is not good")
		}
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// shell is without a key, in a home of its own.
func (s *trusting) shell(t *testing.T) (sh *shell, logins string) {
	home := t.TempDir()
	return &shell{t: t, environ: []string{"CONFMAN_ADDR=" + s.URL, "HOME=" + home}}, filepath.Join(home, ".config", "confman", "logins.json")
}

// A person logs in at an issuer, for the real API.
func TestLoginByDevice(t *testing.T) {
	t.Parallel()
	issuer := issuertest.Start(t, issuertest.Config{})
	trusted, err := identity.NewIssuer(identity.OIDCConfig{Issuer: issuer.URL, ClientID: "confman"})
	if err != nil {
		t.Fatal(err)
	}
	secret := []byte("the secret of the cluster")
	sessions, err := identity.NewSessions(identity.SessionsConfig{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	browsers, err := identity.NewLogin(identity.LoginConfig{Issuer: trusted, Sessions: sessions, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	s := apitest.NewServer(t, func(c *api.Config) { c.Identity = api.Identity{Issuer: trusted, Sessions: sessions, Login: browsers} })
	home := t.TempDir()
	sh, logins := &shell{t: t, environ: []string{"CONFMAN_ADDR=" + s.URL, "HOME=" + home}}, filepath.Join(home, ".config", "confman", "logins.json")

	// A person reads the code and enters it.
	read, write := io.Pipe()
	said := make(chan string)
	go func() {
		defer close(said)
		for lines := bufio.NewScanner(read); lines.Scan(); {
			if _, code, ok := strings.Cut(lines.Text(), "and enter the code "); ok {
				issuer.Approve(code)
			}
			said <- lines.Text()
		}
	}()
	var all []string
	done := make(chan int)
	go func() {
		code := cli.Run(t.Context(), []string{"login"}, cli.Env{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: write, Environ: sh.environ})
		write.Close()
		done <- code
	}()
	for line := range said {
		all = append(all, line)
	}
	if code := <-done; code != 0 || len(all) != 3 || !strings.HasPrefix(all[2], "logged in at "+s.URL+" as ann@example.com until 2") {
		t.Fatalf("exit %d: %q", code, all)
	}
	for path, mode := range map[string]os.FileMode{logins: 0o600, filepath.Dir(logins): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if stdout, stderr, code := sh.run("whoami"); code != 0 || !strings.Contains(stdout, "ann@example.com") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if _, stderr, code := sh.run("logout"); code != 0 || stderr != "logged out at "+s.URL+"\n" {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if _, stderr, code := sh.run("whoami"); code != 5 || !strings.Contains(stderr, "confman login") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if content, _ := os.ReadFile(logins); strings.TrimSpace(string(content)) != "{}" {
		t.Errorf("it kept %s", content)
	}
}

func TestLoginWithAToken(t *testing.T) {
	tests := []struct {
		name   string
		args   string
		stdin  string
		code   int
		stderr string // its beginning; URL is the address
	}{
		{"on the command line", "login --issuer-token good1", "", 0, "logged in at URL as ann@example.com\n"},
		{"on stdin", "login --issuer-token -", "good1\n", 0, "logged in at URL as ann@example.com\n"},
		{"that the cluster does not take", "login --issuer-token bad", "", 5, "confman: say who I am: 401"},
		{"that is none", "login --issuer-token -", "\n", 7, "confman: that is no token"},
		{"of several lines", "login --issuer-token -", "good1\nX-Evil: 1\n", 7, "confman: that is no token"},
		{"where there is no issuer", "login", "", 3, "confman: URL has no issuer to log in at; use an API key\n"},
		{"where nobody answers", "login --addr http://127.0.0.1:1", "", 6, "confman: ask where to log in: unavailable"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newTrusting(t)
			sh, logins := s.shell(t)
			sh.stdin = test.stdin
			stdout, stderr, code := sh.run(strings.Fields(test.args)...)
			want := strings.ReplaceAll(test.stderr, "URL", s.URL)
			if test.code == 5 {
				want = "confman: "
			}
			if code != test.code || stdout != "" || !strings.HasPrefix(stderr, want) {
				t.Errorf("exit %d, want %d: %s%s", code, test.code, stdout, stderr)
			}
			if strings.Contains(stderr, "good1") {
				t.Errorf("it tells the token: %s", stderr)
			}
			if _, err := os.Stat(logins); (err == nil) != (test.code == 0) {
				t.Errorf("kept: %v", err)
			}
		})
	}
}

// keep writes logins as the command keeps them.
func keep(t *testing.T, path string, logins map[string]any) {
	t.Helper()
	content, err := json.Marshal(logins)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhichCredentialIsSent(t *testing.T) {
	s, other := newTrusting(t), newTrusting(t)
	file := `
current: dev
contexts:
  dev: {addr: ` + s.URL + `, api-key: ` + goodKey + `}
  moved: {addr: ` + other.URL + `}
  more: {addr: [` + s.URL + `, ` + other.URL + `]}
  machine: {addr: ` + s.URL + `, api-key: ` + goodKey + `}
`
	forDev := map[string]any{"addr": []string{s.URL}, "token": "good-dev"}
	logins := map[string]any{"dev": forDev, "moved": forDev, "more": forDev, s.URL: map[string]any{"addr": []string{s.URL}, "token": "good-addr"}}
	tests := []struct {
		name    string
		environ []string
		args    string
		want    string // credential; empty: none
	}{
		{"the login of a context wins over its key", nil, "whoami", "good-dev"},
		{"a key on the command line wins", nil, "whoami --api-key " + goodKey, goodKey},
		{"a key in a variable wins", []string{"CONFMAN_API_KEY=" + goodKey}, "whoami", goodKey},
		{"also when the context is named", []string{"CONFMAN_API_KEY=" + goodKey}, "whoami --context dev", goodKey},
		{"another context at the same address has its own", nil, "whoami --context machine", goodKey},
		{"addresses that are given have their own", []string{"CONFMAN_ADDR=" + s.URL}, "whoami", "good-addr"},
		{"a context that was moved does not take its login along", nil, "whoami --context moved", ""},
		{"nor one that was given another address", nil, "whoami --context more", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s.seen, other.seen = nil, nil
			sh := &shell{t: t}
			path := sh.contextFile(0o600, file)
			keep(t, filepath.Join(filepath.Dir(path), "logins.json"), logins)
			for _, variable := range test.environ {
				sh.setenv(variable)
			}
			_, stderr, code := sh.run(strings.Fields(test.args)...)
			if diff := cmp.Diff([]string{test.want}, append(s.seen, other.seen...)); diff != "" || (code == 0) != (test.want != "") {
				t.Errorf("exit %d: %s(-want +got):\n%s", code, stderr, diff)
			}
		})
	}
}

func TestLoginsOfOthersAreRefused(t *testing.T) {
	s := newTrusting(t)
	sh, logins := s.shell(t)
	keep(t, logins, map[string]any{s.URL: map[string]any{"addr": []string{s.URL}, "token": "good"}})
	if err := os.Chmod(logins, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := sh.run("whoami"); code != 1 || !strings.Contains(stderr, "others may read it (mode 0640): chmod 600 it") || len(s.seen) > 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// renewing is a token endpoint: each refresh token is good once.
type renewing struct {
	*httptest.Server
	mu    sync.Mutex
	next  int
	fails int // the status with which it fails, 0 for none
}

func newRenewing(t *testing.T) *renewing {
	i := &renewing{next: 1}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		_ = r.ParseForm()
		w.Header().Set("Content-Type", "application/json")
		switch {
		case i.fails > 0:
			w.WriteHeader(i.fails)
		case r.Form.Get("grant_type") != "refresh_token" || r.Form.Get("client_id") != "me" || r.Form.Get("refresh_token") != fmt.Sprintf("refresh%d", i.next):
			w.WriteHeader(400)
			fmt.Fprint(w, `{"error":"invalid_grant","error_description":"used before"}`)
		default:
			i.next++
			claims := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, time.Now().Add(time.Hour).Unix()))
			fmt.Fprintf(w, `{"access_token":"opaque","token_type":"Bearer","expires_in":60,"id_token":"good.%s.%d","refresh_token":"refresh%d"}`, claims, i.next, i.next)
		}
	}))
	t.Cleanup(i.Close)
	return i
}

// Commands that run at once renew an expired login once between them: an issuer
// may take the second use of a refresh token for theft.
func TestAnExpiredLoginIsRenewedOnce(t *testing.T) {
	s, issuer := newTrusting(t), newRenewing(t)
	sh, logins := s.shell(t)
	keep(t, logins, map[string]any{s.URL: map[string]any{
		"addr": []string{s.URL}, "token": "old", "expiresAt": noon, "refreshToken": "refresh1", "tokenEndpoint": issuer.URL, "clientId": "me",
	}})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, stderr, code := sh.run("whoami"); code != 0 {
				t.Errorf("exit %d: %s", code, stderr)
			}
		})
	}
	group.Wait()
	if issuer.next != 2 {
		t.Errorf("renewed %d times", issuer.next-1)
	}
	var kept map[string]struct{ Token, RefreshToken string }
	content, _ := os.ReadFile(logins)
	if err := json.Unmarshal(content, &kept); err != nil || !strings.HasSuffix(kept[s.URL].Token, ".2") || kept[s.URL].RefreshToken != "refresh2" {
		t.Errorf("%v, kept %s", err, content)
	}
}

func TestALoginThatCannotBeRenewedSaysWhatToDo(t *testing.T) {
	tests := []struct {
		name    string
		refresh string
		fails   int
		code    int
		stderr  string
	}{
		{"no refresh token", "", 0, 5, "confman: the login expired at 2026-01-31T12:00:00Z by the clock of this machine; confman login\n"},
		{"refused", "stolen", 0, 5, "confman: renew the login: the issuer refused: invalid_grant: used before; confman login\n"},
		{"issuer down", "refresh1", 503, 6, "confman: renew the login: unavailable: issuer answered 503 Service Unavailable\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, issuer := newTrusting(t), newRenewing(t)
			issuer.fails = test.fails
			sh, logins := s.shell(t)
			keep(t, logins, map[string]any{s.URL: map[string]any{
				"addr": []string{s.URL}, "token": "old", "expiresAt": noon, "refreshToken": test.refresh, "tokenEndpoint": issuer.URL, "clientId": "me",
			}})
			_, stderr, code := sh.run("whoami")
			if code != test.code || !strings.HasPrefix(stderr, test.stderr) || len(s.seen) > 0 {
				t.Errorf("exit %d, want %d: %s", code, test.code, stderr)
			}
			after, _ := os.ReadFile(logins)
			if !strings.Contains(string(after), `"old"`) {
				t.Errorf("the login is lost: %s", after)
			}
		})
	}
}
