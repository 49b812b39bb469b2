// The audit: what happened, who tried in vain, and the proof that nothing was changed since.
import { html, useState } from '../lib/ui.js';
import { param, setParams, withQuery } from '../lib/route.js';
import { localInput } from '../lib/format.js';
import { namespaces } from '../lib/namespaces.js';
import { can, lacking } from '../lib/session.js';
import { Denied } from '../parts/denied.js';
import { groups } from '../parts/event.js';
import { OneEvent } from '../parts/event-detail.js';
import { Export } from '../parts/audit-export.js';
import { Check, Input, Select, Slow } from '../parts/form.js';
import { Button, Note } from '../parts/icon.js';
import { Replay } from '../parts/replay.js';
import { Card, Head, Tabs } from '../parts/table.js';
import { Trail } from '../parts/trail.js';
import { Verify } from '../parts/verify.js';

const names = ['namespace', 'exact', 'key', 'actor', 'action', 'request', 'correlation', 'transaction', 'since', 'until'];
const chosen = () => Object.fromEntries(names.map((n) => [n, param(n)]));

/** The page: timeline, replay, verification and denied attempts. */
export function Audit() {
  const tab = param('tab') || 'trail';
  const keep = chosen();
  const tabs = [['trail', 'Timeline'], ['replay', 'Replay'], ['verify', 'Verify'], ['denied', 'Denied attempts']];
  return html`<div class="page"><${Head} title="Audit trail"><p class="soft">Everything that changed, by whom, and the proof that it is so.</p><//>
    <${Tabs} label="Audit" items=${tabs.map(([id, text]) => ({ text, current: tab === id, href: withQuery('/ui/audit', { tab: id === 'trail' ? '' : id, ...(id === 'trail' || id === 'replay' ? keep : {}) }) }))} />
    ${tab === 'trail' && html`<${Timeline} />`}${tab === 'replay' && html`<${Replay} />`}
    ${tab === 'verify' && (can('admin') ? html`<${Verify} />` : html`<${Note}><p>${lacking('admin', '/')} Then this node recomputes its hash chain here while you look. Anyone with a copy can check it by <code>confman audit verify</code>.</p><//>`)}
    ${tab === 'denied' && (can('admin') ? html`<${Denied} />` : html`<${Note}><p>${lacking('admin', '/')} Refused requests are shown to them only.</p><//>`)}
  </div>`;
}

function Timeline() {
  const filter = chosen();
  const asked = filter.namespace ? filter : { ...filter, key: '', exact: '' };
  const one = Number(param('event')) || 0;
  return html`<${Filters} filter=${filter} />
    ${one > 0 && html`<${Card} title=${`Event ${one}`} actions=${html`<${Button} small quiet icon="x" label="Close the event" onClick=${() => setParams({ event: null })} />`}><${OneEvent} key=${one} index=${one} /><//>`}
    <${Card} title="What happened" flush actions=${html`<${Export} filter=${asked} />`}><${Trail} key=${JSON.stringify(asked)} filter=${asked} /><//>`;
}

const hour = 3_600_000;
const presets = [['', 'Any time'], [hour, 'Last hour'], [24 * hour, 'Last 24 hours'], [7 * 24 * hour, 'Last 7 days'], [30 * 24 * hour, 'Last 30 days'], ['own', 'From … to …']];

function Filters({ filter }) {
  const [more, setMore] = useState(Boolean(filter.request || filter.correlation || filter.transaction || filter.key));
  const [own, setOwn] = useState(Boolean(filter.since || filter.until));
  const set = (changes) => setParams({ ...changes, event: null });
  const text = (name, label, rest) => html`<${Slow} label=${label} value=${filter[name]} set=${(v) => set({ [name]: v })} ...${rest} />`;
  const moment = (name, label) => html`<${Input} label=${label} type="datetime-local" value=${filter[name] ? localInput(filter[name]) : ''} onInput=${(v) => set({ [name]: v ? new Date(v).toISOString() : null })} />`;
  const preset = (v) => {
    if (v === 'own') { setOwn(true); return; }
    setOwn(Boolean(v));
    set({ since: v ? new Date(Date.now() - Number(v)).toISOString() : null, until: null });
  };
  const some = names.some((n) => filter[n]);
  return html`<section class="stack tight" aria-label="Filter"><div class="filters">
      ${text('namespace', 'Namespace and below', { mono: true, list: 'audit-namespaces', placeholder: 'all' })}
      <datalist id="audit-namespaces">${(namespaces.value ?? []).slice(0, 500).map((n) => html`<option value=${n.path}></option>`)}</datalist>
      ${text('actor', 'Who', { placeholder: 'anybody' })}
      <${Select} label="What" value=${filter.action} options=${withOwn(filter.action)} onInput=${(v) => set({ action: v })} />
      <${Select} label="When" value=${own ? 'own' : ''} options=${presets} onInput=${preset} />
      ${own && html`${moment('since', 'From')}${moment('until', 'To')}`}
      <${Button} quiet icon="sliders-horizontal" pressed=${more} onClick=${() => setMore(!more)}>More<//>
      ${some && html`<${Button} quiet icon="x" onClick=${() => { setOwn(false); set(Object.fromEntries(names.map((n) => [n, null]))); }}>Clear<//>`}</div>
    ${more && html`<div class="filters">${text('key', 'Key (of exactly that namespace)', { mono: true })}${text('request', 'Request ID', { mono: true })}${text('correlation', 'Correlation ID', { mono: true })}${text('transaction', 'Transaction', { mono: true })}
      <${Check} label="Not the namespaces below" checked=${filter.exact === 'true'} onInput=${(on) => set({ exact: on ? 'true' : null })} /></div>`}
    ${filter.key && !filter.namespace && html`<${Note} tone="warn"><p>A key needs its namespace.</p><//>`}</section>`;
}

const withOwn = (action) => { const all = groups.map(([v, t]) => [v, t]); return !action || all.some(([v]) => v === action) ? all : [...all, [action, action]]; };
