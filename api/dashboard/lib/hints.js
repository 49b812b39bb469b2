// What the schemas of a namespace say about one of its keys: for people to read, and for the editor to complete.

const matches = (pattern, key) => {
  try {
    return new RegExp(pattern, 'u').test(key);
  } catch {
    return false;
  }
};

// What one schema has to say about a key: its own entry, those of patterns, or what holds for all others.
function saying(schema, key) {
  if (typeof schema !== 'object' || schema === null) return [];
  const own = Object.hasOwn(schema.properties ?? {}, key) ? [schema.properties[key]] : [];
  const patterns = Object.entries(schema.patternProperties ?? {}).filter(([p]) => matches(p, key)).map(([, s]) => s);
  const rest = own.length + patterns.length === 0 && schema.additionalProperties !== undefined ? [schema.additionalProperties] : [];
  return [...own, ...patterns, ...rest, ...(schema.allOf ?? []).flatMap((s) => saying(s, key))];
}

/** The subschemas about a key, of all effective schemas, and whether a schema wants the key: {schemas, unknown (no others allowed), required}. */
export function hints(effective, key) {
  const found = (effective ?? []).flatMap(({ from, schema }) => saying(schema, key).map((s) => ({ from, schema: s })));
  return {
    schemas: found.filter((f) => typeof f.schema === 'object' && f.schema !== null).map((f) => f.schema),
    unknown: found.find((f) => f.schema === false)?.from,
    required: (effective ?? []).some(({ schema }) => schema?.required?.includes?.(key)),
  };
}

const first = (schemas, name) => schemas.find((s) => s[name] !== undefined)?.[name];
const limits = { minimum: 'at least', exclusiveMinimum: 'more than', maximum: 'at most', exclusiveMaximum: 'less than', multipleOf: 'a multiple of' };

/** The schemas in words: {title, description, rules: [text], choices, type, default, examples}. */
export function words({ schemas, required }) {
  const rules = first(schemas, 'type') === 'integer' ? ['a whole number'] : [];
  for (const [name, text] of Object.entries(limits)) if (first(schemas, name) !== undefined) rules.push(`${text} ${first(schemas, name)}`);
  const [min, max, pattern, format] = ['minLength', 'maxLength', 'pattern', 'format'].map((n) => first(schemas, n));
  if (min) rules.push(`${min} characters or more`);
  if (max !== undefined) rules.push(`${max} characters at most`);
  if (pattern) rules.push(`matches ${pattern}`);
  if (format) rules.push(`a ${format}`);
  if (required) rules.push('must be there');
  if (first(schemas, 'x-confman-immutable')) rules.push('never changes once it is set');
  if (first(schemas, 'x-confman-secret-ref')) rules.push('a reference to a secret, never the secret itself');
  const choices = first(schemas, 'const') !== undefined ? [first(schemas, 'const')] : first(schemas, 'enum');
  return {
    title: first(schemas, 'title'), description: first(schemas, 'description'), rules, choices, default: first(schemas, 'default'),
    deprecated: Boolean(first(schemas, 'x-confman-deprecated') ?? first(schemas, 'deprecated')), immutable: Boolean(first(schemas, 'x-confman-immutable')),
    type: valueType(schemas),
  };
}

// The type that a value must have to satisfy the schemas, '' when they leave it open.
function valueType(schemas) {
  if (first(schemas, 'x-confman-secret-ref')) return 'secret-ref';
  const type = first(schemas, 'type');
  if (type === undefined) {
    const kinds = new Set((first(schemas, 'enum') ?? []).map((v) => typeof v));
    return kinds.size === 1 && kinds.has('string') ? 'string' : kinds.size === 1 && kinds.has('number') ? 'number' : '';
  }
  return { integer: 'number', number: 'number', string: 'string', boolean: 'boolean', object: 'json', array: 'json' }[type] ?? '';
}

// The path of names at the end of JSON text, and whether a name or a value comes next.
function where(text) {
  const stack = [];
  let word, after = '';
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"?|[{}[\],:]/g)) {
    if (token === '{' || token === '[') { stack.push({ kind: token, name: word }); word = undefined; after = token; }
    else if (token === '}' || token === ']') { stack.pop(); after = token; }
    else if (token === ',' || token === ':') after = token;
    else if (stack.at(-1)?.kind === '{' && after !== ':') word = token.slice(1, token.endsWith('"') && token.length > 1 ? -1 : undefined);
  }
  const path = stack.slice(1).map((s, i) => (stack[i].kind === '[' ? 0 : s.name));
  return { path, name: stack.at(-1)?.kind === '{' && after !== ':' ? true : undefined, of: after === ':' ? word : undefined, inArray: stack.at(-1)?.kind === '[' };
}

const below = (schema, step) => [step === 0 ? schema?.items : schema?.properties?.[step] ?? (typeof schema?.additionalProperties === 'object' ? schema.additionalProperties : undefined),
  ...(schema?.allOf ?? []).flatMap((s) => below(s, step))].filter((s) => typeof s === 'object' && s !== null);

// Puts a name or value in place of what was typed, its closing quote included.
const put = (text) => (view, _, from, to) => {
  const end = view.state.sliceDoc(to, to + 1) === '"' ? to + 1 : to;
  view.dispatch({ changes: { from, to: end, insert: text }, selection: { anchor: from + text.length }, userEvent: 'input.complete' });
};

/** Completes JSON from the schemas of its key: names of members where one comes, allowed values after a colon. */
export function completion(schemas) {
  return (context) => {
    const typed = context.matchBefore(/"?[\w./-]*/);
    if (!typed || (typed.from === typed.to && !context.explicit)) return null;
    const at = where(context.state.sliceDoc(Math.max(0, typed.from - 50_000), typed.from));
    const here = at.path.reduce((found, step) => found.flatMap((s) => below(s, step)), schemas);
    const options = at.name
      ? here.flatMap((s) => Object.entries(s.properties ?? {})).map(([label, s]) => ({ label: JSON.stringify(label), apply: put(`${JSON.stringify(label)}: `), type: 'property', info: s?.description, detail: [s?.type].flat().join(' or ') }))
      : here.flatMap((s) => below(s, at.inArray ? 0 : at.of)).flatMap((s) => s.enum ?? (s.type === 'boolean' ? [true, false] : [])).map((v) => ({ label: JSON.stringify(v), apply: put(JSON.stringify(v)), type: 'enum' }));
    return options.length ? { from: typed.from, options } : null;
  };
}
