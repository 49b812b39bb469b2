package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"confman/cmd/internal/cli"
)

// one returns the only finding, as "result: found - do".
func one(t *testing.T, found []finding) string {
	t.Helper()
	if len(found) != 1 {
		t.Fatalf("%d findings: %+v", len(found), found)
	}
	f := found[0]
	if (f.result == cli.CheckOK) != (f.do == "") {
		t.Errorf("%+v: what is wrong, and only that, says what to do", f)
	}
	return fmt.Sprintf("%s: %s - %s", f.result, f.found, f.do)
}

func TestWhatDoctorMakesOfFigures(t *testing.T) {
	const hard = 256 << 20
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	cert := func(from, until time.Duration) []finding {
		leaf := &x509.Certificate{NotBefore: now.Add(from), NotAfter: now.Add(until), DNSNames: []string{"n1.example"}}
		return judgeCertificate("--tls-cert", tls.Certificate{Leaf: leaf}, "n1.example:6100", nil, now)
	}
	other := judgeCertificate("--tls-cert", tls.Certificate{Leaf: &x509.Certificate{NotBefore: now, NotAfter: now.Add(time.Hour), DNSNames: []string{"n1.example"}}}, "n2.example:6100", nil, now)
	const day = 24 * time.Hour
	tests := map[string]struct {
		found []finding
		want  string
	}{
		"space enough":           {judgeSpace(2*hard, hard), "ok: 512 MiB are free, the alarm is at 512 MiB"},
		"space at the soft mark": {judgeSpace(2*hard-1, hard), "warn: 511 MiB are free, with less than 512 MiB a node does not lead"},
		"space at the hard mark": {judgeSpace(hard-1, hard), "FAIL: 255 MiB are free, with less than --min-free-bytes (256 MiB) writes are refused"},
		"space for no start":     {judgeSpace(hard/2-1, hard), "FAIL: 127 MiB are free, a node does not start with less than 128"},
		"nfs":                    {judgeFileSystem(unix.NFS_SUPER_MAGIC), "warn: the data is on a network or FUSE"},
		"tmpfs":                  {judgeFileSystem(unix.TMPFS_MAGIC), "warn: the data is in memory"},
		"overlay":                {judgeFileSystem(unix.OVERLAYFS_SUPER_MAGIC), "warn: the data is in a container's own layer"},
		"ext4":                   {judgeFileSystem(unix.EXT4_SUPER_MAGIC), "ok: "},
		"any other":              {judgeFileSystem(0x2fc12fc1), "ok: of type 0x2fc12fc1"},
		"files enough":           {judgeDescriptors(8192), "ok: "},
		"files few":              {judgeDescriptors(1024), "warn: 1024 open files are few"},
		"files too few":          {judgeDescriptors(256), "FAIL: 256 open files are too few"},
		"clock synchronized":     {judgeClock(unix.TIME_OK, 0, 1500*time.Microsecond), "ok: synchronized, off by 2ms"},
		"clock not":              {judgeClock(unix.TIME_ERROR, unix.STA_UNSYNC, 0), "warn: nothing synchronizes"},
		"certificate good":       {cert(-day, 80*day), "ok: --tls-cert is good for 80 days"},
		"certificate late":       {cert(-80*day, 10*day), "warn: --tls-cert expires in 10 days"},
		"certificate of a day":   {cert(-10*time.Hour, 14*time.Hour), "ok: --tls-cert is good for 14 hours"},
		"certificate expired":    {cert(-day, -time.Second), "FAIL: --tls-cert has expired at 2026-11-23T08:59:59Z"},
		"certificate to come":    {cert(time.Hour, day), "FAIL: --tls-cert is not good before 2026-11-23T10:00:00Z"},
		"certificate of another": {other, "FAIL: --tls-cert is not for n2.example"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := one(t, test.found); !strings.HasPrefix(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// examined is what doctor finds about settings, the checks of the machine left out.
func examined(t *testing.T, change func(o *Options, dir string)) map[string]string {
	t.Helper()
	dir := t.TempDir()
	o := Options{}
	o.Flags(pflag.NewFlagSet("serve", pflag.ContinueOnError)) // the defaults
	o.Node = NodeOptions{ID: "n1", Listen: freePort(t), Data: filepath.Join(dir, "data")}
	o.Members.TokenFile = filepath.Join(dir, "token")
	if err := os.WriteFile(o.Members.TokenFile, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	change(&o, dir)
	found := map[string]string{}
	x := examination{options: &o, now: time.Now(), whole: true}
	for _, c := range x.all(t.Context()) {
		if !slices.Contains([]string{"space", "file system", "descriptors", "clock"}, c.Name) {
			found[c.Name] += c.Result + ": " + c.Found + " - " + c.Do + "\n"
		}
	}
	return found
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestDoctorNamesEachMistakeInSettings(t *testing.T) {
	stranger, err := net.Listen("tcp", "127.0.0.1:0") // answers nothing
	if err != nil {
		t.Fatal(err)
	}
	stranger.Close()
	tests := map[string]struct {
		change func(o *Options, dir string)
		check  string
		want   string
	}{
		"all is well":       {func(*Options, string) {}, "settings", "ok: n1 at 127.0.0.1:"},
		"no ID":             {func(o *Options, _ string) { o.Node.ID = "" }, "settings", "FAIL: --id is missing"},
		"no token":          {func(o *Options, _ string) { o.Members.TokenFile = "" }, "settings", "FAIL: --cluster-token-file is missing"},
		"a short token":     {func(o *Options, _ string) { _ = os.WriteFile(o.Members.TokenFile, []byte("short"), 0o600) }, "token", "FAIL: --cluster-token-file"},
		"a token for all":   {func(o *Options, _ string) { _ = os.Chmod(o.Members.TokenFile, 0o644) }, "token", "warn: "},
		"not in the list":   {func(o *Options, _ string) { o.Members.Peers = []string{"n2=127.0.0.1:1"} }, "settings", "FAIL: peers: this node is n1="},
		"listed twice":      {func(o *Options, _ string) { o.Members.Peers = []string{"n2=127.0.0.1:1", "n2=127.0.0.1:2"} }, "settings", "FAIL: peers: n2 is listed twice"},
		"no certificate":    {func(o *Options, dir string) { o.TLS.Cert, o.TLS.Key = dir+"/none", dir+"/none" }, "certificates", "FAIL: --tls-cert: open "},
		"a new directory":   {func(*Options, string) {}, "directory", "warn: "},
		"an open directory": {func(o *Options, _ string) { _ = os.Mkdir(o.Node.Data, 0o755) }, "directory", "warn: "},
		"a good directory":  {func(o *Options, _ string) { _ = os.Mkdir(o.Node.Data, 0o700) }, "directory", "ok: "},
		"nobody's data":     {func(o *Options, _ string) { _ = os.Mkdir(o.Node.Data, 0o700) }, "identity", "ok: the directory is new"},
		"a file":            {func(o *Options, _ string) { _ = os.WriteFile(o.Node.Data, nil, 0o600) }, "directory", "FAIL: "},
		"half of a store":   {func(o *Options, _ string) { _ = os.MkdirAll(o.Node.Data+"/views/generation-000001", 0o700) }, "identity", "FAIL: data directory"},
		"a free port":       {func(*Options, string) {}, "port", "ok: 127.0.0.1:"},
		"a foreign address": {func(o *Options, _ string) { o.Node.Listen, o.Node.Advertise = "192.0.2.1:6100", "192.0.2.1:6100" }, "port", "FAIL: --listen: "},
		"a peer that is down": {func(o *Options, _ string) {
			o.Members.Peers = []string{"n1=" + o.Node.Listen, "n2=" + stranger.Addr().String()}
		}, "peers", "FAIL: n2 at " + stranger.Addr().String() + ": connection refused"},
		"nobody to join at": {func(o *Options, _ string) { o.Members.Join = "http://" + stranger.Addr().String() }, "peers", "FAIL: " + stranger.Addr().String() + ": connection refused"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := examined(t, test.change)[test.check]; !strings.HasPrefix(got, test.want) {
				t.Errorf("%s: %q, want %q", test.check, got, test.want)
			}
		})
	}
}

func TestDoctorTellsWhoHoldsThePort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // somebody, but no node
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	got := examined(t, func(o *Options, _ string) { o.Node.Listen = l.Addr().String() })["port"]
	if !strings.HasPrefix(got, "FAIL: "+l.Addr().String()+" is taken, and by no node of this cluster") {
		t.Errorf("%q", got)
	}
}
