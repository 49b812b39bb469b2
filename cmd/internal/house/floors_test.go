package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the module's directory, seen from this one.
const root = "../../.."

// floor says what the packages of a folder may import. Where a slash ends a
// path, the subtree is meant.
type floor struct {
	folder string   // the longest one that a package lies in decides
	ours   []string // of this module; test files are held to it too
	theirs []string // of others; test files may use any
	pure   bool     // no clock, randomness, I/O, goroutines, logs, contexts
	but    []string // packages that a pure floor may use all the same
}

var (
	jsonLibrary = "github.com/go-json-experiment/json/"
	ulid        = "github.com/oklog/ulid/v2"
	zerolog     = "github.com/rs/zerolog/"
	websocket   = "github.com/coder/websocket/"
)

// The floors from the ground up. A new exception needs a decision record.
var floors = []floor{
	// A URL is parsed without asking anybody, and a schema is compiled once
	// (decision 12).
	{folder: "events", pure: true, theirs: []string{jsonLibrary, ulid, "github.com/santhosh-tekuri/jsonschema/v6/"}, but: []string{"net/url", "sync"}},
	// Beside events, and no more: whoever checks an export needs no node
	// (decision 21).
	{folder: "events/proof", pure: true, ours: []string{"events"}, theirs: []string{jsonLibrary, ulid}},
	{folder: "projections", pure: true, ours: []string{"events"}, theirs: []string{jsonLibrary, "github.com/tidwall/btree"}},
	{folder: "replication", ours: []string{"replication/", "projections", "events/"}, theirs: []string{
		"github.com/hashicorp/raft", "github.com/hashicorp/raft-wal/", "github.com/hashicorp/go-hclog", "github.com/hashicorp/go-metrics/",
		"github.com/dgraph-io/badger/v4/", "github.com/dgraph-io/ristretto/v2/", "golang.org/x/sys/", zerolog, ulid, jsonLibrary,
	}},
	{folder: "streaming", ours: []string{"streaming/", "events"}, theirs: []string{zerolog, websocket}},
	{folder: "api", ours: []string{"api/wire", "api/js", "api/dashboard", "api/memory", "api/denials", "api/figures", "api/keyuse", "api/admission", "api/identity/", "streaming/", "projections", "events/"}, theirs: []string{
		"github.com/prometheus/client_golang/", "go.yaml.in/yaml/v4", zerolog, jsonLibrary, ulid, websocket,
	}},
	{folder: "api/identity", ours: []string{"api/identity/", "events"}, theirs: []string{
		"github.com/coreos/go-oidc/v3/", "golang.org/x/oauth2", "golang.org/x/time/", zerolog,
	}},
	{folder: "api/wire"},
	// Beside the API, which feeds it: it decides about load and knows no requests.
	{folder: "api/admission"},
	{folder: "api/keyuse", theirs: []string{zerolog}},
	{folder: "api/figures", ours: []string{"api/wire"}},
	{folder: "api/denials", ours: []string{"api/wire"}, theirs: []string{zerolog}},
	{folder: "api/client", ours: []string{"api/client", "api/wire"}, theirs: []string{websocket}},
	{folder: "api/js", ours: []string{"api/wire"}},
	{folder: "api/dashboard"},
	{folder: "api/memory", ours: []string{"projections", "events"}, theirs: []string{ulid}},
	{folder: "api/apitest", ours: []string{"api/", "streaming", "projections", "events"}, theirs: []string{
		"github.com/prometheus/client_golang/", zerolog, jsonLibrary, ulid,
	}},
	{folder: "cmd", ours: []string{"cmd/", "api/", "streaming/", "replication/", "projections", "events/"}, theirs: []string{"*"}},
}

// impure are the packages of the standard library that the pure floors do
// without.
var impure = []string{
	"context", "crypto/rand", "io/ioutil", "log/", "math/rand/", "net/", "os/", "runtime/", "sync/", "syscall", "testing/", "unsafe",
}

// clock are the functions of package time that read the clock or wait for it.
var clock = []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTicker", "NewTimer"}

// vague names say nothing of what a package is about.
var vague = []string{"util", "utils", "helper", "helpers", "common", "types", "models", "misc", "shared", "base"}

func TestImportsPointDown(t *testing.T) {
	files := sources(t)
	for _, f := range files {
		for _, problem := range judge(f.name, f.tree) {
			t.Error(problem)
		}
	}
	for _, fl := range floors {
		if !slices.ContainsFunc(files, func(f source) bool { return strings.HasPrefix(f.name, fl.folder+"/") }) {
			t.Errorf("floor %s has no files: did this test look in the right place?", fl.folder)
		}
	}
}

type source struct {
	name string // below the root, with slashes
	tree *ast.File
}

// sources parses every Go file of the module. It opens them itself, so that the
// result of an earlier run is not taken for this one's.
func sources(t *testing.T) (files []source) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(file, root+string(filepath.Separator)))
		if d.IsDir() {
			if base := d.Name(); file != root && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata") {
				return filepath.SkipDir // as the go command does
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		files = append(files, source{name, tree})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// judge says what is wrong with a file in its place.
func judge(name string, tree *ast.File) (problems []string) {
	problem := func(format string, args ...any) {
		problems = append(problems, name+" "+fmt.Sprintf(format, args...))
	}
	if pkg := strings.TrimSuffix(tree.Name.Name, "_test"); slices.Contains(vague, pkg) {
		problem("is of package %s, a name that says nothing", pkg)
	}
	fl, ok := floorOf(path.Dir(name))
	if !ok {
		problem("lies on no floor")
		return problems
	}
	test := strings.HasSuffix(name, "_test.go")
	for _, spec := range tree.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			problem("imports %s: %v", spec.Path.Value, err)
			continue
		}
		own, ours := strings.CutPrefix(imported, "confman/")
		theirs := strings.Contains(strings.Split(imported, "/")[0], ".")
		switch {
		case ours && own != path.Dir(name) && !within(own, fl.ours):
			problem("imports %s, which is not below %s", imported, fl.folder)
		case theirs && !test && !within(imported, fl.theirs):
			problem("imports %s, which is not for %s", imported, fl.folder)
		case !ours && !theirs && !test && fl.pure && within(imported, impure) && !within(imported, fl.but):
			problem("imports %s, and %s is pure", imported, fl.folder)
		}
	}
	if fl.pure && !test {
		for _, what := range impurities(tree) {
			problem("has %s, and %s is pure", what, fl.folder)
		}
	}
	return problems
}

func floorOf(folder string) (found floor, ok bool) {
	for _, fl := range floors {
		if within(folder, []string{fl.folder + "/"}) && len(fl.folder) > len(found.folder) {
			found, ok = fl, true
		}
	}
	return found, ok
}

// within reports whether a path is one of a list; a slash at an end means the
// subtree, a star everything.
func within(p string, list []string) bool {
	for _, entry := range list {
		tree, deep := strings.CutSuffix(entry, "/")
		if entry == "*" || p == tree || deep && strings.HasPrefix(p, tree+"/") {
			return true
		}
	}
	return false
}

// impurities are the uses of the clock and of goroutines in a file.
func impurities(tree *ast.File) (found []string) {
	clockName := ""
	for _, spec := range tree.Imports {
		if spec.Path.Value == `"time"` {
			if clockName = "time"; spec.Name != nil {
				clockName = spec.Name.Name
			}
		}
	}
	if clockName == "." {
		return []string{"a dot import of time"}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && clockName != "" && x.Name == clockName && slices.Contains(clock, n.Sel.Name) {
				found = append(found, "time."+n.Sel.Name)
			}
		case *ast.GoStmt:
			found = append(found, "a goroutine")
		case *ast.ChanType:
			found = append(found, "a channel")
		}
		return true
	})
	return found
}

func TestTheFloorsRefuseWhatTheyShould(t *testing.T) {
	for _, tt := range []struct{ file, code, says string }{
		{"events/x.go", `package events; import "strings"`, ""},
		{"events/x.go", `package events; import "confman/projections"`, "not below events"},
		{"events/x_test.go", `package events; import "confman/projections"`, "not below events"},
		{"events/x_test.go", `package events; import ("os"; "pgregory.net/rapid"; "confman/events")`, ""},
		{"events/x.go", `package events; import "pgregory.net/rapid"`, "not for events"},
		{"events/x.go", `package events; import "log/slog"`, "is pure"},
		{"events/x.go", `package events; import "math/rand/v2"`, "is pure"},
		{"events/x.go", `package events; import "sync/atomic"`, "is pure"},
		{"events/x.go", `package events; import "time"; var d = time.Second`, ""},
		{"events/x.go", `package events; import "time"; func f() { time.Now() }`, "time.Now"},
		{"events/x.go", `package events; import clock "time"; var f = clock.Since`, "time.Since"},
		{"events/x.go", `package events; import . "time"; var t = Now()`, "dot import"},
		{"projections/x.go", `package projections; func f() { go f() }`, "goroutine"},
		{"projections/x.go", `package projections; import "github.com/rs/zerolog"`, "not for projections"},
		{"replication/disk/x.go", `package disk; import "confman/streaming"`, "not below replication"},
		{"replication/x.go", `package replication; import "confman/replication/disk"`, ""},
		{"streaming/x.go", `package streaming; import "confman/replication"`, "not below streaming"},
		{"streaming/x.go", `package streaming; import "confman/projections"`, "not below streaming"},
		{"api/x.go", `package api; import "github.com/hashicorp/raft"`, "not for api"},
		{"api/x.go", `package api; import "confman/replication"`, "not below api"},
		{"api/x_test.go", `package api; import "confman/replication"`, "not below api"},
		{"api/x.go", `package api; import "confman/api/client"`, "not below api"},
		{"api/x.go", `package api; import "confman/api/apitest"`, "not below api"},
		{"api/memory/x.go", `package memory; import "confman/api"`, "not below api/memory"},
		{"api/apitest/x_test.go", `package apitest; import "confman/api/client"`, ""},
		{"api/apitest/x.go", `package apitest; import "confman/replication"`, "not below api/apitest"},
		{"api/wire/x.go", `package wire; import "confman/events"`, "not below api/wire"},
		{"api/wire/x.go", `package wire; import "github.com/oklog/ulid/v2"`, "not for api/wire"},
		{"api/client/x.go", `package client; import "confman/events"`, "not below api/client"},
		{"api/client/x.go", `package client; import "confman/api/wire"`, ""},
		{"cmd/internal/cli/x.go", `package cli; import ("confman/replication"; "github.com/spf13/cobra")`, ""},
		{"cmd/internal/x/x.go", `package helpers`, "says nothing"},
		{"pkg/x.go", `package x`, "no floor"},
	} {
		tree, err := parser.ParseFile(token.NewFileSet(), tt.file, tt.code, 0)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(judge(tt.file, tree), "\n")
		if tt.says == "" && got != "" || !strings.Contains(got, tt.says) {
			t.Errorf("%s: %s: got %q, want %q", tt.file, tt.code, got, tt.says)
		}
	}
}
