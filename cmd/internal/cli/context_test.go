package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// contextFile writes the client's configuration file and makes the shell use it.
func (s *shell) contextFile(mode os.FileMode, content string) (path string) {
	s.t.Helper()
	dir := s.t.TempDir()
	s.setenv("XDG_CONFIG_HOME=" + dir)
	path = filepath.Join(dir, "confman", "config.yaml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		s.t.Fatal(err)
	}
	return path
}

const dead = "http://127.0.0.1:1"

func TestWhereAddressKeyAndNamespaceComeFrom(t *testing.T) {
	server := newServer(t)
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte(goodKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := `
current: dev
contexts:
  dev: {addr: ` + server.URL + `, api-key: ` + goodKey + `, namespace: teams/pay}
  list: {addr: [` + dead + `, ` + server.URL + `], api-key-file: ` + keyFile + `, namespace: teams/pay}
  keyless: {addr: ` + server.URL + `, namespace: teams/pay}
  elsewhere: {addr: ` + dead + `, api-key: other}
`
	tests := []struct {
		name    string
		environ []string
		args    string
		code    int
	}{
		{"current context", nil, "get pool", 0},
		{"named by a flag; addresses and key file", nil, "get pool --context list", 0},
		{"named by a variable", []string{"CONFMAN_CONTEXT=list"}, "get pool", 0},
		{"a variable wins over the current context", []string{"CONFMAN_ADDR=" + dead}, "get pool --timeout 200ms", 6},
		{"a context on the command line wins over variables", []string{"CONFMAN_ADDR=" + dead, "CONFMAN_API_KEY=wrong", "CONFMAN_NAMESPACE=none"}, "get pool --context dev", 0},
		{"a flag wins over a context on the command line", nil, "get pool --context elsewhere -n teams/pay --addr " + server.URL + " --api-key " + goodKey, 0},
		{"the key of a context goes to no other address", []string{"CONFMAN_ADDR=" + server.URL}, "get pool", 5},
		{"nor to one on the command line", nil, "get pool --addr " + server.URL, 5},
		{"a variable gives the key that the context has not", []string{"CONFMAN_API_KEY=" + goodKey}, "get pool --context keyless", 0},
		{"a key file in the environment", []string{"CONFMAN_API_KEY_FILE=" + keyFile}, "get pool --context keyless", 0},
		{"no context of that name", nil, "get pool --context nope", 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sh := &shell{t: t}
			sh.contextFile(0o600, file)
			for _, variable := range test.environ {
				sh.setenv(variable)
			}
			stdout, stderr, code := sh.run(strings.Fields(test.args)...)
			if code != test.code || code == 0 && stdout != "1.50\n" {
				t.Errorf("exit %d, want %d: %s%s", code, test.code, stdout, stderr)
			}
		})
	}
}

func TestContextsThatCannotBeTrustedAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		mode    os.FileMode
		content string
		want    string
	}{
		"key readable by others": {0o644, "contexts: {dev: {api-key: x}}", "chmod 600"},
		"unknown setting":        {0o600, "current: dev\ncontexts:\n  dev:\n    adr: x\n", "line 4"},
		"not YAML":               {0o600, "a: [", "config.yaml"},
		"two keys":               {0o600, "current: d\ncontexts: {d: {api-key: x, api-key-file: y}}", "both"},
		"key file missing":       {0o600, "current: d\ncontexts: {d: {api-key-file: /does/not/exist}}", "/does/not/exist"},
		"current is not there":   {0o600, "current: x\ncontexts: {b: {}, a: {}}", "there are: a, b"},
	} {
		t.Run(name, func(t *testing.T) {
			sh := &shell{t: t}
			sh.contextFile(test.mode, test.content)
			if _, stderr, code := sh.run("whoami"); code == 0 || !strings.Contains(stderr, test.want) {
				t.Errorf("exit %d: %s", code, stderr)
			}
		})
	}
	sh := &shell{t: t}
	sh.contextFile(0o644, "current: d\ncontexts: {d: {addr: "+dead+"}}") // no key in it: anybody may read it
	if _, stderr, code := sh.run("whoami", "--timeout", "100ms"); code != 6 {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestContextCommands(t *testing.T) {
	sh := &shell{t: t}
	path := sh.contextFile(0o600, "# mine\ncurrent: a # now\ncontexts:\n  a:\n    addr: http://h:1,http://h:2 # two\n    api-key: secret\n  b: {}\n")
	if stdout, _, _ := sh.run("context", "list"); stdout != "CURRENT   NAME   ADDR                    NAMESPACE   KEY FROM\n*         a      http://h:1,http://h:2   -           this file\n          b      -                       -           -\n" {
		t.Errorf("list:\n%s", stdout)
	}
	if _, stderr, code := sh.run("context", "use", "b"); code != 0 || stderr != "now using context b\n" {
		t.Errorf("use: %d %s", code, stderr)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "# mine\ncurrent: b # now\ncontexts:\n  a:\n    addr: http://h:1,http://h:2 # two\n    api-key: secret\n  b: {}\n"; string(data) != want {
		t.Errorf("the file became\n%s", data)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if stdout, _, _ := sh.run("context", "show", "-o", "json"); !strings.Contains(stdout, `"name": "b"`) || strings.Contains(stdout, "secret") {
		t.Errorf("show: %s", stdout)
	}
	if _, _, code := sh.run("context", "use", "c"); code != 2 {
		t.Errorf("use of none: exit %d", code)
	}
}
