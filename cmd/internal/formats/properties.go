package formats

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// decodeProperties reads a file as java.util.Properties.load(Reader) does, in UTF-8. ${…} stays as it is written.
func decodeProperties(data []byte) ([]leaf, error) {
	var leaves []leaf
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data)), "\n")
	for i := 0; i < len(lines); i++ {
		line := i + 1
		piece := trimPropertySpace(lines[i])
		if piece == "" || piece[0] == '#' || piece[0] == '!' {
			continue
		}
		var logical strings.Builder
		for continues(piece) {
			logical.WriteString(piece[:len(piece)-1])
			if i++; i == len(lines) {
				piece = ""
				break
			}
			piece = trimPropertySpace(lines[i])
		}
		logical.WriteString(piece)
		l, err := propertyLeaf(line, logical.String())
		if err != nil {
			return nil, err
		}
		leaves = append(leaves, l)
	}
	return leaves, nil
}

// trimPropertySpace drops the white space before a line's text. What is after it counts.
func trimPropertySpace(line string) string { return strings.TrimLeft(line, " \t\f") }

// continues tells whether the line ends in a backslash that is not itself escaped.
func continues(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// propertyLeaf splits a line at the first =, : or white space that is not escaped.
func propertyLeaf(line int, logical string) (leaf, error) {
	end := 0
	for end < len(logical) && !strings.ContainsRune("=: \t\f", rune(logical[end])) {
		if logical[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(logical))
	rest := trimPropertySpace(logical[end:])
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = trimPropertySpace(rest[1:])
	}
	key, err := unescapeProperty(line, logical[:end])
	if err != nil {
		return leaf{}, err
	}
	text, err := unescapeProperty(line, rest)
	if err != nil {
		return leaf{}, err
	}
	value, err := newString(line, text)
	return leaf{key: key, line: line, value: value}, err
}

// unescapeProperty resolves \n, \t, \r, \f and \uXXXX; a backslash before anything else is dropped.
func unescapeProperty(line int, text string) (string, error) {
	if !strings.Contains(text, `\`) {
		return text, nil
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			out.WriteByte(text[i])
			continue
		}
		i++
		switch text[i] {
		case 'n':
			out.WriteByte('\n')
		case 't':
			out.WriteByte('\t')
		case 'r':
			out.WriteByte('\r')
		case 'f':
			out.WriteByte('\f')
		case 'u':
			r, size := propertyRune(text[i-1:])
			if size == 0 {
				return "", wrong(line, `%.12q is not \u and four hexadecimal digits of a character`, text[i-1:])
			}
			out.WriteRune(r)
			i += size - 2
		default:
			out.WriteByte(text[i])
		}
	}
	return out.String(), nil
}

// propertyRune reads the \uXXXX that text begins with, or the two of a surrogate pair. Size is 0 when it is not one.
func propertyRune(text string) (r rune, size int) {
	unit := func(text string) rune {
		if len(text) < 6 || text[:2] != `\u` {
			return -1
		}
		n, err := strconv.ParseUint(text[2:6], 16, 16)
		if err != nil {
			return -1
		}
		return rune(n)
	}
	first := unit(text)
	switch {
	case first < 0:
		return 0, 0
	case !utf16.IsSurrogate(first):
		return first, 6
	}
	if r = utf16.DecodeRune(first, unit(text[6:])); r == '\uFFFD' {
		return 0, 0
	}
	return r, 12
}

// appendProperty writes one line in ASCII, which every reader of properties takes, whatever encoding it assumes.
func appendProperty(out []byte, key, text string) ([]byte, error) {
	out = append(append(out, key...), '=')
	for i, r := range text {
		switch {
		case r == '\\', r == ' ' && i == 0:
			out = append(out, '\\', byte(r))
		case r == '\n':
			out = append(out, `\n`...)
		case r == '\t':
			out = append(out, `\t`...)
		case r == '\r':
			out = append(out, `\r`...)
		case r == '\f':
			out = append(out, `\f`...)
		case r < ' ', r >= 0x7f && r <= 0xffff:
			out = fmt.Appendf(out, `\u%04X`, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04X\u%04X`, high, low)
		default:
			out = append(out, byte(r))
		}
	}
	return append(out, '\n'), nil
}
