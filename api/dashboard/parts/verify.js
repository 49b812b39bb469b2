// This node checks its own records while one looks, and the checkpoints that prove them elsewhere.
import { html, useEffect, useRef, useState } from '../lib/ui.js';
import { get } from '../lib/api.js';
import { useData } from '../lib/data.js';
import { lines } from '../lib/lines.js';
import { count } from '../lib/format.js';
import { Button, Chip, Failure, Loaded, Note } from './icon.js';
import { Card, Facts, Table } from './table.js';
import { Time } from './time.js';
import { Copy } from './value.js';

/** The button, how far it is, what was found, and the last checkpoints. */
export function Verify() {
  const [state, setState] = useState({});
  const abort = useRef();
  useEffect(() => () => abort.current?.abort(), []);
  const run = async () => {
    abort.current?.abort();
    const mine = abort.current = new AbortController();
    setState({ busy: true });
    try {
      let last;
      for await (const some of lines('/api/v1/audit/verify', { signal: mine.signal })) {
        last = some.at(-1);
        if (!('ok' in last)) setState({ busy: true, progress: last });
      }
      if (!last || !('ok' in last)) throw new Error('The answer was cut before the result came. Try again.');
      setState({ result: last, at: new Date().toISOString() });
    } catch (error) {
      if (!mine.signal.aborted) setState({ error });
    }
  };
  const stop = () => { abort.current?.abort(); setState({}); };
  return html`<${Card} title="Verify this node" actions=${state.busy ? html`<${Button} icon="x" onClick=${stop}>Stop<//>` : html`<${Button} main icon="shield-check" onClick=${run}>${state.result ? 'Verify again' : 'Verify now'}<//>`}>
      <div class="stack tight"><p class="soft">The node that answers recomputes the hash chain over every record on its own disk and compares it with the checkpoints in them. Members that agree have the same chain at the same event.</p>
        <div role="status">${state.busy && html`<${Far} progress=${state.progress} />`}${state.result && html`<${Result} result=${state.result} at=${state.at} />`}</div>
        <${Failure} error=${state.error} again=${run} /></div><//>
    <${Checkpoints} />`;
}

function Far({ progress }) {
  if (!progress) return html`<progress class="progress" aria-label="Verification"></progress>`;
  return html`<progress class="progress" aria-label="Verification" max=${progress.to} value=${progress.at}></progress><p class="small soft">Event ${count(progress.at)} of ${count(progress.to)}</p>`;
}

function Result({ result: r, at }) {
  return html`<div class="stack tight">${r.ok ? html`<${Note} tone="good" title="The records are whole and in order"><p>Events ${count(r.from)} to ${count(r.to)} on node ${r.node}, checked <${Time} at=${at} relative />.</p><//>`
    : html`<${Note} tone="bad" title="The records of this node are not what they should be"><p class="any">${r.problem}</p>${r.at > 0 && html`<p>The first wrong event is ${count(r.at)}.</p>`}<p>Compare with another member, then rebuild this node from it.</p><//>`}
    ${r.warnings?.length > 0 && html`<${Note} tone="warn" title="Somebody should know"><ul>${r.warnings.map((w) => html`<li class="any">${w}</li>`)}</ul><//>`}
    <${Facts} of=${[['Node', r.node], ['Position', html`<span class="mono">${r.position}</span> <${Copy} text=${r.position} label="Copy the position" />`], ['Chain', html`<span class="mono any">${r.chain}</span> <${Copy} text=${r.chain} label="Copy the chain" />`]]} /></div>`;
}

function Checkpoints() {
  const state = useData('checkpoints', (signal) => get('/api/v1/audit/checkpoints', { limit: 20 }, { signal }), { filter: { events: 'history,checkpoint' } });
  const columns = [
    { head: 'Event', num: true, cell: (c) => count(c.index) }, { head: 'Signed', cell: (c) => html`<${Time} at=${c.time} />` }, { head: 'Chain', class: 'mono', cell: (c) => html`${c.chain.slice(0, 16)}… <${Copy} text=${c.chain} label="Copy the chain" />` },
    { head: 'Key', class: 'mono', cell: (c) => c.keyId }, { head: 'Statement', cell: (c) => html`<${Copy} text=${JSON.stringify(c)} label="Copy the signed statement" />` },
  ];
  return html`<${Card} title="Last checkpoints" flush><${Loaded} of=${state}>${(rows) => (rows.length ? html`<${Table} caption="Signed checkpoints, newest first" columns=${columns} rows=${rows} rowKey=${(c) => c.index} />`
    : html`<p class="pad soft">No checkpoint was signed yet. A leader that is started with <code>--checkpoint-key-file</code> signs one now and then; kept elsewhere, it proves later that the history up to it is the same. <${Chip}>optional<//></p>`)}<//><//>`;
}
