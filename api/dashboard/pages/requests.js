// The queue of publish requests, and one of them.
import { html } from '../lib/ui.js';
import { call } from '../lib/api.js';
import { count, plural, when } from '../lib/format.js';
import { useData } from '../lib/data.js';
import { param, withQuery } from '../lib/route.js';
import { canAnywhere, me } from '../lib/session.js';
import { conflicts, open, states, waiting } from '../lib/requests.js';
import { progress } from '../lib/reviewing.js';
import { useRows } from '../lib/rows.js';
import { plain } from '../lib/text.js';
import { Button, Chip, Empty, Icon, Loaded, Loading } from '../parts/icon.js';
import { Head, Tabs } from '../parts/table.js';
import { titleOf } from '../parts/requestline.js';
import { Text } from '../parts/value.js';
import { Time } from '../parts/time.js';
import { Request } from './request.js';

const page = 50;

/** The page `requests`: one request when the address names it, else the queue. */
export function Requests({ rest }) {
  return rest[0] ? html`<${Request} key=${rest[0]} id=${rest[0]} />` : html`<${Queue} />`;
}

const views = { waiting: 'Waiting for me', mine: 'Mine', open: 'Open', closed: 'Closed' };

function Queue() {
  const view = Object.hasOwn(views, param('view')) ? param('view') : waiting.value.length || !open.value ? 'waiting' : 'open';
  const mine = open.value?.filter((r) => r.submittedBy === me.value?.principal).length;
  const counts = { waiting: waiting.value.length, mine, open: open.value?.length };
  return html`<div class="page"><${Head} title="Publish requests"><p class="soft">Changes that are to be looked at by others before they are live.</p><//>
    <${Tabs} label="Which requests" items=${Object.entries(views).map(([name, text]) => ({ href: withQuery('/ui/requests', { view: name }), text, count: counts[name], current: name === view }))} />
    ${view === 'waiting' || view === 'open' ? html`<${Known} rows=${view === 'open' ? open.value : open.value && waiting.value} view=${view} />` : html`<${Asked} key=${view} view=${view} />`}</div>`;
}

const Known = ({ rows, view }) => (rows === undefined ? html`<${Loading} />` : html`<${Rows} rows=${rows} view=${view} />`);

// Those that are not held by every page: asked for, and asked again when a request moves.
function Asked({ view }) {
  const query = view === 'mine' ? { mine: true, limit: page } : { state: 'published,rejected,withdrawn', limit: page };
  const state = useData(view, async (signal) => { const a = await call('GET', '/api/v1/publish-requests', { query, signal }); return { rows: a.data, next: a.next }; }, { filter: { events: 'publish-request', values: 'none' } });
  const older = async () => {
    const a = await call('GET', state.data.next);
    state.set((d) => ({ rows: [...d.rows, ...a.data], next: a.next }));
  };
  return html`<${Loaded} of=${state}>${({ rows, next }) => html`<${Rows} rows=${rows} view=${view} />${next && html`<div><${Button} onClick=${older}>Show older<//></div>`}`}<//>`;
}

function Rows({ rows, view }) {
  const list = useRows();
  if (rows.length === 0) return html`<${Nothing} view=${view} />`;
  return html`<ul class="queue card" ref=${list} aria-label=${views[view]}>${rows.map((r) => html`<${Row} key=${r.id} request=${r} />`)}</ul>`;
}

function Row({ request: r }) {
  const [text, tone] = states[r.state];
  const places = [...new Set(r.changes.map((c) => c.namespace))];
  const p = progress(r);
  const others = p ? conflicts(r) : [];
  const keys = r.changes.slice(0, 3).map((c) => c.key).join(', ');
  return html`<li><a href=${`/ui/requests/${r.id}`} data-row><${Icon} name="git-pull-request" />
    <span class="grow stack tight"><strong class="any"><${Text} text=${titleOf(r)} /></strong>
      <span class="soft small any"><span class="mono">${places.slice(0, 3).join(', ')}${places.length > 3 && ` and ${places.length - 3} more`}</span> · ${plural(r.changes.length, 'key')}: <span class="mono">${keys}${r.changes.length > 3 ? ' …' : ''}</span></span>
      <span class="soft small">by ${plain(r.submittedBy)} <${Time} at=${r.submittedAt} relative />${r.resolution && html`, ${text.toLowerCase()}${r.resolution.by !== r.submittedBy && ` by ${plain(r.resolution.by)}`} <${Time} at=${r.resolution.at} relative />`}</span></span>
    <span class="row marks">${others.length > 0 && html`<${Chip} tone="warn" title="Another open request changes the same key">conflicts with ${others.length}<//>`}
      ${r.resolution?.bypassed && html`<${Chip} tone="bad" icon="zap">bypassed<//>`}
      ${(r.dueAt ?? r.publishAt) && p && html`<${Chip} icon="clock" title=${when(r.dueAt ?? r.publishAt)}><${Time} at=${r.dueAt ?? r.publishAt} /><//>`}
      ${p && p.need > 0 && html`<${Chip} icon="user-check" title="Approvals that it has and needs">${p.have} of ${p.need}<span class="out"> approvals</span><//>`}
      <${Chip} tone=${tone}>${text}<//></span></a></li>`;
}

const words = {
  waiting: ['check-circle-2', 'Nothing waits for you', 'Requests of others appear here when you may review one of their keys.'],
  mine: ['git-pull-request', 'You have submitted nothing', 'Edit a key and choose “Submit for review”, or submit several drafts together.'],
  open: ['git-pull-request', 'No request is open', 'Where a namespace requires approval, every change becomes a request that others review here.'],
  closed: ['archive', 'No request was decided yet', 'Requests that were published, rejected or withdrawn stay here.'],
};

function Nothing({ view }) {
  const [icon, title, text] = words[view];
  return html`<${Empty} icon=${icon} title=${title}><p>${text}</p>${view === 'waiting' && open.value?.length > 0 && html`<p><a href="/ui/requests?view=open">${count(open.value.length)} open, of which none waits for you</a></p>`}
    ${(view === 'mine' || view === 'open') && canAnywhere('editor') && html`<p><a href="/ui/drafts">To the drafts</a></p>`}<//>`;
}
