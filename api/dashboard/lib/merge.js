// Two changes of one value brought together: by place in JSON, by line in text. Where both touched the same place, somebody must choose.
import { parse } from './api.js';
import { isObject, step, textOf } from './text.js';

const same = (a, b) => (a === undefined || b === undefined ? a === b : typeof a === typeof b && textOf(a) === textOf(b));

function mergeJSON(base, theirs, mine) {
  const conflicts = [];
  const walk = (b, t, m, pointer) => { // gives a function from choices to a value
    if (same(t, m) || same(b, t)) return () => m;
    if (same(b, m)) return () => t;
    if (isObject(t) && isObject(m)) {
      const from = isObject(b) ? b : {};
      const has = (o, n) => (Object.hasOwn(o, n) ? o[n] : undefined);
      const names = [...new Set([...Object.keys(m), ...Object.keys(t)])];
      const members = names.map((n) => [n, walk(has(from, n), has(t, n), has(m, n), `${pointer}/${step(n)}`)]);
      return (choices) => Object.fromEntries(members.map(([n, make]) => [n, make(choices)]).filter(([, v]) => v !== undefined));
    }
    const at = conflicts.push({ label: pointer || '(whole value)', base: shown(b), theirs: shown(t), mine: shown(m) }) - 1;
    return (choices) => (choices[at] === 'theirs' ? t : m);
  };
  const make = walk(base, theirs, mine, '');
  return { conflicts, result: (choices) => textOf2(make(choices)) };
}

const shown = (v) => (v === undefined ? undefined : textOf2(v));
const textOf2 = (v) => JSON.stringify(v, null, 2);

const lines = (text) => text.split('\n');

// What a text changes of the base: [{from, to, lines}] in lines of the base.
function hunks(diffLines, base, text) {
  const found = [];
  let at = 0;
  for (const part of diffLines(`${base}\n`, `${text}\n`)) {
    const n = part.count;
    if (!part.added && !part.removed) { at += n; continue; }
    const last = found.at(-1);
    const hunk = last?.to === at ? last : { from: at, to: at, lines: [] };
    if (hunk !== last) found.push(hunk);
    if (part.added) hunk.lines.push(...lines(part.value.replace(/\n$/, '')));
    else { hunk.to += n; at += n; }
  }
  return found;
}

const touches = (a, b) => a.from <= b.to && b.from <= a.to;

// Lines from..to of the base with hunks done.
function apply(base, from, to, changes) {
  const out = [];
  let at = from;
  for (const h of changes) {
    out.push(...base.slice(at, h.from), ...h.lines);
    at = h.to;
  }
  return [...out, ...base.slice(at, to)];
}

function mergeLines(diffLines, base, theirs, mine) {
  const all = [...hunks(diffLines, base, theirs).map((h) => ({ ...h, side: 'theirs' })), ...hunks(diffLines, base, mine).map((h) => ({ ...h, side: 'mine' }))].sort((a, b) => a.from - b.from || a.to - b.to);
  const regions = [];
  for (const h of all) {
    const last = regions.at(-1);
    if (last && touches(last, h)) { last.hunks.push(h); last.to = Math.max(last.to, h.to); } else regions.push({ from: h.from, to: h.to, hunks: [h] });
  }
  const old = lines(base);
  const conflicts = [];
  for (const r of regions) {
    const of = (side) => apply(old, r.from, r.to, r.hunks.filter((h) => h.side === side));
    const sides = new Set(r.hunks.map((h) => h.side));
    const [t, m] = [of('theirs'), of('mine')];
    if (sides.size === 1) r.lines = sides.has('theirs') ? t : m;
    else if (t.join('\n') === m.join('\n')) r.lines = m;
    else r.conflict = conflicts.push({ label: `line ${r.from + 1}`, base: old.slice(r.from, r.to).join('\n'), theirs: t.join('\n'), mine: m.join('\n'), t, m }) - 1;
  }
  return {
    conflicts,
    result: (choices) => apply(old, 0, old.length, regions.map((r) => (r.conflict === undefined ? r : { ...r, lines: choices[r.conflict] === 'theirs' ? conflicts[r.conflict].t : conflicts[r.conflict].m }))).join('\n'),
  };
}

/**
 * Merges texts of one type. Resolves to {by: place | line, conflicts: [{label, base, theirs, mine}], result(choices)}, where choices[i] is
 * 'theirs' or 'mine'; undefined where a value is too small a thing to be merged.
 */
export async function merge(type, base, theirs, mine) {
  if (type !== 'json' && type !== 'string') return undefined;
  const { diffLines } = await import('../vendor/diff.js');
  const rounds = !JSON.rawJSON && [base, theirs, mine].some((t) => /\d{16}|\d[eE]/.test(t));
  if (type === 'json' && !rounds) {
    try {
      return { by: 'place', ...mergeJSON(parse(base), parse(theirs), parse(mine)) };
    } catch { /* not JSON yet: by line then */ }
  }
  if (![base, theirs, mine].some((t) => t.includes('\n'))) return undefined;
  return { by: 'line', ...mergeLines(diffLines, base, theirs, mine) };
}
