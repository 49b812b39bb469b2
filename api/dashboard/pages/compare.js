// Two namespaces beside each other, or one at two times; and how one becomes like the other.
import { html, useEffect, useMemo, useState } from '../lib/ui.js';
import { get, nsPath } from '../lib/api.js';
import { useData } from '../lib/data.js';
import { count, plural } from '../lib/format.js';
import { nsHref, param, setParams } from '../lib/route.js';
import { canAnywhere } from '../lib/session.js';
import { namespaces } from '../lib/namespaces.js';
import { Changes, DoChanges } from '../parts/changes.js';
import { Check, Input, Segmented } from '../parts/form.js';
import { Button, Chip, Empty, Loaded, Note } from '../parts/icon.js';
import { Card, Head } from '../parts/table.js';

const split = (side) => { const at = side.indexOf('@'); return at < 0 ? [side, ''] : [side.slice(0, at), side.slice(at + 1)]; };
const join = (namespace, at) => (namespace && at ? `${namespace}@${at}` : namespace);

/** The page: /ui/compare?from=NS[@WHEN]&to=NS[@WHEN]. */
export function Compare() {
  const [from, to] = [param('from'), param('to')];
  return html`<div class="page"><${Head} title="Compare namespaces"><p class="soft">Two namespaces beside each other, or one at two times: what is here and not there, and what differs.</p><//>
    <${Card} title="Which"><div class="compare-sides"><${Side} name="from" label="Left" value=${from} /><${Button} quiet icon="git-compare" label="Swap the two" onClick=${() => setParams({ from: to, to: from, show: null })} /><${Side} name="to" label="Right" value=${to} /></div><//>
    <datalist id="compare-namespaces">${(namespaces.value ?? []).slice(0, 1_000).map((n) => html`<option value=${n.path}></option>`)}</datalist>
    ${from && to ? html`<${Result} key=${`${from} ${to}`} from=${from} to=${to} />` : html`<${Empty} icon="git-compare" title="Choose two"><p>For instance ${'stage'} and ${'prod'} before a release, or a namespace now and as of last night.</p><//>`}</div>`;
}

function Side({ name, label, value }) {
  const [namespace, at] = split(value);
  const set = (ns, when) => setParams({ [name]: join(ns.trim(), when.trim()), show: null });
  return html`<div class="form-grid" role="group" aria-label=${label}><${Input} label=${`${label}: namespace`} mono list="compare-namespaces" placeholder="teams/payments" value=${namespace} onChange=${(e) => set(e.target.value, at)} onInput=${() => {}} />
    <${Input} label=${`${label}: as of`} hint="An event index or a time; empty is now." mono placeholder="now" value=${at} onChange=${(e) => set(namespace, e.target.value)} onInput=${() => {}} /></div>`;
}

function Result({ from, to }) {
  const live = [from, to].filter((s) => !s.includes('@'));
  const state = useData(`diff ${from} ${to}`, (signal) => get('/api/v1/diff', { from, to }, { signal }), live.length ? { filter: { namespace: live, events: 'config', values: 'none' } } : {});
  return html`<${Loaded} of=${state}>${(diff) => html`<${Found} diff=${diff} from=${from} to=${to} stale=${state.loading} />`}<//>`;
}

const kinds = [['all', 'All'], ['update', 'Differ'], ['create', 'Only right'], ['delete', 'Only left']];

function Found({ diff, from, to, stale }) {
  const show = param('show') || 'all';
  const [left] = split(from);
  const [right] = split(to);
  const words = { create: [`only in ${to}`, 'good', 'plus'], update: ['differs', 'info', 'pencil'], delete: [`only in ${from}`, 'warn', 'trash-2'] };
  const [picked, setPicked] = useState(new Set());
  const [filter, setFilter] = useState('');
  const [promoting, setPromoting] = useState(null);
  useEffect(() => setPicked((p) => new Set([...p].filter((k) => diff.changes.some((c) => c.key === k)))), [diff]);
  const shown = useMemo(() => diff.changes.filter((c) => (show === 'all' || c.action === show) && c.key.includes(filter.trim())), [diff, show, filter]);
  const pick = (key, on) => setPicked((p) => { const n = new Set(p); if (on) n.add(key); else n.delete(key); return n; });
  const all = shown.length > 0 && shown.every((c) => picked.has(c.key));
  const number = (a) => diff.changes.filter((c) => c.action === a).length;
  const promotable = canAnywhere('editor') && left !== right && !from.includes('@') && !to.includes('@');
  if (diff.changes.length === 0) return html`<${Note} tone="good" title="The two are the same"><p>${plural(diff.equal, 'key')} with the same values.</p><//>`;
  const button = (a, b) => html`<${Button} icon="arrow-right" onClick=${() => setPromoting({ from: a, to: b })}>${picked.size ? `Promote ${count(picked.size)} to ${b} …` : `Promote to ${b} …`}<//>`;
  return html`<${Card} title=${`${plural(diff.changes.length, 'key')} differ${diff.changes.length === 1 ? 's' : ''}`} stale=${stale} actions=${promotable && html`${button(left, right)}${button(right, left)}`}>
    <div class="stack tight"><div class="row spread"><${Segmented} label="Which keys" value=${show} options=${kinds.map(([v, t]) => [v, v === 'all' ? t : `${t} (${number(v)})`])} onInput=${(v) => setParams({ show: v === 'all' ? null : v })} />
        <span class="row"><${Chip}>${plural(diff.equal, 'key')} the same<//><span class="soft small">event ${count(diff.from.index)} and ${count(diff.to.index)}</span></span></div>
      <div class="row">${promotable && html`<${Check} label="Choose all that are shown" checked=${all} onInput=${(on) => setPicked(new Set(on ? [...picked, ...shown.map((c) => c.key)] : [...picked].filter((k) => !shown.some((c) => c.key === k))))} />`}
        <input class="input mono compare-filter" aria-label="Only keys that contain" placeholder="Only keys that contain …" value=${filter} onInput=${(e) => setFilter(e.target.value)} /></div>
      ${shown.length ? html`<${Changes} changes=${shown} words=${words} picked=${picked} pick=${promotable ? pick : undefined} open=${shown.length <= 3 ? 3 : 0} />` : html`<p class="soft">No such keys.</p>`}
      <p class="small soft">Left <a href=${nsHref(left)}>${left}</a> is shown as removed lines, right <a href=${nsHref(right)}>${right}</a> as added ones.</p></div>
    ${promoting && html`<${Promote} ...${promoting} keys=${[...picked]} onClose=${() => setPromoting(null)} />`}<//>`;
}

function Promote({ from, to, keys, onClose }) {
  const [remove, setRemove] = useState(false);
  const settings = useData(`settings of ${to}`, (signal) => get(`${nsPath(to)}/settings`, { resolve: true }, { signal }));
  const needed = settings.data?.minApprovers;
  const body = { from, to, ...(keys.length && { keys }), ...(remove && { delete: true }) };
  return html`<${DoChanges} title=${`Make ${to} like ${from}`} path="/api/v1/promote" body=${body} verb="Submit for review" always onClose=${onClose}>
    <p>${keys.length ? plural(keys.length, 'chosen key') : 'All keys'} of <code>${from}</code> that differ become a publish request for <code>${to}</code>${needed ? `, which needs ${plural(needed, 'approval')}` : ''}. Nothing changes before it is approved.</p>
    <${Check} label=${`Also delete what only ${to} has`} checked=${remove} onInput=${setRemove} /><//>`;
}
