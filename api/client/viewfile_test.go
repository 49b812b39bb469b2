package client_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// fileWith is a file that a view of pay wrote when it held a=1 b=1 at 5.
func fileWith(t *testing.T, config client.ViewConfig) string {
	t.Helper()
	config.File = filepath.Join(t.TempDir(), "pay.view")
	synctest.Test(t, func(t *testing.T) {
		says := snapshot(5) + entry("a", 1, 1) + entry("b", 1, 2) + snapshotEnd(5, 2)
		view := viewing(t, &visits{steps: []visit{quiet(says)}}, config)
		if err := view.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return config.File
}

func TestViewStartsFromItsFileWhenNobodyIsThere(t *testing.T) {
	file := fileWith(t, client.ViewConfig{})
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file %v, %v", info.Mode(), err)
	}
	synctest.Test(t, func(t *testing.T) {
		v := &visits{steps: []visit{{dial: true}, {dial: true}, quiet(resumed(5, 7) + change(5, 7, "a", 2))}}
		view := viewing(t, v, client.ViewConfig{File: file})
		if s := view.Status(); shown(view) != "a=1 b=1" || s.Source != client.SourceFile || !s.Stale || s.Position != place(5) || s.Since.IsZero() || s.FileErr != nil {
			t.Errorf("at first: %s, %+v", shown(view), s)
		}
		settled(view, 7)
		if s := view.Status(); shown(view) != "a=2 b=1" || s.Source != client.SourceLive || s.Stale || s.Resets != 0 {
			t.Errorf("then: %s, %+v", shown(view), s)
		}
		for _, after := range v.asked {
			if after != place(5) {
				t.Errorf("asked after %s, want %s, where the file is", after, place(5))
			}
		}
	})
}

func TestFileThatIsTooOldGivesWayToASnapshot(t *testing.T) {
	file := fileWith(t, client.ViewConfig{})
	for _, step := range []visit{{status: 410}, {status: 409, typ: wire.ProblemOtherHistory}} {
		synctest.Test(t, func(t *testing.T) {
			view := viewing(t, &visits{steps: []visit{step, quiet(snapshot(9) + entry("a", 4, 9) + snapshotEnd(9, 1))}}, client.ViewConfig{File: file})
			settled(view, 9)
			if s := view.Status(); shown(view) != "a=4" || s.Source != client.SourceLive || s.Resets != 1 {
				t.Errorf("%s, %+v", shown(view), s)
			}
		})
		file = fileWith(t, client.ViewConfig{})
	}
}

func TestFileFollowsTheView(t *testing.T) {
	file := fileWith(t, client.ViewConfig{})
	kept := func(t *testing.T) (at string) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var outer struct{ View struct{ Position string } }
		if err := json.Unmarshal(raw, &outer); err != nil {
			t.Fatal(err)
		}
		return outer.View.Position
	}
	synctest.Test(t, func(t *testing.T) {
		view := viewing(t, &visits{steps: []visit{quiet(resumed(5, 9) + change(5, 7, "a", 2) + deletion(7, 8, "b", 2) + progress(9)), quiet(resumed(9, 9))}}, client.ViewConfig{File: file})
		settled(view, 9)
		<-time.After(2 * time.Second)
		synctest.Wait()
		if at := kept(t); at != place(9) {
			t.Errorf("the file is at %s while the view runs", at)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		view := viewing(t, &visits{steps: []visit{{dial: true}}}, client.ViewConfig{File: file})
		if shown(view) != "a=2" {
			t.Errorf("the file holds %s", shown(view))
		}
	})
	synctest.Test(t, func(t *testing.T) { // nothing but progress: now and then, lest its position become too old
		view := viewing(t, &visits{steps: []visit{quiet(resumed(9, 20) + progress(20)), quiet(resumed(20, 20))}}, client.ViewConfig{File: file})
		settled(view, 20)
		<-time.After(6 * time.Minute)
		synctest.Wait()
		if at := kept(t); at != place(20) {
			t.Errorf("the file is still at %s", at)
		}
	})
}

// Whatever happens to the bytes of a file, a view shows all of it or none.
func TestDamagedFileIsNeverHalfUsed(t *testing.T) {
	config := client.ViewConfig{Defaults: map[string]json.RawMessage{"b": json.RawMessage(`7`)}}
	file := fileWith(t, config)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(whole), `"value":7`) {
		t.Error("a default was written to the file")
	}
	damaged := filepath.Join(t.TempDir(), "damaged")
	config.File, config.DefaultsAfter = damaged, time.Second
	try := func(content []byte) {
		if err := os.WriteFile(damaged, content, 0o600); err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			view := viewing(t, &visits{steps: []visit{{dial: true}}}, config)
			s := view.Status()
			intact := shown(view) == "a=1 b=1" && s.Source == client.SourceFile && s.FileErr == nil
			ignored := shown(view) == "b=default" && s.Source == client.SourceDefaults && s.FileErr != nil && s.Position == ""
			if !intact && !ignored {
				t.Errorf("from %s\nshows %s, %+v", content, shown(view), s)
			}
		})
	}
	for i := range whole {
		flipped := append([]byte(nil), whole...)
		flipped[i] ^= 1 << (i % 8)
		try(flipped)
		if i%7 == 0 {
			try(whole[:i])
		}
	}
}

func TestFileOfAnotherViewIsIgnored(t *testing.T) {
	for name, config := range map[string]client.ViewConfig{
		"another namespace": {Namespace: "orders"},
		"another prefix":    {Prefix: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			config.File = fileWith(t, client.ViewConfig{})
			synctest.Test(t, func(t *testing.T) {
				view := viewing(t, &visits{steps: []visit{quiet(snapshot(9) + snapshotEnd(9, 0))}}, config)
				if s := view.Status(); shown(view) != "" || s.FileErr == nil || !strings.Contains(s.FileErr.Error(), `of namespace "pay", prefix ""`) {
					t.Errorf("%s, %+v", shown(view), s)
				}
				<-time.After(2 * time.Second)
				synctest.Wait()
				if s := view.Status(); s.FileErr != nil {
					t.Errorf("after it was written anew: %v", s.FileErr)
				}
			})
		})
	}
}

func TestFileThatCannotBeWrittenDoesNotStopTheView(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "missing")
	synctest.Test(t, func(t *testing.T) {
		view := viewing(t, &visits{steps: []visit{quiet(snapshot(5) + entry("a", 1, 1) + snapshotEnd(5, 1))}}, client.ViewConfig{File: filepath.Join(folder, "f")})
		<-time.After(2 * time.Second)
		synctest.Wait()
		if s := view.Status(); shown(view) != "a=1" || s.Stale || !errors.Is(s.FileErr, os.ErrNotExist) {
			t.Errorf("%s, %+v", shown(view), s)
		}
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := view.Close(); err != nil {
			t.Errorf("once it can be: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		if err := os.Mkdir(filepath.Join(folder, "taken"), 0o700); err != nil { // nothing can be renamed to that
			t.Fatal(err)
		}
		view := viewing(t, &visits{steps: []visit{quiet(snapshot(5) + snapshotEnd(5, 0))}}, client.ViewConfig{File: filepath.Join(folder, "taken")})
		if err := view.Close(); err == nil {
			t.Error("a folder was replaced by a file")
		}
	})
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 2 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}
