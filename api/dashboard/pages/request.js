// One publish request: what it changes and whom that reaches, what it still needs, and the acts.
import { html, useEffect, useRef, useState } from '../lib/ui.js';
import { all, get } from '../lib/api.js';
import { useData } from '../lib/data.js';
import { plural, when } from '../lib/format.js';
import { useFollow } from '../lib/live.js';
import { useRows } from '../lib/rows.js';
import { me } from '../lib/session.js';
import { plain } from '../lib/text.js';
import { conflicts, states } from '../lib/requests.js';
import { isOpen } from '../lib/reviewing.js';
import { Chip, Empty, Loaded, Note } from '../parts/icon.js';
import { Card, Head } from '../parts/table.js';
import { Acts } from '../parts/decide.js';
import { Impact } from '../parts/impact.js';
import { Proposed } from '../parts/proposed.js';
import { Standing } from '../parts/standing.js';
import { Story } from '../parts/story.js';
import { OpenRequests } from '../parts/around.js';
import { titleOf } from '../parts/requestline.js';
import { Text } from '../parts/value.js';
import { Time } from '../parts/time.js';

const deeds = { submitted: 'submitted this', approved: 'approved', rejected: 'rejected this', withdrawn: 'withdrew this', scheduled: 'scheduled this', published: 'published this', bypassed: 'published this without its approvals' };

// What others have just done, as a sentence.
function deed(event) {
  const verb = event.type.startsWith('publish-request.') ? deeds[event.type.slice('publish-request.'.length)] : event.key ? `changed what is live of ${event.namespace}/${event.key}` : undefined;
  return verb && { who: event.actor === 'system' ? 'The cluster' : event.actor, verb, at: event.time };
}

const load = (id) => async (signal) => {
  const request = await get(`/api/v1/publish-requests/${encodeURIComponent(id)}`, {}, { signal });
  const [impact, trail] = await Promise.all([
    isOpen(request) ? get(`/api/v1/publish-requests/${id}/impact`, {}, { signal }).catch(() => undefined) : undefined,
    all('/api/v1/audit', { request: id, order: 'asc', limit: 1_000 }, { signal }).catch(() => []),
  ]);
  return { request, impact, trail: trail.filter((e) => e.action.startsWith('publish-request.')) };
};

/** The page of one request. */
export function Request({ id }) {
  const [news, setNews] = useState();
  const known = useRef();
  const since = useRef();
  const tell = (event) => { const said = deed(event); if (said && event.actor !== me.value?.principal) setNews(said); };
  const state = useData(id, load(id), {
    filter: { events: 'publish-request,namespace', values: 'none' },
    on: (event, { reload }) => {
      if (event.request === id && event.type.startsWith('publish-request.')) { tell(event); reload(); } else if (/^namespace\.(roles|schema|settings)-changed$/.test(event.type) && known.current) reload();
    },
  });
  since.current ??= state.position;
  known.current = state.data && isOpen(state.data.request);
  const places = state.data && known.current ? [...new Set(state.data.request.changes.map((c) => c.namespace))].slice(0, 50) : [];
  useFollow(places.length ? { namespace: places, events: 'config', values: 'none' } : null, {
    after: since.current || 'now', // what came while it loaded comes twice rather than never
    anew: state.reload,
    on: (event) => {
      if (event.request === id || !state.data.request.changes.some((c) => c.namespace === event.namespace && c.key === event.key)) return;
      tell(event);
      state.reload();
    },
  });
  if (state.error?.status === 404 && !state.data) {
    return html`<div class="page"><${Empty} icon="git-pull-request" title="There is no such request"><p>Or you may not see any of its keys.</p><p><a href="/ui/requests">To the queue</a></p><//></div>`;
  }
  return html`<div class="page"><${Loaded} of=${state}>${(data) => html`<${Page} ...${data} news=${news} state=${state} />`}<//></div>`;
}

function Page({ request: r, impact, trail, news, state }) {
  const changes = useRows();
  const [text, tone] = states[r.state];
  const others = isOpen(r) ? conflicts(r) : [];
  const title = titleOf(r);
  const rest = (r.comment ?? '').split('\n').slice(1).join('\n').trim();
  useEffect(() => { document.querySelector('main h1')?.focus({ preventScroll: true }); }, []);
  return html`<${Head} title=${html`<${Text} text=${title} />`} document=${plain(title)} crumbs=${html`<a href="/ui/requests">Publish requests</a><span>/</span><span class="any">${r.id}</span>`} actions=${html`<${Acts} request=${r} impact=${impact} reload=${state.again} set=${state.set} />`}>
      <div class="row"><${Chip} tone=${tone}>${text}<//>${r.resolution?.bypassed && html`<${Chip} tone="bad" icon="zap">without its approvals<//>`}<span class="soft"><strong>${plain(r.submittedBy)}</strong> ${isOpen(r) ? 'wants to change' : r.state === 'published' ? 'changed' : 'wanted to change'} ${plural(r.changes.length, 'key')}, submitted <${Time} at=${r.submittedAt} relative /></span></div>
      ${rest && html`<p class="any prose"><${Text} text=${rest} /></p>`}<//>
    <div role="status" class="news">${news && html`<${Note}><p><strong>${plain(news.who)}</strong> ${news.verb} <${Time} at=${news.at} relative />.</p><//>`}</div>
    ${r.state === 'scheduled' && html`<${Note} title=${`It is published ${when(r.dueAt ?? r.publishAt)}`}><p>It has its approvals.${impact?.frozen ? ` It waits: ${impact.frozen}.` : ''} If what it waits for ends sooner, it is published sooner. The cluster does it by itself.</p><//>`}
    ${r.state !== 'scheduled' && r.publishAt && isOpen(r) && html`<${Note}><p>Not published before ${when(r.publishAt)}, also when it is approved sooner.</p><//>`}
    ${r.partial && html`<${Note} tone="warn"><p>It has more changes than you may see.</p><//>`}
    <div class="side"><div class="stack wide" ref=${changes}>
      <${Proposed} request=${r} errors=${impact?.errors} /></div>
    <aside class="stack" aria-label="Review"><${Standing} request=${r} impact=${impact} />
      ${others.length > 0 && html`<${OpenRequests} requests=${others.map((o) => o.request)} keys=${(o) => others.find((x) => x.request === o).keys} />`}
      ${impact && html`<${Impact} impact=${impact} />`}
      <${Card} title="What happened"><${Story} request=${r} trail=${trail} /><//></aside></div>`;
}
