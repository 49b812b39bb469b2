// Values, shown so that nothing in them can do anything: text only, what is invisible marked, what is long cut with a way to see it all.
import { html, useMemo, useState } from '../lib/ui.js';
import { bytes } from '../lib/format.js';
import { shown, shorten, sizeOf, textOf } from '../lib/text.js';
import { Button, Chip } from './icon.js';

const cutAt = 20_000; // characters of a value that are shown before one asks for more
const allAt = 1_500_000;

/** Text with what cannot be seen marked, and lit what is found of `find`: a word or several, whatever their case. */
export function Text({ text, find }) {
  const words = [find].flat().filter(Boolean).map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const found = words.length > 0 && new RegExp(`(${words.join('|')})`, 'giu');
  const lit = (part) => (found ? part.split(found).map((p, i) => (i % 2 ? html`<mark class="match">${p}</mark>` : p)) : part);
  return shown(String(text ?? '')).map((part) => (typeof part === 'string' ? lit(part)
    : html`<span class="mark" title=${`${part.code}: not shown as itself`}>${part.mark}</span>`));
}

/** What a type is called in a chip. */
export const TypeChip = ({ type }) => html`<${Chip} mono title="Type of the value">${type}<//>`;

/** A value on one line. */
export function Value({ value, type, find }) {
  if (type === 'erased') return html`<span class="value none">erased</span>`;
  if (value === undefined) return html`<span class="value none">no value</span>`;
  const text = textOf(value);
  if (type === 'binary') return html`<span class="value none">binary, ${bytes(Math.floor(text.length * 0.75))}</span>`;
  if (text === '') return html`<span class="value none">empty text</span>`;
  const line = shorten(text.length > 400 ? text.slice(0, 400) : text).replace(/\n/g, ' ⏎ ').replace(/\t/g, '  ');
  return html`<span class="value inline"><${Text} text=${line} find=${find} /></span>`;
}

/** A value in full: JSON indented and coloured, text as it is, binary as its size with a download. */
export function ValueBlock({ value, type, name = 'value', label = 'Value' }) {
  const [all, setAll] = useState(false);
  const text = useMemo(() => (type === 'json' ? textOf(value, { indent: 2 }) : textOf(value)) ?? '', [value, type]);
  if (type === 'erased') return html`<p class="value none">The value was taken out of the history.</p>`;
  if (value === undefined) return html`<p class="value none">There is no value.</p>`;
  if (type === 'binary') return html`<${Binary} text=${text} name=${name} />`;
  if (text === '') return html`<p class="value none">The text is empty.</p>`;
  const cut = all ? allAt : cutAt;
  const head = text.length > cut ? text.slice(0, cut) : text;
  return html`<div class="stack tight">
    <div class="value-block value" tabindex="0" role="region" aria-label=${label}>${type === 'json' ? html`<${Json} text=${head} />` : html`<${Text} text=${head} />`}</div>
    ${text.length > cut && html`<div class="row small soft">The first ${bytes(sizeOf(head))} of ${bytes(sizeOf(text))}.
      ${!all && html`<${Button} small onClick=${() => setAll(true)}>Show all<//>`}</div>`}
  </div>`;
}

function Binary({ text, name }) {
  const save = () => {
    const data = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    saveAs(new Blob([data], { type: 'application/octet-stream' }), name.split('/').pop());
  };
  return html`<div class="row"><span class="value none">${bytes(Math.floor(text.replace(/=+$/, '').length * 0.75))} of binary data</span><${Button} small icon="download" onClick=${save}>Download<//></div>`;
}

/** Hands a file to the browser. */
export function saveAs(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

const token = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g;
const colouredAt = 60_000; // characters; more are shown without colours

// JSON text with its kinds of words told apart.
function Json({ text }) {
  if (text.length > colouredAt) return html`<${Text} text=${text} />`;
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(token)) {
    if (found.index > from) parts.push(html`<${Text} text=${text.slice(from, found.index)} />`);
    const kind = found[1] ? (found[2] ? 'j-key' : 'j-str') : found[3] ? 'j-num' : 'j-word';
    const word = found[1] ?? found[0];
    parts.push(html`<span class=${kind}><${Text} text=${word} /></span>${found[2] ?? ''}`);
    from = found.index + found[0].length;
  }
  parts.push(html`<${Text} text=${text.slice(from)} />`);
  return parts;
}

/** Copies text, and says so. */
export function Copy({ text, label = 'Copy', small = true, children }) {
  const [said, setSaid] = useState('');
  const done = said === 'Copied';
  const copy = async () => {
    setSaid(await toClipboard(typeof text === 'function' ? await text() : text).then(() => 'Copied', (e) => e.message));
    setTimeout(() => setSaid(''), 1_600);
  };
  return html`<${Button} quiet small=${small} icon=${done ? 'check' : 'copy'} label=${children ? undefined : label} onClick=${copy}>${children}<//>
    <span class=${said && !done ? 'small' : 'out'} role="status">${said}</span>`;
}

/** Puts text into the clipboard, also where the page is not a secure context. Rejects when the browser does not let it. */
export async function toClipboard(text) {
  try {
    if (navigator.clipboard) return await navigator.clipboard.writeText(text);
  } catch { /* not allowed here: the older way */ }
  const before = document.activeElement;
  const area = Object.assign(document.createElement('textarea'), { value: text });
  ([...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body).append(area); // what lies under a dialog cannot be selected
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  before?.focus({ preventScroll: true });
  if (!done) throw new Error('The browser does not let it be copied: select it and copy it by hand.');
  return undefined;
}
