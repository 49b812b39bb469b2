package cli_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"confman/api/apitest"
	"confman/api/wire"
)

// The real API, with connections that break and a node that restarts: the watch
// tells every event once, the directory and the command end up with what is there.
func TestLongCommandsFollowTheRealAPIThroughFaults(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := apitest.NewServer(t)
	sh := &shell{t: t, environ: []string{"CONFMAN_ADDR=" + s.URL, "CONFMAN_API_KEY=" + s.Key, "HOME=" + t.TempDir(), "PATH=/bin:/usr/bin"}}
	dir, state := t.TempDir(), filepath.Join(t.TempDir(), "state")
	values := map[string]string{"first": "0"}
	indexes := []uint64{s.Set("app", "first", "0")}

	watch := sh.start("watch", "app", "--after", "start", "-o", "json", "--state", state)
	sync := sh.start("sync", "app", dir)
	app := sh.start("exec", "-n", "app", "--on-change", "restart", "--settle", "20ms", "--", "sh", "-c",
		`echo "start first=$first"; trap 'exit 0' TERM; while :; do sleep 0.02; done`)
	app.awaitOutput("start first=0", 1)
	for i := range 200 {
		key, value := fmt.Sprintf("k%d", random.IntN(8)), fmt.Sprint(i)
		if i == 199 {
			key = "first"
		}
		if _, there := values[key]; there && random.IntN(4) == 0 && i < 199 {
			indexes = append(indexes, s.Delete("app", key))
			delete(values, key)
		} else {
			indexes = append(indexes, s.Set("app", key, value))
			values[key] = value
		}
		switch random.IntN(30) {
		case 0:
			s.Cut()
		case 1:
			s.Restart()
		case 2: // so that what follows meets it live
			watch.awaitOutput(fmt.Sprintf(`"index":%d,`, indexes[len(indexes)-1]), 1)
		case 3: // another process goes on
			watch.awaitError("watching app after")
			watch.signal(syscall.SIGTERM)
			if code := watch.code(); code != 0 {
				t.Errorf("exit %d", code)
			}
			next := sh.start("watch", "app", "-o", "json", "--state", state)
			_, _ = next.out.Write([]byte(watch.out.String()))
			watch = next
		}
	}
	watch.awaitOutput(fmt.Sprintf(`"index":%d,`, indexes[len(indexes)-1]), 1)
	var got []uint64
	for text := range strings.Lines(watch.out.String()) {
		var frame wire.Frame
		if err := json.Unmarshal([]byte(text), &frame); err != nil || frame.Event == nil {
			t.Fatalf("%q: %v", text, err)
		}
		got = append(got, frame.Event.Index)
	}
	if !slices.Equal(got, indexes) {
		t.Errorf("events %v, want %v", got, indexes)
	}
	await(t, "the directory to be equal", func() bool { return cmp.Equal(values, visibleFiles(t, dir)) })
	app.awaitOutput("start first=199", 1)
	for _, p := range []*process{watch, sync, app} {
		p.signal(syscall.SIGTERM)
		if code := p.code(); code != 0 {
			t.Errorf("exit %d", code)
		}
	}
}

func TestWatchIsToldByTheRealAPIThatItsPositionIsTooOld(t *testing.T) {
	s := apitest.NewServer(t)
	sh := &shell{t: t, environ: []string{"CONFMAN_ADDR=" + s.URL, "CONFMAN_API_KEY=" + s.Key, "HOME=" + t.TempDir()}}
	var last uint64
	for i := range 10 {
		last = s.Set("app", "k", i)
	}
	s.Trim(last)
	_, stderr, code := sh.run("watch", "app", "--after", "3")
	if code != 1 || !strings.Contains(stderr, "begin again with --after snapshot") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	stdout, stderr, code := sh.run("watch", "app", "--after", "snapshot", "--timeout", "300ms", "-o", "json")
	if code != 6 || strings.Count(stdout, `"frame":"entry"`) != 1 {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
}

// Most of what a cluster does is of no concern to one namespace. A watch that goes
// on from a file has to learn at once that it missed nothing.
func TestExecStartsAtOnceInABusyCluster(t *testing.T) {
	s := apitest.NewServer(t)
	sh := &shell{t: t, environ: []string{"CONFMAN_ADDR=" + s.URL, "CONFMAN_API_KEY=" + s.Key, "HOME=" + t.TempDir()}}
	s.Set("app", "k", "v")
	exec := []string{"exec", "-n", "app", "--state", filepath.Join(t.TempDir(), "state"), "--timeout", "5s", "--", "sh", "-c", "echo $k"}
	for range 2 {
		if stdout, stderr, code := sh.run(exec...); code != 0 || stdout != "v\n" || stderr != "" {
			t.Errorf("exit %d, %s%s", code, stdout, stderr)
		}
		s.Set("other", "k", "v")
	}
}
