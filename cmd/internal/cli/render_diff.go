package cli

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"confman/api/client"
	"confman/api/wire"
)

const (
	diffAround = 3       // equal lines shown before and after one that differs
	diffMost   = 400     // lines that one change may take
	diffWide   = 2000    // characters of one line
	diffWork   = 4 << 20 // pairs of lines that are compared at most
)

// Colours of a terminal (ECMA-48 SGR).
const (
	colourNone  = ""
	colourOld   = "\x1b[31m"
	colourNew   = "\x1b[32m"
	colourOther = "\x1b[36m"
	colourEnd   = "\x1b[0m"
)

// colours reports whether what is written to w may be coloured: a terminal that
// can, or CLICOLOR_FORCE, and neither --no-color nor NO_COLOR (no-color.org).
func (s *connection) colours(w io.Writer) bool {
	if s.noColour || s.env.lookup("NO_COLOR") != "" {
		return false
	}
	if force := s.env.lookup("CLICOLOR_FORCE"); force != "" && force != "0" {
		return true
	}
	file, ok := w.(*os.File)
	return ok && s.env.lookup("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))
}

// printChange writes one key before and after, for people: a line that names it,
// then what differs. That is one line for each place of a JSON value if the
// change has Diff, else the lines that go and come; JSON is indented for it. A
// type that is not known may be empty. Nothing in a value reaches a terminal
// unspelled. The error is that of w.
func (s *connection) printChange(w io.Writer, c wire.ValueChange) error {
	var b bytes.Buffer
	p := changePrinter{&b, s.colours(w)}
	p.title(c)
	before, after := shownText(c.OldType, c.NewType, c.Old), shownText(c.NewType, c.OldType, c.New)
	switch {
	case c.Action == wire.ActionUpdate && len(c.Diff) > 0 && (len(c.Diff) > 1 || c.Diff[0].Pointer != ""):
		p.places(c.Diff)
	case before == after && c.Action == wire.ActionUpdate:
		p.line(colourNone, "(the value stays as it is)")
	default:
		p.lines(compareLines(splitLines(before), splitLines(after)))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// changePrinter writes the parts of a change.
type changePrinter struct {
	w      io.Writer
	colour bool
}

// line writes an indented line.
func (p changePrinter) line(colour, text string) {
	fmt.Fprintf(p.w, "    %s\n", p.coloured(colour, text))
}

func (p changePrinter) coloured(colour, text string) string {
	if !p.colour || colour == colourNone {
		return text
	}
	return colour + text + colourEnd
}

// title names the key and says what happens to it:
// "~ teams/pay/db.url (string, version 3)".
func (p changePrinter) title(c wire.ValueChange) {
	mark, colour := "~", colourOther
	switch c.Action {
	case wire.ActionCreate:
		mark, colour = "+", colourNew
	case wire.ActionDelete:
		mark, colour = "-", colourOld
	}
	var about []string
	switch {
	case c.OldType != "" && c.NewType != "" && c.OldType != c.NewType:
		about = append(about, c.OldType+" → "+c.NewType)
	case c.OldType+c.NewType != "":
		about = append(about, cmp.Or(c.NewType, c.OldType))
	}
	if c.OldVersion > 0 {
		about = append(about, fmt.Sprintf("version %d", c.OldVersion))
	}
	name := mark + " " + spelled(c.Namespace+"/"+c.Key, diffWide)
	if len(about) > 0 {
		name += " (" + strings.Join(about, ", ") + ")"
	}
	fmt.Fprintln(p.w, p.coloured(colour, name))
}

// places writes each place in which two JSON values differ, by its JSON pointer.
func (p changePrinter) places(differences []wire.Difference) {
	for i, d := range differences {
		if i == diffMost {
			p.line(colourNone, fmt.Sprintf("… %s more", counted(len(differences)-i, "difference")))
			return
		}
		place, before, after := spelled(d.Pointer, diffWide), spelled(string(d.Old), diffWide), spelled(string(d.New), diffWide)
		switch {
		case d.Old == nil:
			p.line(colourNew, "+ "+place+": "+after)
		case d.New == nil:
			p.line(colourOld, "- "+place+": "+before)
		default:
			p.line(colourNone, "~ "+place+": "+p.coloured(colourOld, before)+" → "+p.coloured(colourNew, after))
		}
	}
}

// lines writes the lines that go and come, with some equal ones around them.
func (p changePrinter) lines(all []comparedLine) {
	shown, last := 0, -1
	for i, line := range all {
		if !nearChange(all, i) {
			continue
		}
		if shown == diffMost {
			p.line(colourNone, "… and more; -o json has all of it")
			return
		}
		if i > last+1 {
			p.line(colourNone, fmt.Sprintf("… %s", counted(i-last-1, "equal line")))
		}
		colour := map[byte]string{'-': colourOld, '+': colourNew}[line.mark]
		text, whole := strings.CutSuffix(line.text, "\n")
		p.line(colour, string(line.mark)+" "+spelled(text, diffWide))
		if !whole && len(all) > 2 {
			p.line(colourNone, `\ no newline at the end`)
		}
		shown, last = shown+1, i
	}
}

// nearChange reports whether a line differs or stands close to one that does.
func nearChange(all []comparedLine, i int) bool {
	for _, line := range all[max(0, i-diffAround):min(len(all), i+diffAround+1)] {
		if line.mark != ' ' {
			return true
		}
	}
	return false
}

// comparedLine is a line of one text ('-', '+') or of both (' ').
type comparedLine struct {
	mark byte
	text string // with its newline, where it has one
}

// compareLines finds a longest common subsequence. Where that would take too
// long everything between the first and the last difference is replaced.
func compareLines(before, after []string) (all []comparedLine) {
	var tail []comparedLine
	for len(before) > 0 && len(after) > 0 && before[0] == after[0] {
		all = append(all, comparedLine{' ', before[0]})
		before, after = before[1:], after[1:]
	}
	for len(before) > 0 && len(after) > 0 && before[len(before)-1] == after[len(after)-1] {
		tail = append(tail, comparedLine{' ', before[len(before)-1]})
		before, after = before[:len(before)-1], after[:len(after)-1]
	}
	longest := commonLengths(before, after)
	for i, j := 0, 0; i < len(before) || j < len(after); {
		switch {
		case longest != nil && i < len(before) && j < len(after) && before[i] == after[j]:
			all = append(all, comparedLine{' ', before[i]})
			i, j = i+1, j+1
		case i < len(before) && (j == len(after) || longest == nil || longest[i+1][j] >= longest[i][j+1]):
			all = append(all, comparedLine{'-', before[i]})
			i++
		default:
			all = append(all, comparedLine{'+', after[j]})
			j++
		}
	}
	slices.Reverse(tail)
	return append(all, tail...)
}

// commonLengths is how many lines before[i:] and after[j:] have in common, in
// order; nil where that is too much work.
func commonLengths(before, after []string) [][]int32 {
	if len(before)*len(after) > diffWork {
		return nil
	}
	lengths := make([][]int32, len(before)+1)
	for i := range lengths {
		lengths[i] = make([]int32, len(after)+1)
	}
	for i := len(before) - 1; i >= 0; i-- {
		for j := len(after) - 1; j >= 0; j-- {
			if before[i] == after[j] {
				lengths[i][j] = lengths[i+1][j+1] + 1
			} else {
				lengths[i][j] = max(lengths[i+1][j], lengths[i][j+1])
			}
		}
	}
	return lengths
}

// splitLines cuts a text after each newline.
func splitLines(text string) []string {
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// shownText is a value as a person compares it; other is the type to go by where
// its own is not known.
func shownText(valueType, other string, value json.RawMessage) string {
	if valueType == typeErased {
		return erasedText
	}
	if value == nil {
		return ""
	}
	switch valueType = cmp.Or(valueType, other); valueType {
	case wire.TypeJSON:
		var indented bytes.Buffer
		if json.Indent(&indented, value, "", "  ") == nil {
			return indented.String() + "\n"
		}
	case wire.TypeBinary:
		if content, err := client.Bytes(valueType, value); err == nil {
			sum := sha256.Sum256(content)
			return fmt.Sprintf("%s, SHA-256 %x…", counted(len(content), "byte"), sum[:6])
		}
	default:
		if content, err := client.Bytes(valueType, value); err == nil && len(content) > 0 {
			return string(content)
		}
	}
	return string(value) // the empty string is seen as ""
}
