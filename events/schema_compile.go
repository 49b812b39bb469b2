package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	metaschema   = "https://json-schema.org/draft/2020-12/schema"
	vocabularies = "https://json-schema.org/draft/2020-12/" // everything of that draft
	schemaBase   = "confman:///schema"                      // what a relative $id or $ref is relative to
)

// ruleset is a compiled schema. The library reads it and resolves what refers to
// what; judging is ours (see [judge]).
type ruleset struct {
	root      *jsonschema.Schema
	rules     map[*jsonschema.Schema]*rule
	resources map[string]*resource
	flagged   bool // any subschema has flags
}

// rule is what judging by a subschema needs beside the library's reading of it.
type rule struct {
	resource *resource
	flags    SchemaFlags
	types    []string        // of type
	allowed  map[string]bool // identities of enum
	constant []byte          // identity of const
	patterns []patternRule   // patternProperties in their order

	minimum, maximum, above, below, multiple *decimal
}

type patternRule struct {
	*pattern
	then *jsonschema.Schema
}

// resource is a schema resource (core § 4.3.5) and its dynamic anchors.
type resource struct {
	anchors map[string]*jsonschema.Schema
}

// compileSchema compiles a document. A new one is judged by the metaschema first,
// which says better than the library does what is wrong with it.
func compileSchema(document jsontext.Value, isNew bool) (*ruleset, error) {
	parsed, err := decodeInstance(document)
	if err != nil {
		return nil, Invalid("", "is not valid JSON: %v", err)
	}
	text := surveySchema(parsed)
	if len(text.found.fields) > 0 {
		return nil, &Refusal{Kind: ErrInvalid, Fields: text.found.list()}
	}
	if isNew {
		own := surveySchema(true) // its patterns do not count with those of the document
		meta, err := compileWith(newCompiler(own), metaschema, own)
		if err != nil {
			return nil, fmt.Errorf("compile the metaschema: %w", err)
		}
		if fields := newJudge(meta).judge(parsed); len(fields) > 0 {
			return nil, &Refusal{Kind: ErrInvalid, Fields: fields}
		}
	}
	c := newCompiler(text)
	if err := c.AddResource(schemaBase, parsed); err != nil {
		return nil, Invalid("", "cannot be compiled: %v", err)
	}
	rules, err := compileWith(c, schemaBase, text)
	if err != nil {
		return nil, text.refusal(err)
	}
	if err := rules.checkExpansion(); err != nil {
		return nil, err
	}
	return rules, nil
}

func newCompiler(s *survey) *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(refuseToLoad{})
	c.UseRegexpEngine(func(expr string) (jsonschema.Regexp, error) {
		if known := s.patterns[expr]; known != nil {
			return known, nil
		}
		s.pattern(nil, expr)
		if known := s.patterns[expr]; known != nil {
			return known, nil
		}
		return nil, fmt.Errorf("pattern %q cannot be used", expr)
	})
	return c
}

// refuseToLoad stands where the library would open files.
type refuseToLoad struct{}

var errNotInSchema = errors.New("is not in the schema")

func (refuseToLoad) Load(string) (any, error) { return nil, errNotInSchema }

func compileWith(c *jsonschema.Compiler, location string, s *survey) (*ruleset, error) {
	root, err := c.Compile(location)
	if err != nil {
		return nil, err
	}
	r := &ruleset{
		root: root, flagged: len(s.flags) > 0,
		rules: map[*jsonschema.Schema]*rule{}, resources: map[string]*resource{},
	}
	if err := r.adopt(root, s); err != nil {
		return nil, err
	}
	for _, pointer := range s.dynamic { // only a $dynamicRef elsewhere may lead to them
		sub, err := c.Compile(location + "#" + (&url.URL{Path: pointer}).EscapedPath())
		if err != nil {
			return nil, err
		}
		if err := r.adopt(sub, s); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// adopt makes the rules of a subschema and of all that it leads to.
func (r *ruleset) adopt(s *jsonschema.Schema, text *survey) error {
	todo := []*jsonschema.Schema{s}
	for len(todo) > 0 {
		s, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if r.rules[s] != nil {
			continue
		}
		if !strings.HasPrefix(s.Location, schemaBase+"#") && !strings.HasPrefix(s.Location, vocabularies) {
			return &jsonschema.LoadURLError{URL: s.Location, Err: errNotInSchema}
		}
		r.rules[s] = r.rule(s, text)
		for sub := range subschemas(s) {
			todo = append(todo, sub)
		}
	}
	return nil
}

func (r *ruleset) rule(s *jsonschema.Schema, text *survey) *rule {
	own, pointer := locate(s)
	rule := &rule{
		minimum: decimalOf(s.Minimum), maximum: decimalOf(s.Maximum), multiple: decimalOf(s.MultipleOf),
		above: decimalOf(s.ExclusiveMinimum), below: decimalOf(s.ExclusiveMaximum),
	}
	if own {
		rule.flags = text.flags[pointer]
		for pointer != "" && !text.resources[pointer] {
			pointer = pointer[:strings.LastIndexByte(pointer, '/')]
		}
	} else {
		pointer, _, _ = strings.Cut(s.Location, "#")
	}
	if s.Types != nil {
		rule.types = s.Types.ToStrings()
	}
	if s.Deprecated {
		rule.flags.Deprecated, r.flagged = true, true
	}
	if rule.resource = r.resources[pointer]; rule.resource == nil {
		rule.resource = &resource{map[string]*jsonschema.Schema{}}
		r.resources[pointer] = rule.resource
	}
	if s.DynamicAnchor != "" {
		rule.resource.anchors[s.DynamicAnchor] = s
	}
	if s.Enum != nil {
		rule.allowed = map[string]bool{}
		for _, v := range s.Enum.Values {
			rule.allowed[string(appendIdentity(nil, v, new(int)))] = true
		}
	}
	if s.Const != nil {
		rule.constant = appendIdentity(nil, *s.Const, new(int))
	}
	for re, then := range s.PatternProperties {
		rule.patterns = append(rule.patterns, patternRule{re.(*pattern), then})
	}
	slices.SortFunc(rule.patterns, func(a, b patternRule) int { return strings.Compare(a.String(), b.String()) })
	return rule
}

// locate says whether a subschema is of the document, and gives its pointer.
func locate(s *jsonschema.Schema) (own bool, pointer string) {
	base, fragment, _ := strings.Cut(s.Location, "#")
	pointer, err := url.PathUnescape(fragment)
	return base == schemaBase && err == nil, pointer
}

// subschemas yields the subschemas of a subschema, and whether each is applied
// to the very same value.
func subschemas(s *jsonschema.Schema) iter.Seq2[*jsonschema.Schema, bool] {
	same := []*jsonschema.Schema{s.Ref, s.Not, s.If, s.Then, s.Else}
	if s.DynamicRef != nil {
		same = append(same, s.DynamicRef.Ref)
	}
	same = slices.Concat(same, s.AllOf, s.AnyOf, s.OneOf, slices.Collect(maps.Values(s.DependentSchemas)))
	parts := []*jsonschema.Schema{s.PropertyNames, s.UnevaluatedProperties, s.Contains, s.Items2020, s.UnevaluatedItems}
	parts = slices.Concat(parts, s.PrefixItems, slices.Collect(maps.Values(s.Properties)), slices.Collect(maps.Values(s.PatternProperties)))
	if extra, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		parts = append(parts, extra)
	}
	for _, dependency := range s.Dependencies {
		if sub, ok := dependency.(*jsonschema.Schema); ok {
			same = append(same, sub)
		}
	}
	return func(yield func(*jsonschema.Schema, bool) bool) {
		for i, sub := range slices.Concat(same, parts) {
			if sub != nil && !yield(sub, i < len(same)) {
				return
			}
		}
	}
}

// refusal says what the compiler could not resolve, and where.
func (s *survey) refusal(err error) error {
	var refused *Refusal
	if errors.As(err, &refused) {
		return err
	}
	clean := func(text string) string {
		return strings.ReplaceAll(strings.ReplaceAll(text, schemaBase, ""), "confman:///", "")
	}
	var load *jsonschema.LoadURLError
	var anchor *jsonschema.AnchorNotFoundError
	var pointer *jsonschema.JSONPointerNotFoundError
	var missing string
	switch {
	case errors.As(err, &load):
		missing = load.URL
	case errors.As(err, &anchor):
		missing = anchor.Reference
	case errors.As(err, &pointer):
		missing = pointer.URL
	default:
		return Invalid("", "cannot be compiled: %s", clean(err.Error()))
	}
	at, _, _ := strings.Cut(clean(missing), "#")
	for _, ref := range s.refs {
		if target, _, _ := strings.Cut(ref.target, "#"); ref.target == clean(missing) || (load != nil && strings.HasSuffix(at, target) && target != "") {
			return Invalid(ref.pointer, "is %s, which is not in the schema; other documents can be bundled under $defs with their $id", show(ref.target))
		}
	}
	return Invalid("", "refers to %s, which is not in the schema", show(json.Number(clean(missing))))
}
