// Command web makes the files that the dashboard takes from npm: it fetches what
// package-lock.json pins (npm verifies each sha512), bundles every entry into one
// minified ES module, draws the icons' sprite, and notes in VERSIONS.json what is
// inside. Neither the build nor the tests run it; it needs npm and the registry.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: web FOLDER-OF-THE-DASHBOARD (./task web:vendor says it)")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		os.Exit(1)
	}
}

// run remakes vendor/ and testdata/ in the dashboard's folder.
func run(dashboard string) (err error) {
	npm, err := install()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(npm.dir)) }()
	vendor := &shelf{folder: filepath.Join(dashboard, "vendor"), npm: npm, Files: map[string]file{}}
	for _, entry := range []string{"preact.js", "codemirror.js", "uplot.js", "uplot.css", "diff.js"} {
		content, packages, err := npm.bundle(entry)
		if err != nil {
			return fmt.Errorf("bundle %s: %w", entry, err)
		}
		if err := vendor.put(entry, content, packages); err != nil {
			return err
		}
	}
	sprite, err := npm.sprite("icons.txt")
	if err != nil {
		return fmt.Errorf("draw the icons: %w", err)
	}
	if err := vendor.put("icons.svg", sprite, []string{"lucide-static"}); err != nil {
		return err
	}
	if err := vendor.close(); err != nil {
		return err
	}
	tests := &shelf{folder: filepath.Join(dashboard, "testdata"), npm: npm, Files: map[string]file{}}
	axe, err := os.ReadFile(npm.path("axe-core", "axe.min.js"))
	if err != nil {
		return fmt.Errorf("read axe: %w", err)
	}
	if err := tests.put("axe.min.js", axe, []string{"axe-core"}); err != nil {
		return err
	}
	return tests.close()
}

// pack is one package as VERSIONS.json and package-lock.json have it.
type pack struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Licence   string `json:"licence"`
	Integrity string `json:"integrity"`
}

// registry is what npm has fetched into a folder of its own.
type registry struct {
	dir   string
	packs map[string]pack
}

// install fetches what package-lock.json pins. No package runs a script.
func install() (*registry, error) {
	dir, err := os.MkdirTemp("", "confman-web-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for npm: %w", err)
	}
	npm := &registry{dir: dir, packs: map[string]pack{}}
	if err := npm.fetch(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return npm, nil
}

func (r *registry) fetch() error {
	var lock struct {
		Packages map[string]struct{ Version, License, Integrity string }
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.dir, name), content, 0o600); err != nil {
			return err
		}
		if err := json.Unmarshal(content, &lock); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	for path, p := range lock.Packages {
		name, ok := strings.CutPrefix(path, "node_modules/")
		if path == "" {
			continue
		}
		if !ok || strings.Contains(name, "node_modules/") {
			return fmt.Errorf("%s: a second copy of a package", path)
		}
		if !strings.HasPrefix(p.Integrity, "sha512-") {
			return fmt.Errorf("%s has no sha512 in package-lock.json", name)
		}
		r.packs[name] = pack{Name: name, Version: p.Version, Licence: p.License, Integrity: p.Integrity}
	}
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	npm.Dir, npm.Stdout, npm.Stderr = r.dir, os.Stderr, os.Stderr
	if err := npm.Run(); err != nil {
		return fmt.Errorf("npm ci: %w", err)
	}
	return nil
}

// path is that of a file of a package.
func (r *registry) path(name string, elements ...string) string {
	return filepath.Join(append([]string{r.dir, "node_modules", name}, elements...)...)
}

// licence is the text that a package comes with.
func (r *registry) licence(name string) (string, error) {
	entries, err := os.ReadDir(r.path(name))
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if base := strings.ToUpper(e.Name()); strings.HasPrefix(base, "LICENSE") || strings.HasPrefix(base, "LICENCE") {
			text, err := os.ReadFile(r.path(name, e.Name()))
			return strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")), err
		}
	}
	return "", fmt.Errorf("%s comes without the text of its licence", name)
}

// file is what VERSIONS.json says of one file.
type file struct {
	SHA256   string `json:"sha256"`
	Packages []pack `json:"packages"`
}

// shelf is a folder that VERSIONS.json describes.
type shelf struct {
	folder string
	npm    *registry
	used   []string
	Files  map[string]file
}

// put writes one file, made of packages.
func (s *shelf) put(name string, content []byte, packages []string) error {
	sum := sha256.Sum256(content)
	f := file{SHA256: hex.EncodeToString(sum[:])}
	for _, p := range packages {
		f.Packages = append(f.Packages, s.npm.packs[p])
	}
	s.Files[name], s.used = f, append(s.used, packages...)
	if err := os.WriteFile(filepath.Join(s.folder, name), content, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// close writes the licences of all that was used, and VERSIONS.json.
func (s *shelf) close() error {
	slices.Sort(s.used)
	var texts strings.Builder
	s.used = slices.Compact(s.used)
	for _, name := range s.used {
		text, err := s.npm.licence(name)
		if err != nil {
			return fmt.Errorf("read the licence of %s: %w", name, err)
		}
		p := s.npm.packs[name]
		fmt.Fprintf(&texts, "%s %s (%s)\n\n%s\n\n\n", p.Name, p.Version, p.Licence, text)
	}
	if err := s.put("LICENSES.txt", []byte(strings.TrimSpace(texts.String())+"\n"), s.used); err != nil {
		return err
	}
	content, err := json.MarshalIndent(s.Files, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.folder, "VERSIONS.json"), append(content, '\n'), 0o644)
}
