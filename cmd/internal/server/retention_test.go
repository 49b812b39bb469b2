package server

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"confman/replication"
)

func TestTheArchiveIsTheNodes(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a token of sixteen bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	var o Options
	f := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	o.Flags(f)
	if err := f.Parse([]string{"--id=n1", "--listen=" + freeAddress(t), "--data=d", "--archive=/var/lib/archive", "--cluster-token-file=" + token}); err != nil {
		t.Fatal(err)
	}
	config, err := nodeConfig(o, Env{Stdout: io.Discard, Log: zerolog.Nop()}, nil, nil)
	if err != nil || config.Archive != "/var/lib/archive" {
		t.Errorf("archive %q, %v", config.Archive, err)
	}
}

func TestRetentionIsTheNodes(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a token of sixteen bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		flags string
		want  replication.Retention
		says  string // why the node does not start
	}{
		{"", replication.Retention{Watch: time.Minute}, ""},
		{"--retention-events=5000 --retention-age=720h", replication.Retention{Events: 5000, Age: 720 * time.Hour, Watch: time.Minute}, ""},
		{"--retention-age=59s", replication.Retention{Age: 59 * time.Second, Watch: time.Minute}, "retention age 59s: want 0"},
		{"--retention-age=-1h", replication.Retention{Age: -time.Hour, Watch: time.Minute}, "retention age -1h0m0s: want 0"},
		{"--retention-age=1h --retention-watch=2h", replication.Retention{Age: time.Hour, Watch: 2 * time.Hour}, "retention for watches 2h0m0s: want 0 or more"},
	} {
		var o Options
		f := pflag.NewFlagSet("serve", pflag.ContinueOnError)
		o.Flags(f)
		address := freeAddress(t)
		always := []string{"--id=n1", "--listen=" + address, "--data=" + filepath.Join(t.TempDir(), "data"), "--peers=n1=" + address, "--cluster-token-file=" + token}
		if err := f.Parse(append(always, strings.Fields(tt.flags)...)); err != nil {
			t.Fatal(err)
		}
		env := Env{Stdout: io.Discard, Log: zerolog.Nop(), Fatal: func(err error) { t.Error(err) }}
		config, err := nodeConfig(o, env, nil, nil)
		if err != nil || config.Retention != tt.want {
			t.Errorf("%s: %+v, %v, want %+v", tt.flags, config.Retention, err, tt.want)
		}
		if tt.says == "" {
			continue
		}
		if _, err := Start(o, env); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: started: %v, want %q", tt.flags, err, tt.says)
		}
	}
}
