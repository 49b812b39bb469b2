// One event in full: what changed, where it belongs, and what can be done about it.
import { html, useEffect, useState } from '../lib/ui.js';
import { get } from '../lib/api.js';
import { useData } from '../lib/data.js';
import { count } from '../lib/format.js';
import { keyHref, nsHref, withQuery } from '../lib/route.js';
import { can, lacking } from '../lib/session.js';
import { DoChanges } from './changes.js';
import { Diff } from './diff.js';
import { Dialog } from './dialog.js';
import { EventLine, fromAudit, Sentence, side } from './event.js';
import { Button, Failure, Loading } from './icon.js';
import { Facts } from './table.js';
import { Time } from './time.js';
import { Copy, Text } from './value.js';

const isChange = (action) => action.startsWith('config.');

/** The audit's row of an event. */
const load = async (index, signal) => (await get('/api/v1/audit', { after: index - 1, before: index + 1, limit: 1 }, { signal })).map(fromAudit)[0];

/** An event in full. A row that came by a stream is loaded whole first. */
export function EventDetail({ row: given }) {
  const { data, error, again } = useData(given.whole ? null : `event ${given.index}`, (signal) => load(given.index, signal));
  const row = given.whole ? given : data;
  if (!row) return error ? html`<${Failure} error=${error} again=${again} />` : html`<${Loading} />`;
  return html`<div class="stack tight event-detail"><${Sides} row=${row} />${row.comment && html`<p class="any">“<${Text} text=${row.comment} />”</p>`}
    <${Acts} row=${row} /><${About} row=${row} />${row.transaction && html`<${Together} row=${row} />`}</div>`;
}

function Sides({ row }) {
  if (row.erased) return html`<p class="value none">The values were taken out of the history.</p>`;
  if (row.old === undefined && row.now === undefined) return null;
  const [old, oldType] = side(row.old);
  const [now, newType] = side(row.now);
  const both = oldType === newType || old === undefined || now === undefined;
  return both ? html`<${Diff} old=${old} oldType=${old === undefined ? newType : oldType} now=${now} newType=${now === undefined ? oldType : newType} />`
    : html`<${Diff} old=${row.old} oldType="string" now=${row.now} newType="string" />`;
}

function About({ row }) {
  const filtered = (query, text) => html`<a class="mono any" href=${withQuery('/ui/audit', query)}>${text}</a>`;
  return html`<${Facts} of=${[
    ['When', html`<${Time} at=${row.time} />`],
    ['Who', filtered({ actor: row.actor }, html`<${Text} text=${row.actor} />`)],
    ['Event', html`<span class="mono">${row.action}</span>`],
    ['Position', html`<span class="mono any">${row.position}</span> <${Copy} text=${row.position} label="Copy the position" />`],
    row.version && ['Version since', `v${row.version}`],
    row.request && ['Request', html`<a class="mono any" href=${`/ui/requests/${row.request}`}>${row.request}</a>`],
    row.correlationId && ['Correlation', filtered({ correlation: row.correlationId }, row.correlationId)],
    row.raftIndex !== undefined && ['Raft', `term ${count(row.raftTerm)}, index ${count(row.raftIndex)}`],
    ['Event ID', html`<span class="mono any">${row.id}</span>`],
  ]} />`;
}

function Acts({ row }) {
  const [reverting, setReverting] = useState(false);
  const change = isChange(row.action) && row.key;
  const at = (index) => (row.key ? keyHref(row.namespace, row.key, { at: index }) : nsHref(row.namespace, 'time', '', { at: index }));
  const why = can('publisher', row.namespace, row.key ?? undefined) || can('publisher', row.namespace) ? '' : lacking('publisher', row.namespace);
  const address = `${location.origin}${withQuery('/ui/audit', { event: row.index })}`;
  return html`<div class="row">
    ${change && html`<${Button} small icon="key" href=${keyHref(row.namespace, row.key)}>Open the key<//>
      <${Button} small icon="help-circle" href=${keyHref(row.namespace, row.key, { tab: 'why' })}>Explain<//>
      ${row.index > 1 && html`<${Button} small icon="history" href=${at(row.index - 1)}>As of before this<//>`}<${Button} small icon="history" href=${at(row.index)}>As of after this<//>
      <${Button} small icon="undo-2" why=${why} onClick=${() => setReverting(true)}>Revert this change …<//>`}
    ${!change && row.namespace && row.namespace !== '/' && html`<${Button} small icon="folder" href=${nsHref(row.namespace)}>Open the namespace<//>`}
    ${row.request && html`<${Button} small icon="git-pull-request" href=${`/ui/requests/${row.request}`}>Open the request<//>`}
    <${Copy} text=${address}>Copy link<//>
    ${reverting && html`<${Revert} row=${row} onClose=${() => setReverting(false)} />`}</div>`;
}

// Undoes the transaction of an event: what it would do first.
function Revert({ row, onClose }) {
  return html`<${DoChanges} title=${`Revert the change of event ${count(row.index)}`} path="/api/v1/revert" body=${{ index: row.index }} verb="Revert" onClose=${onClose}>
    <p>All keys that this change touched are again as they were before it${row.transaction ? ', those of the same transaction included' : ''}. The history keeps both: a new event says what was undone. Where the settings ask for it, a publish request is made instead.</p><//>`;
}

// The other events of the same transaction.
function Together({ row }) {
  const { data } = useData(row.transaction, (signal) => get('/api/v1/audit', { transaction: row.transaction, order: 'asc', limit: 100 }, { signal }));
  const others = (data ?? []).map(fromAudit).filter((e) => e.index !== row.index);
  if (others.length === 0) return null;
  return html`<h3>In the same transaction</h3><ul class="events" aria-label="Events of the same transaction">${others.map((e) => html`<li key=${e.index}><a class="event" href=${withQuery('/ui/audit', { event: e.index })}><${EventLine} row=${e} comment=${false} /></a></li>`)}</ul>`;
}

/** An event over the page. */
export function EventDialog({ row, onClose }) {
  return html`<${Dialog} wide title=${html`Event ${count(row.index)}`} onClose=${onClose}><p class="any"><${Sentence} row=${row} /></p><${EventDetail} row=${row} /><//>`;
}

/** One event by its index, as a link to it shows it. */
export function OneEvent({ index }) {
  const [row, setRow] = useState();
  const [error, setError] = useState();
  useEffect(() => {
    const abort = new AbortController();
    setRow(undefined);
    setError(undefined);
    load(index, abort.signal).then((r) => setRow(r ?? null), (e) => { if (!abort.signal.aborted) setError(e); });
    return () => abort.abort();
  }, [index]);
  if (error) return html`<${Failure} error=${error} />`;
  if (row === undefined) return html`<${Loading} />`;
  if (row === null) return html`<p class="soft">There is no event ${count(index)} here that you may see.</p>`;
  return html`<p class="any"><${Sentence} row=${row} /></p><${EventDetail} row=${row} />`;
}
