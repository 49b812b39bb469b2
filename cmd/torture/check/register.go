package check

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Kind is what an operation on one key does.
type Kind string

// Kinds of operations.
const (
	Read   Kind = "get"
	Put    Kind = "put"
	Swap   Kind = "put if version"
	Remove Kind = "delete"
)

// Asked is an operation as it was sent: the Input of a porcupine.Operation.
type Asked struct {
	Kind  Kind
	Key   string
	Value string
	Match uint64 // Swap: the version that the key must have, 0: it must not exist
}

// Got is how an operation ended: done, or refused because the state was another.
// It is the Output of a porcupine.Operation.
type Got struct {
	Done    bool
	Version uint64 // 0 of a deletion: not known
	Value   string
	Index   uint64 // the event that a deletion was, 0: not known
	// Doubt: it was refused when it was repeated, and whether the first attempt
	// is still on its way nobody can tell.
	Doubt bool
	// Unknown: it may happen at any time, or never.
	Unknown bool
}

// register is one key: what the model knows of it.
type register struct {
	live    bool
	version uint64
	value   string
}

// step is the specification: which states may follow when an operation ended
// so. An entry's version counts its deletions.
func (s register) step(in Asked, out Got) []register {
	next := register{live: in.Kind != Remove, version: s.version + 1, value: in.Value}
	allowed := map[Kind]bool{
		Read: s.live, Put: true, Remove: s.live, Swap: s.live && s.version == in.Match || !s.live && in.Match == 0,
	}[in.Kind]
	switch {
	case in.Kind == Read:
		if out.Done == s.live && (!s.live || out.Version == s.version && out.Value == s.value) {
			return []register{s}
		}
	case (out.Doubt || out.Unknown) && allowed:
		return []register{s, next}
	case out.Doubt || out.Unknown:
		return []register{s}
	case out.Done && allowed && (in.Kind == Remove && out.Version == 0 || out.Version == next.version):
		return []register{next}
	case !out.Done && !allowed:
		return []register{s}
	}
	return nil
}

// Model is the specification of all keys, each a register with versions.
func Model() porcupine.Model {
	nondeterministic := porcupine.NondeterministicModel{
		Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
			keys := map[string][]porcupine.Operation{}
			for _, o := range all {
				in, _ := o.Input.(Asked)
				keys[in.Key] = append(keys[in.Key], o)
			}
			parts := make([][]porcupine.Operation, 0, len(keys))
			for _, part := range keys {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() []any { return []any{register{}} },
		Step: func(state, input, output any) (next []any) {
			s, _ := state.(register)
			in, _ := input.(Asked)
			out, _ := output.(Got)
			for _, r := range s.step(in, out) {
				next = append(next, r)
			}
			return next
		},
		Equal: func(a, b any) bool { return a == b },
		DescribeOperation: func(input, output any) string {
			return fmt.Sprintf("%+v: %+v", input, output)
		},
	}
	return nondeterministic.ToModel()
}

// Settled decides, by the history of the registers' namespace, what nobody was
// answered. Of operations whose end is in doubt, a value that is in the history was
// written, and what is not in it never happened; a deletion is the version that stands
// at its index. Each is one of the outcomes that the model allows, so that an order
// that is found then is one of the operations as they were; and without this there may
// be too many to try. Values must be unique. A deletion that nobody confirmed stays in
// doubt where the history has more of them than were confirmed.
func (h History) Settled(namespace string, all []porcupine.Operation) (settled []porcupine.Operation) {
	type writing struct{ key, value string }
	written, versions, removed := map[writing]uint64{}, map[string]uint64{}, map[string]int{}
	deletions := map[uint64]uint64{} // versions by index
	for _, e := range h {
		if e.Namespace != namespace || e.Key == nil {
			continue
		}
		versions[*e.Key]++
		if e.NewValue == nil {
			removed[*e.Key]++
			deletions[e.Index] = versions[*e.Key]
		} else {
			written[writing{*e.Key, *e.NewValue}] = versions[*e.Key]
		}
	}
	for _, o := range all {
		in, _ := o.Input.(Asked)
		if out, _ := o.Output.(Got); in.Kind == Remove && out.Done {
			removed[in.Key]--
		}
	}
	for _, o := range all {
		in, _ := o.Input.(Asked)
		out, _ := o.Output.(Got)
		switch {
		case in.Kind == Remove && out.Done:
			out.Version = deletions[out.Index]
			o.Output = out
		case out.Doubt || out.Unknown:
			version := written[writing{in.Key, in.Value}]
			switch {
			case in.Kind == Remove && removed[in.Key] > 0:
			case in.Kind == Remove || version == 0:
				continue
			default:
				o.Output = Got{Done: true, Version: version, Value: in.Value}
			}
		}
		settled = append(settled, o)
	}
	return settled
}

// Linearizable is C1: whether the operations on each key can be put in one order
// that the model allows and real time permits, judged within a limit for each. A
// picture of those of a key that cannot is written to a directory.
func Linearizable(all []porcupine.Operation, limit time.Duration, dir string) (found []Finding) {
	model := Model()
	for _, part := range model.Partition(all) {
		of, _ := part[0].Input.(Asked)
		if order := ordered(part); order != nil && porcupine.CheckOperations(model, order) {
			continue
		}
		name := filepath.Join(dir, strings.ReplaceAll(of.Key, "/", "-"))
		switch porcupine.CheckOperationsTimeout(model, part, limit) {
		case porcupine.Illegal:
			_, info := porcupine.CheckOperationsVerbose(model, part, limit) // which takes much longer, for what it draws
			drawn := name + ".html"
			if err := porcupine.VisualizePath(model, info, drawn); err != nil {
				drawn = err.Error()
			}
			found = append(found, finding("C1", "%s: %d operations are not linearizable; see %s", of.Key, len(part), drawn))
		case porcupine.Unknown:
			found = append(found, finding("C1", "%s: %d operations could not be judged within %v; see %s", of.Key, len(part), limit, keep(part, name+".json")))
		}
	}
	return found
}

// keep writes operations to a file, and returns its name, or why it could not.
func keep(all []porcupine.Operation, file string) string {
	text, err := json.Marshal(all)
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return err.Error()
	}
	return file
}
