package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"time"

	"confman/cmd/internal/formats"
)

// exitUntold is the exit code of a check that cannot tell, as git bisect run has
// it; above exitMostBad it is broken.
const (
	exitUntold  = 125
	exitMostBad = 127
)

// check is the command that tells a good state from a bad one.
type check struct {
	env              Env
	namespace        string
	command          []string
	dir              string // empty: a temporary one for each run
	filesOnly, upper bool
	grace            time.Duration
}

// run runs the check with a state, which is gone from the disk afterwards. A state
// that cannot be had as files or variables is skipped.
func (k *check) run(ctx context.Context, entries []formats.Entry, index uint64) (done checked, err error) {
	done.Index, done.Verdict = index, verdictSkip
	files, err := formats.Files(entries)
	if err != nil {
		done.Why = oneLine(err)
		return done, nil
	}
	environ := withoutHookVariables(k.env.Environ)
	if !k.filesOnly {
		if environ, err = environment(environ, entries, k.upper); err != nil {
			done.Why = oneLine(err) + "; see --files-only"
			return done, nil
		}
	}
	dir, remove, err := k.directory()
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := writeFiles(dir, files); err != nil {
		return done, fmt.Errorf("state of event %d: %w", index, err)
	}
	environ = append(environ, varNamespace+"="+k.namespace, varIndex+"="+strconv.FormatUint(index, 10), varFiles+"="+dir)
	done.Exit, err = k.exit(ctx, environ)
	if err != nil {
		return done, err
	}
	switch {
	case done.Exit == 0:
		done.Verdict = verdictGood
	case done.Exit > exitMostBad:
		return done, &ExitError{Code: ExitFailure, Err: fmt.Errorf("the check ended with exit code %d at event %d, which is no verdict: 0 is good, 1 to 127 bad, 125 that it cannot tell", done.Exit, index)}
	case done.Exit != exitUntold:
		done.Verdict = verdictBad
	}
	return done, nil
}

// exit runs the command and returns its exit code.
func (k *check) exit(ctx context.Context, environ []string) (int, error) {
	cmd := exec.Command(k.command[0], k.command[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environ, k.env.Stderr, k.env.Stderr
	child, err := startChild(cmd, true)
	if err != nil {
		return 0, err
	}
	child.finish(ctx, k.grace)
	return child.code(), ctx.Err()
}

// directory is an empty directory, and how it becomes empty again.
func (k *check) directory() (dir string, remove func() error, err error) {
	if k.dir == "" {
		dir, err = os.MkdirTemp("", "confman-bisect-")
		return dir, func() error { return os.RemoveAll(dir) }, err
	}
	if err := os.MkdirAll(k.dir, 0o755); err != nil {
		return "", nil, err
	}
	there, err := os.ReadDir(k.dir)
	if err != nil {
		return "", nil, err
	}
	if len(there) > 0 {
		return "", nil, fmt.Errorf("--dir %s is not empty, and what is in it would be removed: name a directory of its own", k.dir)
	}
	if dir, err = filepath.Abs(k.dir); err != nil {
		return "", nil, err
	}
	return dir, func() error { return empty(dir) }, nil
}

// empty removes all that is in a directory.
func empty(dir string) error {
	there, err := os.ReadDir(dir)
	for _, entry := range there {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return err
}

// writeFiles writes files into an empty directory. They do not outlive the check,
// and so need not be on disk.
func writeFiles(dir string, files map[string][]byte) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for name, content := range files {
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(name, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
