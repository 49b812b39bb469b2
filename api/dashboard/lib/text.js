// Values as text, and text made safe to look at: what cannot be seen, or would reorder what is around it, is shown as what it is.
import { Exact } from './api.js';

// Controls but tab and line break, zero-width and bidirectional marks, private invisibles (UAX #9, UTR #36).
// eslint-disable-next-line no-control-regex
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]|[\u{e0000}-\u{e0fff}]/gu;

const names = {
  '\r': 'CR', '\u0000': 'NUL', '\u001b': 'ESC', '\u00ad': 'soft hyphen', '\u200b': 'zero-width space', '\u200c': 'ZWNJ', '\u200d': 'ZWJ', '\u200e': 'LRM',
  '\u200f': 'RLM', '\u202a': 'LRE', '\u202b': 'RLE', '\u202c': 'PDF', '\u202d': 'LRO', '\u202e': 'RLO', '\u2066': 'LRI', '\u2067': 'RLI',
  '\u2068': 'FSI', '\u2069': 'PDI', '\ufeff': 'BOM', '\u2028': 'LS', '\u2029': 'PS',
};

/** Splits text into what can be shown as it is (strings) and marks ({mark, code}) for what cannot. */
export function shown(text) {
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(unseen)) {
    if (found.index > from) parts.push(text.slice(from, found.index));
    const code = `U+${found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
    parts.push({ mark: names[found[0]] ?? code, code });
    from = found.index + found[0].length;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}

/** Whether text has anything in it that is shown as a mark. */
export const suspicious = (text) => text.search(unseen) >= 0; // unlike test, leaves nothing behind in the expression that shown() begins with

/** For titles and other places that take plain text only. */
export const plain = (text) => String(text).replace(unseen, (c) => `[${names[c] ?? `U+${c.codePointAt(0).toString(16).toUpperCase()}`}]`);

/** A value as people edit it: strings bare, everything else as JSON. */
export function textOf(value, { indent } = {}) {
  if (value === undefined || value === null && indent === undefined) return value === null ? 'null' : '';
  if (typeof value === 'string') return value;
  if (value instanceof Exact) return value.text;
  return JSON.stringify(value, null, indent);
}

/** Text as one word of a shell, whatever is in it. */
export const quoted = (text) => (/^[A-Za-z0-9_./:@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** How many bytes text has in UTF-8. */
export const sizeOf = (text) => new TextEncoder().encode(text).length;

/** The same without the middle, for one line. */
export const shorten = (text, most = 200) => (text.length <= most ? text : `${text.slice(0, most)}…`);

/** Whether a value has members. */
export const isObject = (v) => typeof v === 'object' && v !== null && !Array.isArray(v) && !(v instanceof Exact);

/** A name as a step of a pointer (RFC 6901). */
export const step = (name) => String(name).replaceAll('~', '~0').replaceAll('/', '~1');

/** Where two JSON values differ: [{pointer, old?, new?}] (RFC 6901), at most `most`. */
export function differences(old, now, most = 1_000) {
  const found = [];
  const walk = (a, b, pointer, depth) => {
    if (found.length >= most) return;
    if (depth < 200 && ((isObject(a) && isObject(b)) || (Array.isArray(a) && Array.isArray(b)))) {
      const names = new Set([...Object.keys(a), ...Object.keys(b)]);
      for (const name of names) walk(Object.hasOwn(a, name) ? a[name] : undefined, Object.hasOwn(b, name) ? b[name] : undefined, `${pointer}/${step(name)}`, depth + 1);
    } else if (textOf(a) !== textOf(b) || typeof a !== typeof b) {
      found.push({ pointer, ...(a !== undefined && { old: a }), ...(b !== undefined && { new: b }) });
    }
  };
  walk(old, now, '', 0);
  return found;
}
