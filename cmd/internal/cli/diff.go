package cli

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"confman/api/client"
	"confman/api/wire"
)

const (
	diffLines   = 8  // of the old and of the new text that a difference shows
	diffContext = 12 // characters of equal text that are left before a difference
)

// printDiff writes what an import does, for people: one line for each key, and
// for text of several lines those between the first and the last that differ.
func printDiff(w io.Writer, differences []difference) error {
	out := bufio.NewWriter(w)
	for _, d := range differences {
		switch {
		case d.Old == nil:
			fmt.Fprintf(out, "+ %s: %s\n", d.Key, d.New.short(0))
		case d.New == nil:
			fmt.Fprintf(out, "- %s: %s\n", d.Key, d.Old.short(0))
		default:
			printUpdate(out, d)
		}
	}
	return out.Flush()
}

func printUpdate(w io.Writer, d difference) {
	before, after := d.Old.text(), d.New.text()
	switch {
	case d.Old.Type != d.New.Type:
		fmt.Fprintf(w, "~ %s: %s %s → %s %s\n", d.Key, d.Old.Type, d.Old.short(0), d.New.Type, d.New.short(0))
	case d.New.Type != wire.TypeBinary && strings.Contains(before, "\n") && strings.Contains(after, "\n"):
		printLines(w, d.Key, strings.Split(before, "\n"), strings.Split(after, "\n"))
	default:
		skip := sameStart(before, after)
		fmt.Fprintf(w, "~ %s: %s → %s\n", d.Key, d.Old.short(skip), d.New.short(skip))
	}
}

// printLines leaves out the lines that both texts begin and end with.
func printLines(w io.Writer, key string, before, after []string) {
	first := 0
	for first < len(before) && first < len(after) && before[first] == after[first] {
		first++
	}
	before, after = before[first:], after[first:]
	for len(before) > 0 && len(after) > 0 && before[len(before)-1] == after[len(after)-1] {
		before, after = before[:len(before)-1], after[:len(after)-1]
	}
	fmt.Fprintf(w, "~ %s: from line %d\n", key, first+1)
	show := func(mark string, lines []string) {
		for _, line := range lines[:min(len(lines), diffLines)] {
			fmt.Fprintf(w, "    %s %s\n", mark, visible(line))
		}
		if more := len(lines) - diffLines; more > 0 {
			fmt.Fprintf(w, "    %s … %s more\n", mark, counted(more, "line"))
		}
	}
	show("-", before)
	show("+", after)
}

// sameStart is how many bytes two long texts need not show, as both begin with
// them.
func sameStart(a, b string) (skip int) {
	if len(a) <= cellWidth && len(b) <= cellWidth {
		return 0
	}
	var starts []int // of the characters that are equal
	for i, r := range a {
		if !strings.HasPrefix(b[min(i, len(b)):], string(r)) {
			break
		}
		starts = append(starts, i)
	}
	if len(starts) <= diffContext {
		return 0
	}
	return starts[len(starts)-diffContext]
}

// text is a value as a person reads it.
func (v typedValue) text() string {
	content, err := client.Bytes(v.Type, v.Value)
	if err != nil {
		return string(v.Value)
	}
	return string(content)
}

// short is a value on one line, from a byte of its text on.
func (v typedValue) short(skip int) string {
	text := v.text()
	switch {
	case v.Type == wire.TypeBinary:
		return counted(len(text), "byte")
	case text == "":
		return `""`
	case skip > 0:
		return "…" + visible(text[skip:])
	}
	return visible(text)
}
