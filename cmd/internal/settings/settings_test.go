package settings_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"confman/cmd/internal/settings"
)

// server is what the flags of these tests fill.
type server struct {
	flags    *pflag.FlagSet
	data     string
	forward  bool
	election time.Duration
	limit    settings.Size
	entries  int
	peers    []string
	origins  []string
	apiKey   string
}

func newServer(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{flags: pflag.NewFlagSet("serve", pflag.ContinueOnError), limit: 1 << 20}
	s.flags.String("config", "", "")
	s.flags.StringVar(&s.data, "data", "/var/lib/confman", "")
	s.flags.BoolVar(&s.forward, "forward", false, "")
	s.flags.DurationVar(&s.election, "election-timeout", 200*time.Millisecond, "")
	s.flags.Var(&s.limit, "max-value-bytes", "")
	s.flags.IntVar(&s.entries, "retention-events", 0, "")
	s.flags.StringSliceVar(&s.peers, "peers", nil, "")
	s.flags.StringArrayVar(&s.origins, "cors-origin", nil, "")
	s.flags.StringVar(&s.apiKey, "api-key", "", "")
	s.flags.BoolP("help", "h", false, "")
	settings.MarkSecret(s.flags, "api-key")
	if err := s.flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return s
}

// write puts content into a file of its own and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlagBeatsVariableBeatsFileBeatsDefault(t *testing.T) {
	path := write(t, "confman.yaml", "data: from-file\n")
	for _, c := range []struct {
		name    string
		args    []string
		environ []string
		file    string
		want    string
		from    string
	}{
		{name: "default", want: "/var/lib/confman", from: "default"},
		{name: "file", file: path, want: "from-file", from: path + ":1"},
		{name: "variable", file: path, environ: []string{"CONFMAN_DATA=from-env"}, want: "from-env", from: "env CONFMAN_DATA"},
		{name: "empty variable", file: path, environ: []string{"CONFMAN_DATA="}, want: "from-file", from: path + ":1"},
		{name: "flag", args: []string{"--data=from-flag"}, file: path, environ: []string{"CONFMAN_DATA=from-env"}, want: "from-flag", from: "flag"},
		{name: "flag that says the default", args: []string{"--data=/var/lib/confman"}, file: path, want: "/var/lib/confman", from: "flag"},
		{name: "file named by a variable", environ: []string{"CONFMAN_CONFIG=" + path}, want: "from-file", from: path + ":1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t, c.args...)
			loaded, err := settings.Load(s.flags, c.environ, c.file)
			if err != nil {
				t.Fatal(err)
			}
			if s.data != c.want {
				t.Errorf("data is %q, want %q", s.data, c.want)
			}
			if o := origin(loaded, "data"); o.Value != c.want || o.From != c.from {
				t.Errorf("origin is %+v, want value %q from %q", o, c.want, c.from)
			}
			if changed := s.flags.Changed("data"); changed != (c.from != "default") {
				t.Errorf("Changed is %v for a value from %s", changed, c.from)
			}
		})
	}
}

func TestEveryKindOfFlagIsReadFromFileAndVariable(t *testing.T) {
	want := server{
		data: "/d", forward: true, election: 3 * time.Second, limit: 5 << 20, entries: 7,
		peers: []string{"n1=a:1", "n2=b:2"}, origins: []string{"https://a,b", "https://c"}, apiKey: "k",
	}
	check := func(t *testing.T, s *server, environ []string, file string) {
		t.Helper()
		if _, err := settings.Load(s.flags, environ, file); err != nil {
			t.Fatal(err)
		}
		s.flags = nil
		if d := cmp.Diff(want, *s, cmp.AllowUnexported(server{})); d != "" {
			t.Error(d)
		}
	}
	t.Run("file", func(t *testing.T) {
		check(t, newServer(t), nil, write(t, "c.yaml", `# the server
data: /d
forward: true
election-timeout: 3s
max-value-bytes: 5MiB
retention-events: 7
peers: [n1=a:1, n2=b:2]
cors-origin:
  - https://a,b     # one origin, whatever its comma
  - https://c
api-key: k
`))
	})
	t.Run("variables", func(t *testing.T) {
		want.origins = []string{"https://a,b"}
		check(t, newServer(t), []string{
			"CONFMAN_DATA=/d", "CONFMAN_FORWARD=true", "CONFMAN_ELECTION_TIMEOUT=3s", "CONFMAN_MAX_VALUE_BYTES=5MiB",
			"CONFMAN_RETENTION_EVENTS=7", "CONFMAN_PEERS=n1=a:1,n2=b:2", "CONFMAN_CORS_ORIGIN=https://a,b", "CONFMAN_API_KEY=k",
			"PATH=/bin", "confman_data=ours only in capitals",
		}, "")
	})
}

func TestListFromFileReplacesTheDefault(t *testing.T) {
	flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
	list := flags.StringSlice("addr", []string{"http://default"}, "")
	if _, err := settings.Load(flags, nil, write(t, "c.yaml", "addr: []\n")); err != nil {
		t.Fatal(err)
	}
	if !flags.Changed("addr") {
		t.Error("a list from the file does not count as set")
	}
	if len(*list) != 0 {
		t.Errorf("addr is %q after an empty list", *list)
	}
}

func TestMistakesSayWhereTheyAreAndWhatWasExpected(t *testing.T) {
	secret := write(t, "key", "k\n")
	for _, c := range []struct {
		name    string
		file    string
		environ []string
		want    []string // the error's lines, FILE standing for the path
	}{
		{"unknown in file", "data: x\n\n\ndta: y\n", nil, []string{`FILE:4: unknown setting "dta"; did you mean "data"?`}},
		{"underscores", "max_value_bytes: 5\n", nil, []string{`FILE:1: unknown setting "max_value_bytes"; did you mean "max-value-bytes"?`}},
		{"nothing near", "colour: red\n", nil, []string{`FILE:1: unknown setting "colour"`}},
		{"secret's file name", "api-key-fil: x\n", nil, []string{`FILE:1: unknown setting "api-key-fil"; did you mean "api-key-file"?`}},
		{"only secrets have files", "data-file: x\n", nil, []string{`FILE:1: unknown setting "data-file"`}},
		{"unknown variable", "", []string{"CONFMAN_DTA=y"}, []string{`env CONFMAN_DTA: unknown setting; did you mean "CONFMAN_DATA"?`}},
		{"small letters", "", []string{"CONFMAN_data=y"}, []string{`env CONFMAN_data: unknown setting; did you mean "CONFMAN_DATA"?`}},
		{"help", "help: true\n", []string{"CONFMAN_HELP=1"}, []string{`env CONFMAN_HELP: unknown setting`, `FILE:1: unknown setting "help"`}},
		{"config in file", "config: other.yaml\n", nil, []string{`FILE:1: setting "config": a settings file cannot name another one`}},
		{"twice in file", "data: x\nforward: true\ndata: y\n", nil, []string{`FILE:3: setting "data" is given twice, first at FILE:1`}},
		{"secret twice", "", []string{"CONFMAN_API_KEY=k", "CONFMAN_API_KEY_FILE=" + secret}, []string{`env CONFMAN_API_KEY_FILE: setting "api-key" is given twice, also by env CONFMAN_API_KEY: unset one`}},
		{"secret's file missing", "", []string{"CONFMAN_API_KEY_FILE=/nowhere/key"}, []string{`env CONFMAN_API_KEY_FILE: setting "api-key": open /nowhere/key: no such file or directory`}},
		{"duration", "election-timeout: 200\n", nil, []string{`FILE:1: setting "election-timeout" is "200": expected a duration such as 200ms, 5s or 24h (time: missing unit in duration "200")`}},
		{"size", "", []string{"CONFMAN_MAX_VALUE_BYTES=1 Mb/s"}, []string{`env CONFMAN_MAX_VALUE_BYTES: setting "max-value-bytes" is "1 Mb/s": expected a size such as 1048576, 256MiB or 1GB (size "1 Mb/s" has the unit "Mb/s", want B, kB, MB, GB, TB, KiB, MiB, GiB or TiB)`}},
		{"bool", "forward: yes\n", nil, []string{`FILE:1: setting "forward" is "yes": expected true or false (strconv.ParseBool: parsing "yes": invalid syntax)`}},
		{"number", "", []string{"CONFMAN_RETENTION_EVENTS=many"}, []string{`env CONFMAN_RETENTION_EVENTS: setting "retention-events" is "many": expected a whole number (strconv.ParseInt: parsing "many": invalid syntax)`}},
		{"null", "data:\n", nil, []string{`FILE:1: setting "data": has no value; remove the line to get the default`}},
		{"list for one value", "data: [a, b]\n", nil, []string{`FILE:1: setting "data" is ["a" "b"]: expected a string (one value, not a list)`}},
		{"mapping", "data: {a: b}\n", nil, []string{`FILE:1: setting "data": expected one value, not a mapping; settings are flat`}},
		{"alias", "data: &d x\nmax-value-bytes: *d\n", nil, []string{`FILE:2: setting "max-value-bytes": expected one value; aliases are not supported`}},
		{"list of lists", "peers:\n  - [a]\n", nil, []string{`FILE:1: setting "peers": line 2: a list holds plain values only`}},
		{"not a mapping", "\n- data\n", nil, []string{`FILE:2: expected settings, one a line: NAME: VALUE`}},
		{"second document", "data: x\n---\ndata: y\n", nil, []string{`FILE:2: a settings file is one YAML document, here begins a second`}},
		{"all at once", "dta: x\nforward: maybe\n", []string{"CONFMAN_PERS=x"}, []string{
			`env CONFMAN_PERS: unknown setting; did you mean "CONFMAN_PEERS"?`,
			`FILE:1: unknown setting "dta"; did you mean "data"?`,
			`FILE:2: setting "forward" is "maybe": expected true or false (strconv.ParseBool: parsing "maybe": invalid syntax)`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, "confman.yaml", c.file)
			_, err := settings.Load(newServer(t).flags, c.environ, path)
			if err == nil {
				t.Fatal("no error")
			}
			got := strings.Split(strings.ReplaceAll(err.Error(), path, "FILE"), "\n")
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestBrokenFileIsAnErrorThatNamesIt(t *testing.T) {
	for name, content := range map[string]string{
		"not YAML":       "data: [x\n",
		"not UTF-8":      "data: \xff\n",
		"too large":      strings.Repeat("# filler\n", 200_000),
		"broken further": "data: x\n--- [\n",
	} {
		path := write(t, "confman.yaml", content)
		if _, err := settings.Load(newServer(t).flags, nil, path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := settings.Load(newServer(t).flags, nil, "/nowhere/confman.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestEmptyFileSaysNothing(t *testing.T) {
	for _, content := range []string{"", "# nothing yet\n", "---\n", "null\n", "{}\n"} {
		s := newServer(t)
		if _, err := settings.Load(s.flags, nil, write(t, "c.yaml", content)); err != nil {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestSecretComesFromItsFileWithoutItsLastNewline(t *testing.T) {
	for content, want := range map[string]string{
		"s3cret\n": "s3cret", "s3cret\r\n": "s3cret", "s3cret": "s3cret", "s3cret\n\n": "s3cret\n", " s3 ": " s3 ",
	} {
		key := write(t, "key", content)
		for _, environ := range [][]string{{"CONFMAN_API_KEY_FILE=" + key}, nil} {
			s, file := newServer(t), ""
			if environ == nil {
				file = write(t, "c.yaml", "api-key-file: "+key+"\n")
			}
			loaded, err := settings.Load(s.flags, environ, file)
			if err != nil {
				t.Fatal(err)
			}
			if s.apiKey != want {
				t.Errorf("key from %q is %q, want %q", content, s.apiKey, want)
			}
			if o := origin(loaded, "api-key"); o.Value != "********" || !strings.HasSuffix(o.From, " ("+key+")") {
				t.Errorf("origin is %+v", o)
			}
		}
	}
}

// rejecting is a flag that refuses everything, quoting it.
type rejecting struct{}

func (rejecting) String() string     { return "" }
func (rejecting) Type() string       { return "token" }
func (rejecting) Set(s string) error { return &os.PathError{Op: "parse", Path: s, Err: os.ErrInvalid} }

func TestSecretIsNeverShown(t *testing.T) {
	const secret = "hunter2-hunter2"
	s := newServer(t)
	loaded, err := settings.Load(s.flags, []string{"CONFMAN_API_KEY=" + secret}, "")
	if err != nil {
		t.Fatal(err)
	}
	if o := origin(loaded, "api-key"); o.Value != "********" {
		t.Errorf("origin shows %q", o.Value)
	}
	if o := origin(loaded, "data"); o.Value != s.data {
		t.Errorf("data is shown as %q", o.Value)
	}

	flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
	flags.Var(rejecting{}, "token", "")
	settings.MarkSecret(flags, "token")
	key := write(t, "key", secret)
	for _, environ := range []string{"CONFMAN_TOKEN=" + secret, "CONFMAN_TOKEN_FILE=" + key} {
		_, err = settings.Load(flags, []string{environ}, "")
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("error for a secret: %v", err)
		}
	}
}

func TestNamesOfOtherCommandsArePassedOver(t *testing.T) {
	client := pflag.NewFlagSet("get", pflag.ContinueOnError)
	client.String("namespace", "", "")
	client.String("token", "", "")
	settings.MarkSecret(client, "token")
	others := settings.Names(client)
	if want := []string{"namespace", "token", "token-file"}; !slices.Equal(others, want) {
		t.Fatalf("names are %q, want %q", others, want)
	}
	file := write(t, "c.yaml", "namespace: pay\ndata: x\n")
	s := newServer(t)
	if _, err := settings.Load(s.flags, []string{"CONFMAN_NAMESPACE=pay", "CONFMAN_TOKEN_FILE=/nowhere"}, file, others...); err != nil {
		t.Fatal(err)
	}
	if s.data != "x" {
		t.Errorf("data is %q", s.data)
	}
}

func TestServiceVariablesOfKubernetesAreNobodysMistake(t *testing.T) {
	injected := []string{
		"CONFMAN_SERVICE_HOST=10.0.0.11", "CONFMAN_SERVICE_PORT=6100", "CONFMAN_SERVICE_PORT_HTTP=6100",
		"CONFMAN_PORT=tcp://10.0.0.11:6100", "CONFMAN_PORT_6100_TCP=tcp://10.0.0.11:6100",
		"CONFMAN_PORT_6100_TCP_PROTO=tcp", "CONFMAN_PORT_6100_TCP_PORT=6100", "CONFMAN_PORT_6100_TCP_ADDR=10.0.0.11",
		"CONFMAN_CLIENT_SERVICE_HOST=10.0.0.12", "CONFMAN_CLIENT_PORT=tcp://10.0.0.12:6100",
	}
	if _, err := settings.Load(newServer(t).flags, injected, ""); err != nil {
		t.Error(err)
	}
	if _, err := settings.Load(newServer(t).flags, []string{"CONFMAN_PORT=6100"}, ""); err == nil {
		t.Error("CONFMAN_PORT=6100, which no service writes, is accepted")
	}
}

func TestOriginsAreSortedAndLeaveHelpOut(t *testing.T) {
	s := newServer(t, "--forward")
	s.flags.SortFlags = false
	loaded, err := settings.Load(s.flags, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range loaded.Origins() {
		names = append(names, o.Name)
	}
	want := []string{"api-key", "config", "cors-origin", "data", "election-timeout", "forward", "max-value-bytes", "peers", "retention-events"}
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
	rest := settings.Without(loaded.Origins(), want[1:]...)
	if len(rest) != 1 || rest[0].Name != want[0] || len(loaded.Origins()) != len(want) {
		t.Errorf("without the others there is %v", rest)
	}
}

func origin(s *settings.Settings, name string) settings.Origin {
	for _, o := range s.Origins() {
		if o.Name == name {
			return o
		}
	}
	return settings.Origin{}
}
