// A list that events rush into: taken over once per frame, the newest kept, only rows in sight drawn.
import { html, useEffect, useLayoutEffect, useRef, useState } from '../lib/ui.js';
import { atFrame } from '../lib/soon.js';
import { EventLine } from './event.js';
import { Virtual } from './table.js';

const tall = 36; // px of a row

/** A buffer of rows, newest last, of which at most `most` are kept. `push` may be called thousands of times a second. */
export function useStream(most) {
  const stream = useRef();
  const [, draw] = useState(0);
  stream.current ??= { rows: [], pending: [], total: 0, added: 0, due: undefined };
  const s = stream.current;
  s.take ??= () => {
    s.due = undefined;
    s.added += s.pending.length;
    s.total += s.pending.length;
    s.rows = [...s.rows, ...s.pending].slice(-most);
    s.pending = [];
    draw((n) => n + 1);
  };
  s.push ??= (...rows) => {
    for (const row of rows) s.pending.push(row);
    if (s.pending.length > 2 * most) s.pending.splice(0, s.pending.length - most);
    s.due ??= atFrame(s.take);
  };
  s.clear ??= () => { s.rows = []; s.pending = []; s.total = 0; s.added = 0; draw((n) => n + 1); };
  useEffect(() => () => s.due?.(), []);
  return s;
}

/** The rows of a stream (given beside it: a component is drawn anew when what it is given changes), newest on top. Whoever has scrolled stays where they read. */
export function StreamList({ stream, rows, label, onOpen, clock = true }) {
  const host = useRef();
  const [at, setAt] = useState(0);
  useLayoutEffect(() => {
    const added = stream.added;
    stream.added = 0;
    const box = host.current?.querySelector('.virtual');
    if (!added || !box || box.scrollTop < 4) return;
    box.scrollTop += added * tall;
    if (at > 0) setAt((n) => Math.min(rows.length - 1, n + added));
  });
  const render = (i) => {
    const row = rows[rows.length - 1 - i];
    return { onOpen: () => onOpen(row), attributes: { key: row.index, 'data-index': row.index }, content: html`<${EventLine} row=${row} clock=${clock} comment=${false} />` };
  };
  return html`<div class="stream" ref=${host}><${Virtual} count=${rows.length} height=${tall} label=${label} render=${render} at=${at} setAt=${setAt} /></div>`;
}
