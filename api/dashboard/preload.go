package dashboard

import (
	"bytes"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

const (
	// root is where the files are served, and entry the module that the page begins with.
	root  = "/dashboard/"
	entry = root + "app.js"
	// preloadMark stands in the page where its modules are announced.
	preloadMark = "<!--preload-->"
)

// preloads are links to all modules that the page needs before it runs, so that a
// browser fetches them at once and not import by import.
func (s *Site) preloads() []byte {
	var links bytes.Buffer
	for _, address := range s.graph(entry) {
		links.WriteString(`<link rel="modulepreload" href="` + address + `">` + "\n")
	}
	return bytes.TrimSuffix(links.Bytes(), []byte("\n"))
}

// graph lists the addresses of a module and of all that it imports statically, itself
// first. A module that is not of the site is listed and not followed; one that is
// missing is left to the browser, which says what it misses.
func (s *Site) graph(address string) []string {
	found, seen := []string{address}, map[string]bool{address: true}
	for at := 0; at < len(found); at++ {
		name, ours := strings.CutPrefix(found[at], root)
		if !ours {
			continue
		}
		source, err := fs.ReadFile(s.files, name)
		if err != nil {
			continue
		}
		for _, imported := range imports(name, source) {
			if !seen[imported] {
				seen[imported] = true
				found = append(found, imported)
			}
		}
	}
	return found
}

// imports are the addresses of what a module imports statically, or exports from.
func imports(name string, source []byte) (addresses []string) {
	statement := regexp.MustCompile(`(?m)(?:^|;)[ \t]*(?:import\s*|(?:import|export)\b[\w\s{},*$]*\bfrom\s*)["'](\.{0,2}/[^"'\s<>]+)["']`)
	for _, match := range statement.FindAllSubmatch(source, -1) {
		address := string(match[1])
		if !strings.HasPrefix(address, "/") {
			address = path.Join(root, path.Dir(name), address)
		}
		addresses = append(addresses, address)
	}
	return addresses
}
