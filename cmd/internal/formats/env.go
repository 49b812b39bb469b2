package formats

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// decodeEnv reads NAME=value lines. A line may begin with export; # begins a comment on a line of its own or, after
// white space, behind an unquoted or quoted value. In 'single quotes' every character is itself, in "double quotes"
// \n \r \t \" \\ \$ and \` are escapes; both may run over several lines, as written. $NAME is never expanded.
func decodeEnv(data []byte) ([]leaf, error) {
	var leaves []leaf
	rest, line := string(data), 1
	for rest != "" {
		if first := strings.TrimLeft(rest, " \t\r"); first == "" || first[0] == '\n' || first[0] == '#' {
			_, rest, _ = strings.Cut(rest, "\n")
			line++
			continue
		}
		l, after, err := envLeaf(line, rest)
		if err != nil {
			return nil, err
		}
		leaves = append(leaves, l)
		line += strings.Count(rest[:len(rest)-len(after)], "\n")
		rest = after
	}
	return leaves, nil
}

// envLeaf reads the variable that text begins with, and returns the text after its line.
func envLeaf(line int, text string) (leaf, string, error) {
	head, _, _ := strings.Cut(text, "\n")
	name, _, found := strings.Cut(head, "=")
	if !found {
		return leaf{}, "", wrong(line, "%.64q is not NAME=value", head)
	}
	value := text[len(name)+1:]
	name = strings.Trim(name, " \t")
	if exported, ok := strings.CutPrefix(name, "export"); ok && strings.TrimLeft(exported, " \t") != exported {
		name = strings.TrimLeft(exported, " \t")
	}
	if !isVariable(name) {
		return leaf{}, "", wrong(line, "name %.64q is not letters, digits and _ after a letter or _", name)
	}
	value, after, err := envValue(line, strings.TrimLeft(value, " \t"))
	if err != nil {
		return leaf{}, "", err
	}
	n, err := newString(line, value)
	return leaf{key: name, line: line, value: n}, after, err
}

// envValue reads the value that text begins with, and returns the text after its line.
func envValue(line int, text string) (value, after string, err error) {
	switch {
	case strings.HasPrefix(text, "'"):
		quoted, rest, closed := strings.Cut(text[1:], "'")
		if !closed {
			return "", "", wrong(line, "a single quote that is never closed")
		}
		value, text = quoted, rest
	case strings.HasPrefix(text, `"`):
		quoted, rest, closed := cutDoubleQuoted(text[1:])
		if !closed {
			return "", "", wrong(line, "a double quote that is never closed")
		}
		value, text = quoted, rest
	default:
		bare, rest, _ := strings.Cut(text, "\n")
		for i := range len(bare) {
			if bare[i] == '#' && (i == 0 || bare[i-1] == ' ' || bare[i-1] == '\t') {
				bare = bare[:i]
				break
			}
		}
		return strings.TrimRight(bare, " \t\r"), rest, nil
	}
	tail, after, _ := strings.Cut(text, "\n")
	if trimmed := strings.TrimLeft(tail, " \t\r"); trimmed != "" && (trimmed[0] != '#' || trimmed == tail) {
		return "", "", wrong(line, "%.64q after the closing quote", tail)
	}
	return value, after, nil
}

// cutDoubleQuoted returns the unescaped text before the closing quote and what comes after it.
func cutDoubleQuoted(text string) (value, after string, closed bool) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return out.String(), text[i+1:], true
		case c != '\\' || i+1 == len(text):
			out.WriteByte(c)
		default:
			i++
			switch e := text[i]; e {
			case 'n':
				out.WriteByte('\n')
			case 'r':
				out.WriteByte('\r')
			case 't':
				out.WriteByte('\t')
			case '"', '\\', '$', '`':
				out.WriteByte(e)
			default:
				out.WriteByte('\\')
				out.WriteByte(e)
			}
		}
	}
	return "", "", false
}

// isVariable tells whether a shell takes name for a variable (POSIX 3.231: Name).
func isVariable(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// Variables returns the entries as NAME=value pairs, the way a process takes its environment, in the order of the keys.
// The names are those of an [Env] file, in capitals where upper is set. The error names every key that no variable can
// hold, and every two that would be the same one.
func Variables(entries []Entry, upper bool) ([]string, error) {
	leaves, err := sortedLeaves(entries)
	if err != nil {
		return nil, err
	}
	if err := nameVariables(leaves, upper); err != nil {
		return nil, err
	}
	var pairs []string
	for _, l := range leaves {
		pairs = append(pairs, l.key+"="+l.value.text())
	}
	return pairs, nil
}

// nameVariables replaces the keys of leaves by the names that they have as variables.
func nameVariables(leaves []leaf, upper bool) error {
	var problems []error
	from := make(map[string]string, len(leaves))
	for i, l := range leaves {
		name := variable(l.key)
		if upper {
			name = strings.ToUpper(name)
		}
		switch earlier, taken := from[name]; {
		case taken:
			problems = append(problems, fmt.Errorf("entries %s and %s both are the variable %s", earlier, l.key, name))
		case l.value.isNull():
			problems = append(problems, fmt.Errorf("entry %s is null, which a variable cannot say", l.key))
		}
		from[name], leaves[i].key = l.key, name
	}
	return errors.Join(problems...)
}

// variable is the name of a key as a variable: what a shell does not take in one becomes _, and _ comes before a digit
// at the beginning. db/pool.size is db_pool_size.
func variable(key string) string {
	name := []byte(key)
	for i, c := range name {
		if !isVariable("_" + string(c)) {
			name[i] = '_'
		}
	}
	if !isVariable(string(name)) {
		name = slices.Insert(name, 0, '_')
	}
	return string(name)
}

// appendVariable writes one assignment that a shell and [decodeEnv] read alike.
func appendVariable(out []byte, name, text string) ([]byte, error) {
	out = append(append(out, name...), '=')
	switch {
	case text != "" && strings.IndexFunc(text, needsQuotes) < 0:
		out = append(out, text...)
	case !strings.Contains(text, "'"):
		out = append(append(append(out, '\''), text...), '\'')
	default:
		escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(text)
		out = append(append(append(out, '"'), escaped...), '"')
	}
	return append(out, '\n'), nil
}

// needsQuotes tells whether a shell might take r for more than itself.
func needsQuotes(r rune) bool {
	return !isBareName(r) && !strings.ContainsRune("./:,@%+=", r)
}
