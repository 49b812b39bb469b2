package events

import "maps"

// Breach is what live values of a namespace break of a schema.
type Breach struct {
	Namespace string
	Fields    []Field
}

// Breaches lists the namespaces in which live values would break a schema that
// is set on one of them or above. What has no values breaks nothing: a schema may
// come first.
func Breaches(v View, namespace string, doc SchemaDoc) (broken []Breach) {
	if doc.Schema == nil {
		return nil
	}
	look := func(name string) {
		values := maps.Collect(effective(v, name, nil))
		if fields := doc.Schema.Judge(sortedMembers(values)); len(values) > 0 && len(fields) > 0 {
			broken = append(broken, Breach{name, fields})
		}
	}
	if namespace != Root {
		look(namespace) // although it may not be there yet: then it inherits
	}
	for n := range v.NamespacesWithin(namespace) {
		if n.Path != namespace && SchemaReaches(v, n.Path, namespace) {
			look(n.Path)
		}
	}
	return broken
}

// SchemaReaches reports whether a schema of one namespace holds in another below
// it.
func SchemaReaches(v PolicyView, below, above string) bool {
	for path := range Upwards(below) {
		if path == above {
			return true
		}
		if v.Policy(path).Schema.cuts() {
			return false
		}
	}
	return false
}

// breaches lists what live values break of a schema that a namespace is to have,
// and of those above where they were cut off and are so no more; it guards that
// no others come meanwhile.
func (d *decision) breaches(namespace string, doc SchemaDoc, wasCut bool) (fields []Field) {
	schemas := []SchemaDoc{doc}
	if above, ok := parent(namespace); ok && wasCut && !doc.cuts() {
		for _, s := range Schemas(d.view, above) {
			schemas = append(schemas, SchemaDoc{Schema: s})
		}
	}
	for _, doc := range schemas {
		if doc.Schema == nil {
			continue
		}
		d.holdsValues(namespace)
		for n := range d.view.NamespacesWithin(namespace) {
			d.holdsValues(n.Path)
		}
		for _, b := range Breaches(d.view, namespace, doc) {
			for _, f := range b.Fields {
				f.Detail += " (in namespace " + b.Namespace + ")"
				if fields = append(fields, f); len(fields) == schemaFields {
					return fields
				}
			}
		}
	}
	return fields
}

// holdsValues guards which namespaces there are, and all values of one and of
// those above it.
func (d *decision) holdsValues(namespace string) {
	d.holds(Subject{Noun: TheNamespaces}, d.view.NamespacesRevision())
	for path := range Upwards(namespace) {
		if path != Root {
			d.holds(Subject{Noun: TheContents, Namespace: path}, d.view.Namespace(path).Contents)
		}
	}
}

// recast is a present in which one namespace has another policy.
type recast struct {
	View
	policy Policy
}

func (r recast) Policy(namespace string) Policy {
	if namespace == r.policy.Namespace {
		return r.policy
	}
	return r.View.Policy(namespace)
}

// judgePolicy refuses another policy of a namespace when, by what is inherited
// then or is not any more, values would break a schema that they did not break
// before. When the namespace ends, with edits, it is not judged itself.
func (d *decision) judgePolicy(policy Policy, edits map[string]map[string]*Value) error {
	after := recast{d.view, policy}
	var broken []Field
	for n := range d.view.NamespacesWithin(policy.Namespace) {
		if n.Path == policy.Namespace && edits != nil {
			continue
		}
		held := map[*Schema]bool{}
		for _, s := range Schemas(d.view, n.Path) {
			held[s] = true
		}
		for _, s := range Schemas(after, n.Path) {
			d.holdsValues(n.Path)
			before := excuse{
				was: maps.Collect(effective(d.view, n.Path, nil)),
				is:  maps.Collect(effective(after, n.Path, edits)),
			}
			if held[s] {
				before.broken = s.Judge(sortedMembers(before.was))
			}
			for _, f := range s.Judge(sortedMembers(before.is)) {
				if !before.covers(f) {
					broken = append(broken, Field{f.Pointer, f.Detail + " (in namespace " + n.Path + ")"})
				}
			}
		}
	}
	return schemaRefusal(broken)
}
