package formats

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"confman/events"
)

// maxAliasBytes bounds what the aliases of one YAML file may add up to, each counted as often as it is used.
const maxAliasBytes = 1 << 20

// yamlNodeBytes is what a value reached through an alias counts for, beside its text.
const yamlNodeBytes = 16

// yamlDecoder turns the nodes of one YAML file into ours.
type yamlDecoder struct {
	aliased int // bytes that aliases added so far
}

// decodeYAML reads a stream of documents. Empty ones are passed over; several become the members 1, 2, … of a mapping.
func decodeYAML(data []byte) (*node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read YAML: %w", err)
	}
	d := &yamlDecoder{}
	var documents []*node
	for {
		var document yaml.Node
		if err := loader.Load(&document); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, yamlMistake(err)
		}
		root, err := d.document(&document)
		if err != nil {
			return nil, err
		}
		if root != nil {
			documents = append(documents, root)
		}
	}
	switch len(documents) {
	case 0:
		return newMapping(1), nil
	case 1:
		return documents[0], nil
	}
	stream := newMapping(1)
	for i, document := range documents {
		if err := stream.add(document.line, strconv.Itoa(i+1), document); err != nil {
			return nil, err
		}
	}
	return stream, nil
}

// document returns the mapping of one document, nil when it is empty.
func (d *yamlDecoder) document(n *yaml.Node) (*node, error) {
	if n.Kind == yaml.DocumentNode {
		n = n.Content[0]
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, wrong(n.Line, "a mapping is needed at the top to make keys of its names; the file can only be imported whole")
	}
	return d.value(n, 0, false)
}

// yamlMistake gives an error of the YAML library its line.
func yamlMistake(err error) error {
	var load *yaml.LoadError
	if errors.As(err, &load) {
		return wrong(load.Mark.Line, "not YAML: %s", load.Message)
	}
	return fmt.Errorf("not YAML: %w", err)
}

// value converts one value. Aliased is true below an alias.
func (d *yamlDecoder) value(n *yaml.Node, depth int, aliased bool) (*node, error) {
	if depth > maxDepth {
		return nil, wrong(n.Line, "nests deeper than %d levels", maxDepth)
	}
	if aliased {
		if d.aliased += yamlNodeBytes + len(n.Value); d.aliased > maxAliasBytes {
			return nil, wrong(n.Line, "aliases add up to more than %d bytes", maxAliasBytes)
		}
	}
	switch n.Kind {
	case yaml.MappingNode:
		return d.mapping(n, depth, aliased)
	case yaml.SequenceNode:
		if n.Tag != "!!seq" {
			return nil, wrong(n.Line, "the tag %s is not supported; the file can only be imported whole", n.Tag)
		}
		list := &node{line: n.Line, isList: true}
		for _, element := range n.Content {
			item, err := d.value(element, depth+1, aliased)
			if err != nil {
				return nil, err
			}
			list.items = append(list.items, item)
		}
		return list, nil
	case yaml.AliasNode:
		return d.value(n.Alias, depth+1, true)
	}
	return yamlScalar(n)
}

func (d *yamlDecoder) mapping(n *yaml.Node, depth int, aliased bool) (*node, error) {
	if n.Tag != "!!map" {
		return nil, wrong(n.Line, "the tag %s is not supported; the file can only be imported whole", n.Tag)
	}
	mapping := newMapping(n.Line)
	for i := 0; i < len(n.Content); i += 2 {
		name := n.Content[i]
		switch {
		case name.Tag == "!!merge":
			return nil, wrong(name.Line, "merge keys (<<) are not supported; the file can only be imported whole")
		case name.Kind != yaml.ScalarNode || name.Tag != "!!str":
			return nil, wrong(name.Line, "a name that is not a string: %.64s; quote it", name.Value)
		}
		member, err := d.value(n.Content[i+1], depth+1, aliased)
		if err != nil {
			return nil, err
		}
		member.line = name.Line
		if err := mapping.add(name.Line, name.Value, member); err != nil {
			return nil, err
		}
	}
	return mapping, nil
}

// yamlScalar reads a scalar as text: what the YAML library would make of it (a float, a time) loses its spelling.
func yamlScalar(n *yaml.Node) (*node, error) {
	const plain = ^(yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle | yaml.TaggedStyle)
	switch n.Tag {
	case "!!str":
		if n.Style&^plain == 0 && isNumber(n.Value) { // the library takes 1e999 for text
			return newNumber(n.Line, n.Value)
		}
		return newString(n.Line, n.Value)
	case "!!timestamp":
		return newString(n.Line, n.Value)
	case "!!int", "!!float":
		return newNumber(n.Line, n.Value)
	case "!!bool":
		truth := strings.ToLower(n.Value)
		if truth != "true" && truth != "false" {
			return nil, wrong(n.Line, "%q is not a boolean; write true or false", n.Value)
		}
		return newBoolean(n.Line, truth == "true"), nil
	case "!!null":
		return newNull(n.Line), nil
	case "!!binary":
		raw, err := decodeBase64(strings.Join(strings.Fields(n.Value), ""))
		if err != nil {
			return nil, wrong(n.Line, "%v", err)
		}
		value, err := newString(n.Line, base64.StdEncoding.EncodeToString(raw))
		if err != nil {
			return nil, err
		}
		value.typ = events.Binary
		return value, nil
	}
	return nil, wrong(n.Line, "the tag %s is not supported; the file can only be imported whole", n.Tag)
}

// encodeYAML writes one document in block style.
func encodeYAML(root *node) ([]byte, error) {
	out, err := yaml.Dump(yamlNode(root), yaml.WithLineWidth(-1))
	if err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return out, nil
}

func yamlNode(n *node) *yaml.Node {
	switch {
	case n.members != nil:
		mapping := &yaml.Node{Kind: yaml.MappingNode}
		for _, name := range n.names {
			mapping.Content = append(mapping.Content, yamlString(name), yamlNode(n.members[name]))
		}
		return mapping
	case n.isList:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range n.items {
			list.Content = append(list.Content, yamlNode(item))
		}
		return list
	case n.typ == events.Binary:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!binary", Value: n.text()}
	case n.value[0] == '"':
		return yamlString(n.text())
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: n.text()}
}

// yamlString quotes what the library would leave plain but an older reader (YAML 1.1) or ours takes for something else:
// yes and off, 12:30, 1e999.
func yamlString(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off":
		n.Style = yaml.DoubleQuotedStyle
	}
	if text != "" && strings.IndexByte("+-.0123456789", text[0]) >= 0 && !strings.Contains(text, "\n") {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
