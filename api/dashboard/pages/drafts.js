// Drafts: what people have written and not yet asked to be published.
import { html, useMemo } from '../lib/ui.js';
import { all, get, nsPath, Problem } from '../lib/api.js';
import { count, plural } from '../lib/format.js';
import { useData } from '../lib/data.js';
import { namespaces } from '../lib/namespaces.js';
import { param, setParams } from '../lib/route.js';
import { canAnywhere, can, lacking, me } from '../lib/session.js';
import { Empty, Loaded, Loading, Note } from '../parts/icon.js';
import { Segmented } from '../parts/form.js';
import { Head } from '../parts/table.js';
import { DraftList } from '../parts/draftlist.js';

const most = 150; // namespaces that are asked one by one
const together = 6;

const draftsOf = (namespace, signal) => all(`${nsPath(namespace)}/drafts`, {}, { signal }).catch((e) => { if (e instanceof Problem && (e.status === 403 || e.status === 404)) return []; throw e; });

async function draftsOfAll(paths, signal) {
  const found = [];
  const queue = [...paths];
  const worker = async () => { for (let ns = queue.shift(); ns !== undefined; ns = queue.shift()) found.push(...await draftsOf(ns, signal)); };
  await Promise.all(Array.from({ length: together }, worker));
  return found;
}

// Where whoever is signed in has saved drafts lately: for more namespaces than can be asked one by one.
async function mineLately(signal) {
  const events = await get('/api/v1/audit', { action: 'draft.saved', actor: me.value.principal, limit: 1_000 }, { signal });
  return [...new Set(events.map((e) => e.namespace))].slice(0, most);
}

const sorted = (drafts) => drafts.sort((a, b) => (a.namespace === b.namespace ? (a.key < b.key ? -1 : 1) : a.namespace < b.namespace ? -1 : 1));

// A draft event says in which namespace to look again; another may unlock drafts anywhere.
const again = (event, { set, reload }) => {
  if (!event.type.startsWith('draft') || !event.namespace) { reload(); return; }
  draftsOf(event.namespace).then((rows) => set((d) => d && { ...d, drafts: sorted([...d.drafts.filter((x) => x.namespace !== event.namespace), ...rows]) }), () => reload());
};

/** The page of all drafts that one may edit. */
export function Drafts() {
  const known = namespaces.value;
  const paths = useMemo(() => (known ?? []).map((n) => n.path), [known]);
  const few = paths.length <= most;
  const state = useData(known ? `${paths.length}` : null, async (signal) => ({ drafts: sorted(await draftsOfAll(few ? paths : await mineLately(signal), signal)) }), { filter: { events: 'draft,publish-request', values: 'none' }, on: again });
  const whose = param('whose') || 'all';
  const mine = (d) => d.updatedBy === me.value?.principal;
  const choices = (d) => [['all', `All (${count(d.length)})`], ['mine', `Mine (${count(d.filter(mine).length)})`]];
  return html`<div class="page"><${Head} title="Drafts" actions=${state.data && html`<${Segmented} label="Whose drafts" value=${whose} options=${choices(state.data.drafts)} onInput=${(v) => setParams({ whose: v === 'all' ? '' : v })} />`}>
      <p class="soft">${few ? `Changes in ${plural(paths.length, 'namespace')} that are written and not published.` : `There are ${count(paths.length)} namespaces: this covers those in which you saved drafts lately. Others are on the Drafts tab of their namespace.`}</p><//>
    ${known === undefined ? html`<${Loading} />` : html`<${Loaded} of=${state}>${({ drafts }) => {
    const rows = whose === 'mine' ? drafts.filter(mine) : drafts;
    return rows.length ? html`<${DraftList} drafts=${rows} heads />` : html`<${Nothing} mine=${whose === 'mine'} />`;
  }}<//>`}</div>`;
}

const Nothing = ({ mine }) => html`<${Empty} icon="edit-3" title=${mine ? 'You have no drafts' : 'There are no drafts'}><p>A draft is a change that is written down and not yet published. Edit a key and choose “Save as draft”; several drafts can be submitted for review together.</p>
  ${canAnywhere('editor') ? html`<p><a href="/ui/ns">Browse the namespaces</a></p>` : html`<p>You need the role editor on a namespace or a key to write one.</p>`}<//>`;

/** The tab of a namespace with its drafts. */
export function NamespaceDrafts({ namespace }) {
  const state = useData(namespace, async (signal) => ({ drafts: sorted(await draftsOf(namespace, signal)) }), { filter: { namespace, events: 'draft,publish-request', values: 'none' }, on: (event, { reload }) => { if (event.namespace === namespace || !event.key) reload(); } });
  if (!can('editor', namespace) && state.data?.drafts.length === 0) return html`<${Note}><p>Drafts are for those who may edit: ${lacking('editor', namespace)}</p><//>`;
  return html`<${Loaded} of=${state}>${({ drafts }) => (drafts.length ? html`<${DraftList} drafts=${drafts} />` : html`<${Nothing} />`)}<//>`;
}
