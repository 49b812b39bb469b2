package plant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Bug is a wrong text. Old must be once in File, which is below the root of its
// module.
type Bug struct {
	Name   string
	Module string // empty: this one
	File   string
	Old    string
	New    string
	Breaks string // which promise, and how
	Mode   string // that finds it
}

// Named is the bug of a name.
func Named(name string) (Bug, error) {
	all := Bugs()
	i := slices.IndexFunc(all, func(b Bug) bool { return b.Name == name })
	if i < 0 {
		var names []string
		for _, b := range all {
			names = append(names, b.Name)
		}
		return Bug{}, fmt.Errorf("no bug is called %q; there are %s", name, strings.Join(names, ", "))
	}
	return all[i], nil
}

// Package is what the bug is in, for go build.
func (b Bug) Package() string {
	if b.Module == "" {
		return "./" + path.Dir(b.File)
	}
	return path.Join(b.Module, path.Dir(b.File))
}

// Build builds a package of this module, or one that it needs, into a file, with
// a bug unless it is the zero value. What it makes beside is in the file's
// directory.
func Build(ctx context.Context, b Bug, pkg, to string) error {
	gomod, err := goTool(ctx, "", "env", "GOMOD")
	if err != nil {
		return err
	}
	root, args := filepath.Dir(gomod), []string{"build", "-o", to}
	switch {
	case b.Name == "":
	case b.Module == "":
		overlay, err := b.overlay(root, filepath.Dir(to))
		if err != nil {
			return fmt.Errorf("plant %s: %w", b.Name, err)
		}
		args = append(args, "-overlay", overlay)
	default:
		modfile, err := b.replace(ctx, root, filepath.Dir(to))
		if err != nil {
			return fmt.Errorf("plant %s: %w", b.Name, err)
		}
		args = append(args, "-modfile", modfile)
	}
	_, err = goTool(ctx, root, append(args, pkg)...)
	return err
}

// goTool runs the go command and returns what it says on standard output.
func goTool(ctx context.Context, dir string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir = dir
	out, err := c.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("%w: %s", err, failed.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// wrong is the file with the bug in it.
func (b Bug) wrong(file string) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(content), b.Old); n != 1 {
		return nil, fmt.Errorf("%s has this %d times, not once:\n%s", b.File, n, b.Old)
	}
	return []byte(strings.Replace(string(content), b.Old, b.New, 1)), nil
}

// overlay writes what go build -overlay reads.
func (b Bug) overlay(root, dir string) (string, error) {
	file := filepath.Join(root, b.File)
	content, err := b.wrong(file)
	if err != nil {
		return "", err
	}
	planted, overlay := filepath.Join(dir, b.Name+".go"), filepath.Join(dir, b.Name+".json")
	listing, err := json.Marshal(map[string]map[string]string{"Replace": {file: planted}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.WriteFile(planted, content, 0o600), os.WriteFile(overlay, listing, 0o600))
}

// replace copies the bug's module, and writes a go.mod that takes the copy.
func (b Bug) replace(ctx context.Context, root, dir string) (string, error) {
	at, err := goTool(ctx, root, "list", "-m", "-f", "{{.Dir}}", b.Module)
	if err != nil {
		return "", err
	}
	content, err := b.wrong(filepath.Join(at, b.File))
	if err != nil {
		return "", err
	}
	module, modfile := filepath.Join(dir, b.Name), filepath.Join(dir, b.Name+".mod")
	if err := os.CopyFS(module, os.DirFS(at)); err != nil {
		return "", err
	}
	planted := filepath.Join(module, b.File)
	if err := errors.Join(os.Remove(planted), os.WriteFile(planted, content, 0o600)); err != nil {
		return "", err
	}
	for from, to := range map[string]string{"go.mod": modfile, "go.sum": filepath.Join(dir, b.Name+".sum")} {
		text, err := os.ReadFile(filepath.Join(root, from))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			return "", err
		}
	}
	_, err = goTool(ctx, root, "mod", "edit", "-replace="+b.Module+"="+module, modfile)
	return modfile, err
}
