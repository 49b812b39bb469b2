package check

import (
	"strings"
	"time"

	"confman/cmd/torture/lab"
)

// Window is a time in which something was wrong on purpose.
type Window struct{ From, To time.Time }

// Logs is C7: what the nodes logged as an error at a time when nothing was wrong,
// and what they said that is no log line at all, such as a crash, at any time.
// Log lines say the second only.
func Logs(l *lab.Lab, faults []Window) (found []Finding, err error) {
	for _, n := range l.Nodes() {
		text, err := n.LogSince(0)
		if err != nil {
			return nil, err
		}
		said, words := 0, ""
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, lastWords) {
				words = line
				continue
			}
			wrong := judge(line, faults)
			if words != "" {
				line, wrong, words = words, unexpected(line, faults), ""
			}
			if !wrong || said >= 10 { // one crash says much
				continue
			}
			said++
			found = append(found, finding("C7", "%s: %s", n.ID, strings.TrimSpace(line)))
		}
	}
	return found, nil
}

// lastWords begin the last line of a process that ends with an error, which is no
// log line. The first line of its next life says when that was.
const lastWords = "confman: "

func judge(line string, faults []Window) (wrong bool) {
	var said struct{ Level string }
	if strings.TrimSpace(line) == "" {
		return false
	}
	if !decode([]byte(line), &said) {
		return true
	}
	if said.Level != "error" && said.Level != "fatal" && said.Level != "panic" {
		return false
	}
	return unexpected(line, faults)
}

// unexpected reports whether a log line is of a time when nothing was wrong.
func unexpected(line string, faults []Window) bool {
	var said struct{ Time string } // Raft has a field time of its own: the last one counts
	if !decode([]byte(line), &said) {
		return true
	}
	at, err := time.Parse(time.RFC3339, said.Time)
	if err != nil {
		return true
	}
	for _, w := range faults {
		if !at.Before(w.From.Truncate(time.Second)) && !at.After(w.To) {
			return false
		}
	}
	return true
}
