// Package check decides whether a cluster kept its promises, from what clients
// noted and from what the nodes say when it is over. Each check has a name, which
// is that of docs/failure-modes.md:
//
//	C1  reads and writes of each key are linearizable
//	C2  every acknowledged write is in the history, once; indexes are dense; the chain verifies
//	C3  every node has the same chain at the same index
//	C4  every stream is ordered, whole, unique, atomic per transaction, resumable
//	C5  local reads and reads of the past return what was committed, never too old
//	C6  goroutines, descriptors and heap return to what the history needs, and own memory to a bound
//	C7  no error is logged but in the time of a fault
//	C8  nothing became live without the approvals that it needed
//
// What is not as it must be is a [Finding]. No findings mean that all is well:
// checks fail with an error when they could not be made.
package check

import "fmt"

// Finding is one violation, with the evidence in its words.
type Finding struct {
	Check string `json:"check"` // C1 … C8, or what else was asserted
	Says  string `json:"says"`
}

// String is the finding in a line.
func (f Finding) String() string { return f.Check + ": " + f.Says }

// findings gives sentences the name of a check.
func findings(check string, says []string) (all []Finding) {
	for _, s := range says {
		all = append(all, Finding{check, s})
	}
	return all
}

func finding(check, format string, args ...any) Finding {
	return Finding{check, fmt.Sprintf(format, args...)}
}
