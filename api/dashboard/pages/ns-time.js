// A namespace at any time: as it was, how that differs from now, and back to it.
import { html, useMemo, useState } from '../lib/ui.js';
import { get, nsPath } from '../lib/api.js';
import { target, useAsOf, useMarks } from '../lib/asof.js';
import { useData } from '../lib/data.js';
import { count, plural } from '../lib/format.js';
import { keyHref, param, setParams } from '../lib/route.js';
import { lacking, useRole } from '../lib/session.js';
import { DoChanges } from '../parts/changes.js';
import { Check } from '../parts/form.js';
import { Button, Chip, Empty, Failure, Loading, Note } from '../parts/icon.js';
import { Slider } from '../parts/slider.js';
import { Card, Virtual } from '../parts/table.js';
import { Text, Value } from '../parts/value.js';

const tall = 34; // px of a row
const since = { create: ['added since', 'good', 'plus'], update: ['changed since', 'info', 'pencil'], delete: ['removed since', 'bad', 'trash-2'] };

/** The tab of a namespace. */
export function NamespaceTime({ namespace }) {
  if (namespace === '/') return html`<${Empty} icon="history" title="The root holds no values"><p>Choose a namespace: then this is a slider over its history, with all its values as they were.</p><//>`;
  return html`<${At} key=${namespace} namespace=${namespace} />`;
}

function At({ namespace }) {
  const at = param('at');
  const [below, setBelow] = useState(false);
  const history = useMarks(namespace, below);
  const state = useAsOf(namespace, at, history.turn);
  const setAt = (to) => setParams({ at: to });
  return html`<div class="stack"><${Card} title="Time">${history.error ? html`<${Failure} error=${history.error} />` : !history.marks ? html`<${Loading}>Looking for changes …<//>`
    : html`<${Slider} marks=${history.marks} more=${history.more} at=${at} setAt=${setAt} below=${below} setBelow=${setBelow} />`}<//>
    ${state.error ? html`<${Failure} error=${state.error} again=${state.again} title=${state.error.status === 410 ? 'That is older than what is kept' : state.error.status === 400 ? 'There is no such time here' : undefined} />
      ${state.error.status === 410 && history.oldest && html`<div><${Button} icon="rewind" onClick=${() => setAt(String(history.oldest))}>To the oldest, event ${count(history.oldest)}<//></div>`}`
    : !state.data ? html`<${Loading} />` : html`<${Then} namespace=${namespace} data=${state.data} late=${state.loading || state.data.at !== at} />`}</div>`;
}

// What was there and what came since, by key: {key, entry?, change?}.
function rowsOf({ rows, changes }) {
  const by = new Map(changes.map((c) => [c.key, c]));
  const all = rows.map((entry) => ({ key: entry.key, entry, change: by.get(entry.key) }));
  for (const c of changes) if (c.action === 'create') all.push({ key: c.key, change: c });
  return all.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

function Then({ namespace, data, late }) {
  const only = param('only') === 'differences';
  const all = useMemo(() => rowsOf(data), [data]);
  const rows = only ? all.filter((r) => r.change) : all.filter((r) => r.entry || r.change);
  const number = (action) => data.changes.filter((c) => c.action === action).length;
  const then = data.at !== '';
  const [rolling, setRolling] = useState(false);
  const { may, role } = useRole(namespace);
  const why = role && !may('publisher') ? lacking('publisher', namespace) : data.changes.length === 0 && !data.tooMany ? 'It is as it was then.' : '';
  const title = then ? (/^\d+/.test(data.at) && !data.at.includes('T') ? `As of event ${count(Number.parseInt(data.at, 10))}` : 'As of that time') : 'As it is now';
  return html`<${Card} title=${title} flush stale=${late} actions=${then && html`<${Button} icon="rotate-ccw" why=${why} onClick=${() => setRolling(true)}>Roll the namespace back to here …<//>`}>
    <div class="pad row" role="status" aria-busy=${late}><strong>${plural(data.rows.length, 'key')}${data.cut ? ' (the first)' : ''}</strong>
      ${then && ['update', 'create', 'delete'].map((a) => number(a) > 0 && html`<${Chip} tone=${since[a][1]} icon=${since[a][2]}>${count(number(a))} ${since[a][0]}<//>`)}
      ${then && data.changes.length === 0 && !data.tooMany && html`<${Chip} tone="good">the same as now<//>`}
      ${then && html`<span class="grow"></span><${Check} label="Only differences" checked=${only} onInput=${(on) => setParams({ only: on ? 'differences' : null })} />`}</div>
    ${data.tooMany && html`<${Note} tone="warn" title="Too many differences to show"><p>${data.tooMany}</p><//>`}
    ${data.cut && html`<${Note} tone="warn"><p>Only the first ${count(data.rows.length)} keys of that time are shown.</p><//>`}
    ${rows.length ? html`<div class="asof" style=${{ height: `${Math.min(rows.length, 400) * tall + 2}px` }}><${Virtual} count=${rows.length} height=${tall} label="Entries of that time" render=${(i) => row(namespace, rows[i], data.at)} /></div>`
    : html`<${Empty} icon="history" title=${only ? 'Nothing differs' : 'There was nothing yet'}><p>${only ? 'The values were what they are now.' : 'The namespace had no values at that time.'}</p><//>`}
    ${rolling && html`<${Rollback} namespace=${namespace} at=${data.at} onClose=${() => setRolling(false)} />`}<//>`;
}

function row(namespace, { key, entry, change }, at) {
  const [word, tone, icon] = change ? since[change.action] : [];
  const cut = key.lastIndexOf('/') + 1;
  const content = html`<span class="keyname clip asof-key"><span class="dir"><${Text} text=${key.slice(0, cut)} /></span><${Text} text=${key.slice(cut)} /></span>
    <span class="clip grow asof-value">${entry ? html`<${Value} value=${entry.value} type=${entry.type} />` : html`<span class="value none">not there</span>`}
    ${change?.action === 'update' && html`<span class="soft"><span aria-hidden="true"> → </span><span class="out">, now </span></span><${Value} value=${change.new} type=${change.newType} />`}
    ${change?.action === 'create' && html`<span class="soft"><span aria-hidden="true"> → </span><span class="out">, now </span></span><${Value} value=${change.new} type=${change.newType} />`}</span>
    ${change && html`<${Chip} tone=${tone} icon=${icon}>${word}<//>`}${entry && html`<span class="soft small num asof-version">v${entry.version}</span>`}`;
  return { href: keyHref(namespace, key, { at: at && entry ? at : '' }), content };
}

function Rollback({ namespace, at, onClose }) {
  const settings = useData(`settings of ${namespace}`, (signal) => get(`${nsPath(namespace)}/settings`, { resolve: true }, { signal }));
  const review = settings.data?.rollbackRequiresApproval;
  return html`<${DoChanges} title=${`Roll ${namespace} back`} path=${`${nsPath(namespace)}/rollback`} body=${target(at)} verb=${review ? 'Ask for review' : 'Roll back'} always=${review} onClose=${(answer) => { onClose(); if (answer && !answer.request) setParams({ at: null }); }}>
    <p>All keys of exactly this namespace are again as they were then; those that came since are deleted. Nothing is lost: the history keeps what is there now.${review ? ' The settings ask for a review of rollbacks, so a publish request is made.' : ''}</p><//>`;
}
