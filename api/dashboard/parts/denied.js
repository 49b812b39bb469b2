// What this node refused, for those who may know.
import { html, useState } from '../lib/ui.js';
import { call } from '../lib/api.js';
import { useData } from '../lib/data.js';
import { count } from '../lib/format.js';
import { param, setParams } from '../lib/route.js';
import { Input, Select } from './form.js';
import { Button, Chip, Empty, Failure, Loaded } from './icon.js';
import { Card, Table } from './table.js';
import { Time } from './time.js';
import { Text } from './value.js';

const reasons = { unauthenticated: ['not signed in', 'warn'], forbidden: ['no right', 'bad'], read: ['read', ''], lost: ['rows lost', 'warn'], rotated: ['rows let go', ''] };
const columns = [
  { head: 'When', cell: (d) => html`<${Time} at=${d.time} />` },
  { head: 'Why', cell: (d) => html`<${Chip} tone=${reasons[d.reason]?.[1]}>${reasons[d.reason]?.[0] ?? d.reason}<//>` },
  { head: 'Who', cell: (d) => (d.principal ? html`<strong class="any"><${Text} text=${d.principal} /></strong>` : html`<span class="soft">unknown</span>`) },
  { head: 'From', class: 'mono', cell: (d) => d.remote },
  { head: 'What', class: 'mono any', cell: (d) => html`${d.method} <${Text} text=${d.path.length > 200 ? `${d.path.slice(0, 200)}…` : d.path} />${d.detail && html`<div class="soft sans"><${Text} text=${d.detail} /></div>`}` },
  { head: 'Times', num: true, cell: (d) => count(d.count ?? 1) },
  { head: 'Answer', num: true, cell: (d) => d.status || '–' },
];

/** Attempts that this node refused, newest first. */
export function Denied() {
  const query = { reason: param('reason'), principal: param('principal') };
  const load = (from) => async (signal) => { const a = await call('GET', from ?? '/api/v1/audit/denied', { query: from ? undefined : { ...query, limit: 100 }, signal }); return { rows: a.data, next: a.next, node: a.headers.get('X-Confman-Node'), lost: Number(a.headers.get('X-Confman-Denied-Lost')) }; };
  const state = useData(`denied ${JSON.stringify(query)}`, load());
  const [error, setError] = useState();
  const more = () => load(state.data.next)().then((next) => state.set((d) => ({ ...next, rows: [...d.rows, ...next.rows] })), setError);
  return html`<div class="filters"><${Select} label="Why" value=${query.reason} options=${[['', 'All'], ['unauthenticated', 'Not signed in'], ['forbidden', 'No right'], ['read', 'Sensitive reads']]} onInput=${(v) => setParams({ reason: v })} />
      <${Input} label="Who" placeholder="anybody" value=${query.principal} onChange=${(e) => setParams({ principal: e.target.value.trim() })} onInput=${() => {}} /><${Button} icon="refresh-cw" onClick=${state.reload}>Look again<//></div>
    <${Card} title=${`Refused by this node${state.data?.node ? ` (${state.data.node})` : ''}`} flush><${Loaded} of=${state}>${({ rows, next, lost }) => html`
      ${rows.length ? html`<${Table} caption="Refused requests, newest first" columns=${columns} rows=${rows} rowKey=${(d) => `${d.time}${d.correlationId}${d.reason}`} />`
    : html`<${Empty} icon="shield-check" title="Nothing was refused"><p>Requests without a usable credential or without the right appear here. Each node keeps its own.</p><//>`}
      <div class="pad row">${next && html`<${Button} small onClick=${more}>Older<//>`}${lost > 0 && html`<${Chip} tone="warn">${count(lost)} attempts are missing here<//>`}<span class="soft small">Each node keeps its own; nothing of it is replicated.</span></div>
      <${Failure} error=${error} />`}<//><//>`;
}
