// Differences: by place in JSON, by line in text, with the words that changed lit.
import { html, useEffect, useMemo, useState } from '../lib/ui.js';
import { differences, textOf } from '../lib/text.js';
import { Button, Note } from './icon.js';
import { Text, TypeChip } from './value.js';

const around = 3; // lines shown beside a change
const wordsAt = 2_000; // characters of a line that are compared by word
const longest = 20_000; // characters of one line, or of one side of a place, that are shown
const lightest = 200; // characters beside what changed in a line longer than wordsAt
const most = 2_000; // rows shown before one asks for more
const effort = { timeout: 400, maxEditLength: 4_000 };

let library;
const jsdiff = () => (library ??= import('../vendor/diff.js'));

/** The two sides of a change. A side that is undefined is absent; `places` are differences that the node has found. */
export function Diff({ old, oldType, now, newType = oldType, places }) {
  const structured = [oldType, newType].every((t) => t === 'json') && old !== undefined && now !== undefined;
  const [mode, setMode] = useState('');
  const found = useMemo(() => (structured ? places ?? differences(old, now) : []), [structured, places, old, now]);
  const shownAs = mode || (structured && found.length <= 40 ? 'places' : 'lines');
  const typed = oldType && newType && oldType !== newType;
  return html`<div class="stack tight">
    ${(structured || typed) && html`<div class="row spread">
      <span>${typed && html`<${TypeChip} type=${oldType} /> → <${TypeChip} type=${newType} />`}</span>
      ${structured && html`<span class="segmented" role="group" aria-label="How to show the difference">
        <${Button} small pressed=${shownAs === 'places'} onClick=${() => setMode('places')}>By place<//>
        <${Button} small pressed=${shownAs === 'lines'} onClick=${() => setMode('lines')}>By line<//></span>`}
    </div>`}
    ${shownAs === 'places' ? html`<${Places} found=${found} />` : html`<${Lines} old=${text(old, oldType)} now=${text(now, newType)} />`}
  </div>`;
}

const text = (value, type) => (value === undefined ? undefined : type === 'json' ? textOf(value, { indent: 2 }) : textOf(value));

function Places({ found }) {
  if (found.length === 0) return html`<p class="soft">The two are the same.</p>`;
  const side = (kind, has, value) => (has ? html`<div class=${kind}><${Cut} text=${textOf(value, { indent: 2 })} /></div>`
    : html`<div class="absent">${kind === 'old' ? 'not there' : 'removed'}</div>`);
  return html`<div class="pointers" role="table" aria-label="Differences by place" tabindex="0">${found.map((d) => html`<div role="row" style="display: contents">
    <div class="p" role="rowheader"><${Text} text=${d.pointer || '(whole value)'} /></div>
    <div role="cell" style="padding: 0; border: 0; display: grid">${side('old', 'old' in d, d.old)}</div>
    <div role="cell" style="padding: 0; border: 0; display: grid">${side('new', 'new' in d, d.new)}</div></div>`)}</div>`;
}

/** Two texts, line by line. */
export function Lines({ old, now }) {
  const [rows, setRows] = useState();
  const [all, setAll] = useState(false);
  const [end, setEnd] = useState(most);
  useEffect(() => {
    let over = false;
    jsdiff().then((lib) => { if (!over) setRows(compare(lib, old, now)); });
    return () => { over = true; };
  }, [old, now]);
  if (!rows) return html`<div class="diff" aria-busy="true"></div>`;
  if (rows.tooLong) return html`<${Note} tone="warn" title="The two differ too much to be compared line by line here"><p>They are shown whole: the old one ends after ${old.length.toLocaleString()} characters, the new one after ${now.length.toLocaleString()}.</p><//>`;
  if (rows.same) return html`<p class="soft">The two are the same.</p>`;
  const folded = all ? rows : fold(rows);
  const visible = folded.slice(0, end);
  return html`<div class="diff" tabindex="0" role="group" aria-label="Difference by line"><table><tbody>${visible.map((row) => (row.gap
    ? html`<tr class="gap"><td colspan="4"><${Button} quiet small onClick=${() => setAll(true)}>${row.gap} equal ${row.gap === 1 ? 'line' : 'lines'}: show<//></td></tr>`
    : html`<tr class=${row.kind}><td class="no">${row.a ?? ''}</td><td class="no">${row.b ?? ''}</td>
      <td class="sign">${{ add: '+', del: '−' }[row.kind] ?? ' '}<span class="out">${{ add: 'added ', del: 'removed ' }[row.kind]}</span></td>
      <td><${Words} row=${row} /></td></tr>`))}
    ${folded.length > end && html`<tr class="gap"><td colspan="4"><${Button} quiet small onClick=${() => setEnd(end + 5 * most)}>${(folded.length - end).toLocaleString()} more rows: show<//></td></tr>`}</tbody></table></div>`;
}

const Omitted = ({ n, children }) => html`<span class="soft">… ${n.toLocaleString()} ${children} …</span>`;

// Text, its beginning when it is too long to look at.
function Cut({ text: whole }) {
  if (whole.length <= longest) return html`<${Text} text=${whole} />`;
  return html`<${Text} text=${whole.slice(0, longest)} /><${Omitted} n=${whole.length - longest}>more characters<//>`;
}

function Words({ row }) {
  if (!row.words) return html`<${Cut} text=${row.text} />`;
  return row.words.map((w) => (w.equal ? html`<${Omitted} n=${w.equal}>equal characters<//>` : w.changed ? (row.kind === 'add' ? html`<ins><${Cut} text=${w.text} /></ins>` : html`<del><${Cut} text=${w.text} /></del>`) : html`<${Text} text=${w.text} />`));
}

const linesOf = (s) => { const lines = s.split('\n'); if (lines.at(-1) === '') lines.pop(); return lines; };

function compare({ diffLines, diffWordsWithSpace }, old = '', now = '') {
  if (old === now) return { same: true };
  const parts = diffLines(old.endsWith('\n') ? old : `${old}\n`, now.endsWith('\n') ? now : `${now}\n`, effort);
  if (!parts) return { tooLong: true };
  const rows = [];
  let [a, b] = [0, 0];
  for (const part of parts) {
    for (const line of linesOf(part.value)) {
      if (part.added) rows.push({ kind: 'add', b: ++b, text: line });
      else if (part.removed) rows.push({ kind: 'del', a: ++a, text: line });
      else rows.push({ kind: 'same', a: ++a, b: ++b, text: line });
    }
  }
  if (old === '') return rows.filter((r) => r.kind === 'add');
  if (now === '') return rows.filter((r) => r.kind === 'del');
  light(rows, diffWordsWithSpace);
  return rows;
}

// A run of removed lines beside as many added ones: they are the same lines, changed.
function light(rows, diffWords) {
  for (let i = 0; i < rows.length; i++) {
    if (rows[i].kind !== 'del') continue;
    let dels = i;
    while (rows[dels]?.kind === 'del') dels++;
    let adds = dels;
    while (rows[adds]?.kind === 'add') adds++;
    if (dels - i === adds - dels) {
      for (let k = 0; k < dels - i; k++) pair(rows[i + k], rows[dels + k], diffWords);
    }
    i = adds - 1;
  }
}

function pair(del, add, diffWords) {
  if (del.text.length > wordsAt || add.text.length > wordsAt) { middle(del, add); return; }
  const parts = diffWords(del.text, add.text, effort);
  if (!parts || !parts.some((p) => !p.added && !p.removed && p.value.trim())) return;
  del.words = parts.filter((p) => !p.added).map((p) => ({ text: p.value, changed: p.removed }));
  add.words = parts.filter((p) => !p.removed).map((p) => ({ text: p.value, changed: p.added }));
}

// Of two long lines what is between their equal beginning and end.
function middle(del, add) {
  const [a, b] = [del.text, add.text];
  const least = Math.min(a.length, b.length);
  let head = 0;
  while (head < least && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < least - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  if (head + tail === 0) return;
  const from = Math.max(0, head - lightest);
  const beside = (text) => [from > 0 && { equal: from }, { text: text.slice(from, head) }, { text: text.slice(head, text.length - tail), changed: true },
    { text: text.slice(text.length - tail, text.length - tail + lightest) }, tail > lightest && { equal: tail - lightest }].filter(Boolean);
  del.words = beside(a);
  add.words = beside(b);
}

// Equal lines far from any change become one row that says how many they are.
function fold(rows) {
  const near = new Set();
  rows.forEach((row, i) => { if (row.kind !== 'same') for (let k = i - around; k <= i + around; k++) near.add(k); });
  const out = [];
  for (let i = 0; i < rows.length; i++) {
    if (near.has(i)) out.push(rows[i]);
    else if (out.at(-1)?.gap) out.at(-1).gap++;
    else out.push({ gap: 1 });
  }
  return out;
}
