// What an editor of one key begins from, and how it is brought back to the node: always as text, so that no number is rounded.
import { call, get, keyPath, nsPath, parse, Problem, write } from './api.js';
import { textOf } from './text.js';

// What somebody edits: {type, text, description, tags (one text, separated by commas), comment}.
const blank = { type: 'string', text: '', description: '', tags: '', comment: '' };

/** Whether this browser tells numbers as they were written. */
const exact = Boolean(JSON.rawJSON);

// JSON text indented, as long as that changes no number.
function pretty(text) {
  try {
    return exact || !/\d{16}|\d[eE]/.test(text) ? textOf2(parse(text)) : text;
  } catch {
    return text;
  }
}

const textOf2 = (value) => JSON.stringify(value, null, 2);

const none = (problem) => { if (problem instanceof Problem && (problem.status === 404 || problem.status === 403)) return undefined; throw problem; };

// One row of a collection, or undefined: asked for as a list, since that a key is not there is no error here.
async function row(namespace, collection, key, signal) {
  const found = await get(`${nsPath(namespace)}/${collection}`, { prefix: key, limit: 1 }, { signal }).catch(none);
  return found?.[0]?.key === key ? found[0] : undefined;
}

/** The live entry as a side of a change: {version, by, at, type, text, description, tags}; version 0 where there is none. */
export async function live(namespace, key, signal) {
  for (let turn = 0; ; turn++) {
    const e = await row(namespace, 'config', key, signal);
    if (!e) return { version: 0, ...blank };
    const side = { version: e.version, by: e.updatedBy, at: e.updatedAt, type: e.type, description: e.description ?? '', tags: (e.tags ?? []).join(', '), text: textOf(e.value) };
    if (e.type !== 'number' && e.type !== 'json') return side;
    const bare = await call('GET', keyPath(namespace, 'config', key), { signal, accept: 'text/plain' }).catch(none);
    if (bare?.etag === `"v${e.version}"` || turn === 3) return { ...side, text: e.type === 'json' ? pretty(bare?.data ?? side.text) : bare?.data ?? side.text };
  }
}

/** The draft of a key as a side: {revision, by, at, delete, request, …}; undefined where there is none. */
export async function draft(namespace, key, signal) {
  const d = await row(namespace, 'drafts', key, signal);
  return d && sideOfDraft(d);
}

/** A draft of the API as a side. */
export function sideOfDraft(d) {
  return {
    revision: d.revision, by: d.updatedBy, at: d.updatedAt, delete: d.delete, request: d.request, errors: d.errors, comment: d.comment ?? '',
    type: d.type ?? 'string', text: d.type === 'json' ? textOf(d.value, { indent: 2 }) : textOf(d.value), description: d.description ?? '', tags: (d.tags ?? []).join(', '),
  };
}

/** Everything an editor needs. */
export async function begin(namespace, key, signal) {
  const [entry, found, settings, schema] = await Promise.all([
    live(namespace, key, signal), draft(namespace, key, signal), get(`${nsPath(namespace)}/settings`, { resolve: true }, { signal }).catch(none), get(`${nsPath(namespace)}/schema`, { resolve: true }, { signal }).catch(none),
  ]);
  return { live: entry, draft: found, settings: settings ?? {}, effective: schema?.effective ?? [] };
}

/** The parts of a text that are tags. */
export const tagsOf = (text) => text.split(',').map((t) => t.trim()).filter(Boolean);

/** Whether two sides say the same: content, not who and when. */
export const sameContent = (a, b) => a.type === b.type && a.text === b.text && a.description === b.description && tagsOf(a.tags).join() === tagsOf(b.tags).join();

// What is sent.
const bodyOf = (form) => ({ value: form.text, type: form.type, description: form.description, tags: tagsOf(form.tags), ...(form.comment && { comment: form.comment }) });

/** What keeps a text from being a value of its type, '' when nothing does. */
export function malformed({ type, text }) {
  if (type === 'number' && !/^\s*-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\s*$/.test(text)) return text.trim() ? 'This is not a number as JSON writes them.' : 'A number is needed.';
  if (type === 'boolean' && text !== 'true' && text !== 'false') return 'Choose true or false.';
  if (type === 'secret-ref' && !/^(vault|keyvault|env|file):\/\/./.test(text)) return 'A reference begins with vault://, keyvault://, env:// or file:// and names something there.';
  if (type === 'binary' && !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text.replace(/\s/g, ''))) return 'This is not base64.';
  if (type !== 'json') return '';
  try {
    JSON.parse(text);
    return '';
  } catch (e) {
    return text.trim() ? `This is not JSON: ${e.message}` : 'JSON is needed: {} or [] is a beginning.';
  }
}

/** A text as the value that Diff and ValueBlock take. */
export function valueOf({ type, text, version, delete: gone }) {
  if (version === 0 || gone || text === undefined) return undefined;
  if (type !== 'json') return text;
  try {
    return parse(text);
  } catch {
    return text;
  }
}

const place = (namespace, key) => ({ namespace, key });

/** Sets the value at once, if it is still the version that one began from. */
export const saveNow = (namespace, key, form, version) => write('PUT', keyPath(namespace, 'config', key), bodyOf(form), version ? { ifMatch: `"v${version}"` } : { ifNoneMatch: '*' });

/** Saves a draft, if it is still the revision that one began from. */
export const saveDraft = (namespace, key, form, revision) => write('PUT', keyPath(namespace, 'drafts', key), bodyOf(form), revision ? { ifMatch: `"r${revision}"` } : { ifNoneMatch: '*' });

/** Submits the change for review. */
export function submitChange(namespace, key, form, { revision, publishAt }) {
  const { comment, ...change } = bodyOf(form);
  return write('POST', '/api/v1/publish-requests', { changes: [{ ...place(namespace, key), ...change, ...(revision && { revision }) }], comment, ...(publishAt && { publishAt }) });
}

/** Deletes at once, with a comment on record. */
export const deleteNow = (namespace, key, version, comment) => write('POST', '/api/v1/transactions', {
  if: [{ ...place(namespace, key), version }], delete: [place(namespace, key)], ...(comment && { comment }),
});
