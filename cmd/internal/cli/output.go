package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"confman/cmd/internal/formats"
)

// The formats of -o.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatYAML  = "yaml"
	formatRaw   = "raw"
)

// format is the value of -o. Its zero value is not useful: call flag first.
type format struct {
	name    string
	allowed []string
}

// flag registers -o with the formats that the command has, the default first;
// none means table, json and yaml.
func (f *format) flag(cmd *cobra.Command, allowed ...string) {
	if len(allowed) == 0 {
		allowed = []string{formatTable, formatJSON, formatYAML}
	}
	f.name, f.allowed = allowed[0], allowed
	cmd.Flags().VarP(f, "output", "o", "output: "+strings.Join(f.allowed, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(f.allowed, cobra.ShellCompDirectiveNoFileComp))
}

// Set, String and Type make a format a flag.
func (f *format) Set(name string) error {
	for _, allowed := range f.allowed {
		if name == allowed {
			f.name = name
			return nil
		}
	}
	return fmt.Errorf("want one of %s", strings.Join(f.allowed, ", "))
}

// String returns the format's name.
func (f *format) String() string { return f.name }

// Type is what help calls the value.
func (f *format) Type() string { return "FORMAT" }

// formatFlag registers --format, the format of a file.
func formatFlag(cmd *cobra.Command, name *string, shorthand, use string) {
	var names []string
	for _, format := range formats.Formats() {
		names = append(names, string(format))
	}
	cmd.Flags().StringVarP(name, "format", shorthand, "", use+strings.Join(names, ", "))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
}

// print writes v as JSON or YAML, or has table do it its own way.
func (f *format) print(w io.Writer, v any, table func() error) error {
	switch f.name {
	case formatJSON:
		return writeJSON(w, v, "  ")
	case formatYAML:
		return writeYAML(w, v)
	}
	return table()
}

// writeJSON writes v and a newline; the spelling of numbers and text stays.
func writeJSON(w io.Writer, v any, indent string) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	return encoder.Encode(v)
}

// writeYAML writes v as its JSON would have it: the same names in the same
// order, the same spelling of numbers.
func writeYAML(w io.Writer, v any) error {
	var buffer bytes.Buffer
	if err := writeJSON(&buffer, v, ""); err != nil {
		return err
	}
	decoder := json.NewDecoder(&buffer)
	decoder.UseNumber()
	node, err := yamlNode(decoder)
	if err != nil {
		return err
	}
	out, err := yaml.Dump(node)
	if err != nil {
		return err
	}
	_, err = w.Write(out)
	return err
}

// yamlNode reads one JSON value.
func yamlNode(decoder *json.Decoder) (*yaml.Node, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	scalar := func(tag, value string) (*yaml.Node, error) {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}, nil
	}
	switch token := token.(type) {
	case nil:
		return scalar("!!null", "null")
	case bool:
		return scalar("!!bool", fmt.Sprint(token))
	case json.Number:
		if strings.ContainsAny(token.String(), ".eE") {
			return scalar("!!float", token.String())
		}
		return scalar("!!int", token.String())
	case string:
		return scalar("!!str", token)
	}
	node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	if token == json.Delim('{') {
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
	}
	for decoder.More() {
		child, err := yamlNode(decoder)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, child)
	}
	_, err = decoder.Token() // the closing bracket
	return node, err
}

// table writes rows in columns under a header in capitals.
func table(w io.Writer, header []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

const cellWidth = 60 // characters of a value that a table shows

// cell makes any text fit into a table: on one line, without control characters,
// cut where it is long.
func cell(text string) string {
	if text = visible(text); text == "" {
		return "-"
	}
	return text
}

// visible is cell for text that may be empty.
func visible(text string) string { return spelled(text, cellWidth) }

// spelled is text on one line without control characters, cut after so many
// characters.
func spelled(text string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > most {
			b.WriteRune('…')
			break
		}
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// when writes a time for people.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
