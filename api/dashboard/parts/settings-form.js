// The form of a namespace's own settings: what is left empty is inherited.
import { html } from '../lib/ui.js';
import { bytes, localInput } from '../lib/format.js';
import { Area, Check, Input, Select } from './form.js';
import { Button } from './icon.js';

/** The yes-or-no members: [name, label, what it means]. */
export const switches = [
  ['requireApproval', 'Changes need approval', 'Direct writes are refused; changes go by publish requests.'],
  ['rollbackRequiresApproval', 'Rollbacks need approval', 'A rollback or revert becomes a publish request.'],
  ['allowBypass', 'Admins may bypass', 'With a reason, loudly and on record.'],
];

const days = [['mon', 'Mon'], ['tue', 'Tue'], ['wed', 'Wed'], ['thu', 'Thu'], ['fri', 'Fri'], ['sat', 'Sat'], ['sun', 'Sun']];
const whole = (text) => (text === '' ? undefined : Math.max(0, Math.floor(Number(text)) || 0));
const yes = (v) => (v ? 'yes' : 'no');

/** `own` are the members that are set here; `change(member, value)` sets one, undefined takes it away. `otherwise(member)` says in words what holds without it. */
export function SettingsForm({ own, change, otherwise, root }) {
  const quota = (name, text) => {
    const next = { ...own.quota, [name]: whole(text) };
    for (const k of Object.keys(next)) if (!next[k]) delete next[k];
    change('quota', Object.keys(next).length ? next : undefined);
  };
  return html`<div class="stack"><div class="form-grid">
      ${switches.map(([name, label, hint]) => html`<${Select} label=${label} hint=${hint} value=${own[name] === undefined ? '' : String(own[name])} options=${[['', `inherited: ${otherwise(name)}`], ['true', 'yes'], ['false', 'no']]} onInput=${(v) => change(name, v === '' ? undefined : v === 'true')} />`)}
      <${Input} label="Approvals needed" type="number" min="1" max="20" placeholder=${`inherited: ${otherwise('minApprovers')}`} value=${own.minApprovers ?? ''} onInput=${(v) => change('minApprovers', v === '' ? undefined : Math.max(1, Math.min(20, Math.floor(Number(v)) || 1)))} />
      <${Input} label="Quota: keys" hint="Here and below, drafts included." type="number" min="0" placeholder="no limit of its own" value=${own.quota?.keys ?? ''} onInput=${(v) => quota('keys', v)} />
      <${Input} label="Quota: bytes" hint=${own.quota?.bytes ? bytes(own.quota.bytes) : 'Of keys and values.'} type="number" min="0" placeholder="no limit of its own" value=${own.quota?.bytes ?? ''} onInput=${(v) => quota('bytes', v)} /></div>
    <${Windows} own=${own} change=${change} otherwise=${otherwise} /><${Freezes} own=${own} change=${change} />
    ${!root && html`<${Check} label="Inherit from the namespaces above" hint="Without it neither settings nor values come from above. Freezes and quotas of above hold in any case." checked=${own.inherit !== false} onInput=${(on) => change('inherit', on ? undefined : false)} />`}</div>`;
}

const replace = (list, i, change) => list.map((x, k) => (k === i ? { ...x, ...change } : x));
const without = (list, i) => { const left = list.filter((_, k) => k !== i); return left.length ? left : undefined; };

function Windows({ own, change, otherwise }) {
  const list = own.windows ?? [];
  const toggle = (w, day, on) => days.map(([d]) => d).filter((d) => (d === day ? on : (w.days ?? []).includes(d)));
  return html`<fieldset class="stack tight"><legend class="legend">Windows</legend><p class="soft small">Changes are made inside one of them only. ${list.length ? '' : `None here: ${otherwise('windows')}.`}</p>
    ${list.map((w, i) => html`<div key=${i} class="setting-row" role="group" aria-label=${`Window ${i + 1}`}><div class="row tight days" role="group" aria-label="Days, none is every day">${days.map(([d, t]) => html`<${Button} small pressed=${(w.days ?? []).includes(d)} onClick=${() => change('windows', replace(list, i, { days: toggle(w, d, !(w.days ?? []).includes(d)) }))}>${t}<//>`)}</div>
      <div class="filters"><${Input} label="From" type="time" value=${w.from} onInput=${(from) => change('windows', replace(list, i, { from }))} /><${Input} label="To" type="time" value=${w.to} onInput=${(to) => change('windows', replace(list, i, { to }))} />
      <${Input} label="Time zone" placeholder="UTC" value=${w.timezone ?? ''} onInput=${(timezone) => change('windows', replace(list, i, { timezone: timezone || undefined }))} /><${Button} quiet danger icon="trash-2" label=${`Remove window ${i + 1}`} onClick=${() => change('windows', without(list, i))} /></div></div>`)}
    <div><${Button} small icon="plus" onClick=${() => change('windows', [...list, { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '09:00', to: '17:00', timezone: Intl.DateTimeFormat().resolvedOptions().timeZone }])}>Add a window<//></div></fieldset>`;
}

const moment = (v) => (v ? new Date(v).toISOString() : '');

function Freezes({ own, change }) {
  const list = own.freezes ?? [];
  const add = (hours) => { const now = Math.floor(Date.now() / 60_000) * 60_000; change('freezes', [...list, { from: new Date(now).toISOString(), until: new Date(now + hours * 3_600_000).toISOString(), reason: '' }]); };
  return html`<fieldset class="stack tight"><legend class="legend">Freezes</legend><p class="soft small">No changes are made inside any of them, here and below in any case.</p>
    ${list.map((f, i) => html`<div key=${i} class="setting-row" role="group" aria-label=${`Freeze ${i + 1}`}><div class="filters"><${Input} label="From" type="datetime-local" value=${f.from ? localInput(f.from) : ''} onInput=${(v) => change('freezes', replace(list, i, { from: moment(v) }))} />
      <${Input} label="Until" type="datetime-local" value=${f.until ? localInput(f.until) : ''} onInput=${(v) => change('freezes', replace(list, i, { until: moment(v) }))} />
      <${Button} small onClick=${() => change('freezes', replace(list, i, { until: new Date().toISOString() }))} why=${new Date(f.until) < new Date() ? 'It has ended.' : ''}>End it now<//><${Button} quiet danger icon="trash-2" label=${`Remove freeze ${i + 1}`} onClick=${() => change('freezes', without(list, i))} /></div>
      <${Area} label="Reason" rows="1" value=${f.reason} error=${f.reason.trim() ? '' : 'Say why: whoever is stopped by it reads this.'} onInput=${(reason) => change('freezes', replace(list, i, { reason }))} /></div>`)}
    <div class="row"><${Button} small icon="plus" onClick=${() => add(24)}>Freeze for a day<//><${Button} small icon="plus" onClick=${() => add(24 * 7)}>Freeze for a week<//></div></fieldset>`;
}

/** What a member holds, in words. */
export function inWords(name, value) {
  if (switches.some(([n]) => n === name)) return yes(value);
  if (name === 'windows') return value?.length ? value.map(windowWords).join('; ') : 'changes at any time';
  if (name === 'minApprovers') return String(value ?? 1);
  return value === undefined ? 'none' : String(value);
}

/** A window in words. */
export function windowWords(w) {
  const names = w.days?.length && w.days.length < 7 ? w.days.map((d) => days.find(([n]) => n === d)?.[1] ?? d).join(' ') : 'every day';
  return `${names} ${w.from}–${w.to} ${w.timezone || 'UTC'}`;
}

/** What is wrong with a form, '' when nothing is. */
export function fault(own) {
  for (const f of own.freezes ?? []) {
    if (!f.reason.trim()) return 'A freeze lacks its reason.';
    if (!f.from || !f.until) return 'A freeze lacks a time.';
    if (new Date(f.until) <= new Date(f.from)) return 'A freeze ends before it begins.';
  }
  for (const w of own.windows ?? []) if (!w.from || !w.to) return 'A window lacks a time.';
  return '';
}
