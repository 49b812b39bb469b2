package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxFileBytes bounds the settings file. A real one has a few dozen lines.
const maxFileBytes = 1 << 20

// readFile returns what the settings file says, by flag name, and notes what is wrong with it.
func (l *loader) readFile(path string) map[string]assignment {
	if path == "" {
		return nil
	}
	root, err := parseFile(path)
	if err != nil {
		l.errs = append(l.errs, err)
		return nil
	}
	if root == nil {
		return nil
	}
	found := make(map[string]assignment)
	for i := 0; i < len(root.Content); i += 2 {
		name, value := root.Content[i], root.Content[i+1]
		origin := fmt.Sprintf("%s:%d", path, name.Line)
		f, indirect := l.lookup(name.Value)
		switch {
		case f == nil && l.others[name.Value]:
			continue
		case f == nil, f.Name == "help":
			l.fail(origin, "unknown setting %q%s", name.Value, suggest(name.Value, Names(l.flags), flagForm))
			continue
		case f.Name == fileFlag:
			l.fail(origin, "setting %q: a settings file cannot name another one", fileFlag)
			continue
		}
		if earlier, ok := found[f.Name]; ok {
			l.fail(origin, "setting %q is given twice, first at %s", f.Name, earlier.origin)
			continue
		}
		a, err := fileAssignment(value)
		if err != nil {
			l.fail(origin, "setting %q: %v", name.Value, err)
			continue
		}
		a.origin, a.indirect = origin, indirect
		found[f.Name] = a
	}
	return found
}

// parseFile returns the top mapping of the file, nil when the file says nothing.
func parseFile(path string) (*yaml.Node, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read settings %s: %w", path, err)
	}
	var document, more yaml.Node
	if err := loader.Load(&document); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("%s: not YAML: %w", path, err)
	}
	if err := loader.Load(&more); err == nil {
		return nil, fmt.Errorf("%s:%d: a settings file is one YAML document, here begins a second", path, more.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: not YAML: %w", path, err)
	}
	root := &document
	if root.Kind == yaml.DocumentNode {
		root = root.Content[0]
	}
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: expected settings, one a line: NAME: VALUE", path, root.Line)
	}
	return root, nil
}

// readBounded reads the file, up to maxFileBytes.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%s has more than %d bytes: not a settings file", path, maxFileBytes)
	}
	return data, nil
}

// fileAssignment reads one value: a scalar or a list of scalars, as text.
func fileAssignment(value *yaml.Node) (assignment, error) {
	switch value.Kind {
	case yaml.ScalarNode:
		if value.Tag == "!!null" {
			return assignment{}, errors.New("has no value; remove the line to get the default")
		}
		return assignment{text: value.Value}, nil
	case yaml.SequenceNode:
		a := assignment{isList: true, list: []string{}}
		for _, element := range value.Content {
			if element.Kind != yaml.ScalarNode || element.Tag == "!!null" {
				return assignment{}, fmt.Errorf("line %d: a list holds plain values only", element.Line)
			}
			a.list = append(a.list, element.Value)
		}
		return a, nil
	case yaml.MappingNode:
		return assignment{}, errors.New("expected one value, not a mapping; settings are flat")
	default:
		return assignment{}, errors.New("expected one value; aliases are not supported")
	}
}

// flagForm spells a name the way flags and the file do.
func flagForm(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}
