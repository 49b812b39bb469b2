// The words of JSON Schema 2020-12, and Confman's own, offered while one types.
const types = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'];
const words = [
  ['type', 'What kind of value it is', '""'], ['properties', 'A schema for each key, by name', '{}'], ['patternProperties', 'A schema for keys that match a pattern', '{}'], ['additionalProperties', 'For keys that nothing else is said of; false: there are none', 'false'],
  ['required', 'Keys that must be there', '[]'], ['enum', 'The only values that are allowed', '[]'], ['const', 'The only value that is allowed', '""'], ['default', 'What is meant when nothing is said', '""'], ['title', 'A short name', '""'], ['description', 'What it is for', '""'],
  ['minimum', 'Not less', '0'], ['maximum', 'Not more', '0'], ['exclusiveMinimum', 'More than', '0'], ['exclusiveMaximum', 'Less than', '0'], ['multipleOf', 'A multiple of', '1'], ['minLength', 'Characters, at least', '1'], ['maxLength', 'Characters, at most', '100'],
  ['pattern', 'A regular expression that the text must match', '"^"'], ['format', 'A form such as uri, email, date-time, ipv4', '""'], ['items', 'A schema for each item', '{}'], ['prefixItems', 'Schemas for the first items, in order', '[]'], ['minItems', 'Items, at least', '1'], ['maxItems', 'Items, at most', '10'],
  ['uniqueItems', 'No item twice', 'true'], ['minProperties', 'Members, at least', '1'], ['maxProperties', 'Members, at most', '10'], ['propertyNames', 'A schema for the names', '{}'], ['allOf', 'All of these hold', '[]'], ['anyOf', 'At least one of these holds', '[]'],
  ['oneOf', 'Exactly one of these holds', '[]'], ['not', 'This does not hold', '{}'], ['if', 'When this holds …', '{}'], ['then', '… then this must', '{}'], ['else', '… and otherwise this', '{}'], ['$defs', 'Schemas to refer to', '{}'], ['$ref', 'The schema of that name', '"#/$defs/"'],
  ['examples', 'For people', '[]'], ['x-confman-immutable', 'It is set once', 'true'], ['x-confman-deprecated', 'Reads warn, nothing new is written', 'true'], ['x-confman-secret-ref', 'Its value is a reference to a secret', 'true'],
];

/** Completion for the Editor. */
export function complete(context) {
  const line = context.state.doc.lineAt(context.pos);
  const before = line.text.slice(0, context.pos - line.from);
  const value = before.match(/"type"\s*:\s*\[?(?:\s*"\w*"\s*,)*\s*("?\w*)$/);
  if (value) return offer(context, value[1], types.map((t) => ({ label: t, apply: quoted(`"${t}"`), type: 'enum' })));
  const word = before.match(/(?:^|[{,])\s*("?[\w$-]*)$/);
  if (!word || (!word[1] && !context.explicit)) return null;
  return offer(context, word[1], words.map(([label, detail, rest]) => ({ label, detail, apply: quoted(`"${label}": ${rest}`), type: 'property' })));
}

const offer = (context, typed, options) => ({ from: context.pos - typed.length, options: options.map((o) => ({ ...o, label: typed.startsWith('"') ? `"${o.label}` : o.label, displayLabel: o.label })), validFor: /^"?[\w$-]*$/ });

// Puts text in; a quote that the editor has closed already goes.
const quoted = (text) => (view, completion, from, to) => {
  const end = view.state.sliceDoc(to, to + 1) === '"' ? to + 1 : to;
  view.dispatch({ changes: { from, to: end, insert: text }, selection: { anchor: from + (/(""|\{\}|\[\]|"\^")$/.test(text) ? text.length - 1 : text.length) } });
};
