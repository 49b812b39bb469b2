package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// bundle makes one file of an entry and says which packages are in it.
func (r *registry) bundle(entry string) (content []byte, packages []string, err error) {
	entries, err := filepath.Abs("entries")
	if err != nil {
		return nil, nil, err
	}
	options := api.BuildOptions{
		EntryPoints:      []string{filepath.Join(entries, entry)},
		AbsWorkingDir:    r.dir,
		NodePaths:        []string{filepath.Join(r.dir, "node_modules")},
		Bundle:           true,
		Format:           api.FormatESModule,
		Target:           api.ES2022,
		MinifySyntax:     true,
		MinifyWhitespace: true, MinifyIdentifiers: true,
		LegalComments: api.LegalCommentsNone, // LICENSES.txt has them whole
		Metafile:      true,
		LogLevel:      api.LogLevelWarning,
	}
	result := api.Build(options)
	if len(result.Errors) > 0 || len(result.OutputFiles) != 1 {
		return nil, nil, fmt.Errorf("esbuild: %d errors, %d files", len(result.Errors), len(result.OutputFiles))
	}
	if packages, err = r.inside(result.Metafile); err != nil {
		return nil, nil, err
	}
	return slices.Concat(r.banner(packages), result.OutputFiles[0].Contents), packages, nil
}

// inside lists the packages that a bundle was made of.
func (r *registry) inside(metafile string) (packages []string, err error) {
	var meta struct {
		Outputs map[string]struct {
			Inputs map[string]struct {
				Bytes int `json:"bytesInOutput"`
			}
		}
	}
	if err := json.Unmarshal([]byte(metafile), &meta); err != nil {
		return nil, err
	}
	for _, output := range meta.Outputs {
		for input, in := range output.Inputs {
			_, path, ok := strings.Cut(input, "node_modules/")
			if !ok || in.Bytes == 0 {
				continue
			}
			parts := strings.SplitN(path, "/", 3)
			name := parts[0]
			if strings.HasPrefix(name, "@") {
				name += "/" + parts[1]
			}
			if _, ok := r.packs[name]; !ok {
				return nil, fmt.Errorf("%s is of no package in package-lock.json", input)
			}
			packages = append(packages, name)
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages), nil
}

// banner names what is in a bundle.
func (r *registry) banner(packages []string) []byte {
	var names []string
	for _, name := range packages {
		p := r.packs[name]
		names = append(names, fmt.Sprintf("%s %s (%s)", p.Name, p.Version, p.Licence))
	}
	return []byte("/*! " + strings.Join(names, ", ") + "; the licences are in LICENSES.txt */\n")
}

// sprite draws one symbol for each line of a list: an id, and lucide's name of
// the icon where that is another.
func (r *registry) sprite(list string) ([]byte, error) {
	lines, err := os.ReadFile(list)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	out.WriteString(`<svg xmlns="http://www.w3.org/2000/svg">` + "\n<!-- Lucide " + r.packs["lucide-static"].Version + " (ISC); the licence is in LICENSES.txt -->\n")
	for line := range strings.Lines(string(lines)) {
		ids := strings.Fields(line)
		if len(ids) == 0 || ids[0] == "#" {
			continue
		}
		icon, err := os.ReadFile(r.path("lucide-static", "icons", ids[len(ids)-1]+".svg"))
		if err != nil {
			return nil, err
		}
		shapes, err := inner(string(icon))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ids[len(ids)-1], err)
		}
		for _, id := range ids {
			fmt.Fprintf(&out, `<symbol id="%s" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="var(--icon-stroke, 2)" stroke-linecap="round" stroke-linejoin="round">%s</symbol>`+"\n", id, shapes)
		}
	}
	out.WriteString("</svg>\n")
	return []byte(out.String()), nil
}

// inner is what stands between the tags of an svg file, on one line.
func inner(svg string) (string, error) {
	_, rest, opened := strings.Cut(svg, "<svg")
	head, rest, closed := strings.Cut(rest, ">")
	shapes, _, ended := strings.Cut(rest, "</svg>")
	if !opened || !closed || !ended || !strings.Contains(head, `viewBox="0 0 24 24"`) || !strings.Contains(head, `stroke-width="2"`) {
		return "", errors.New("not drawn as lucide draws")
	}
	var out []string
	for line := range strings.Lines(shapes) {
		out = append(out, strings.TrimSpace(line))
	}
	return strings.ReplaceAll(strings.Join(out, ""), " />", "/>"), nil
}
