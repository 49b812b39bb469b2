// The slider over a namespace's history: a mark for each change, steps to the one before and after.
import { html, useEffect, useMemo, useRef, useState } from '../lib/ui.js';
import { ordinal } from '../lib/asof.js';
import { count, localInput, plural, when } from '../lib/format.js';
import { Check, Input } from './form.js';
import { Button } from './icon.js';
import { Time } from './time.js';
import { Text } from './value.js';

const verbs = { 'config.created': 'created', 'config.updated': 'changed', 'config.deleted': 'deleted', 'config.rolled-back': 'rolled back' };
const tones = { 'config.created': 'green', 'config.deleted': 'red' };
const wait = 90; // ms between a movement and the address

// Stops of the slider: 0 is before the first change that is known, i is after the i-th, the last is now.
const stop = (marks, i) => (i >= marks.length ? '' : i <= 0 ? String(Math.max(1, marks[0].index - 1)) : String(marks[i - 1].index));

/** Chooses `at` ('' is now). */
export function Slider({ marks, more, at, setAt, below, setBelow }) {
  const n = marks.length;
  const last = n > 0 && ordinal(marks, at) === n && at && !(Number(at) > marks[n - 1].index) ? n - 1 : n; // the newest change and now are one stop
  const own = at ? Math.min(ordinal(marks, at), last) : n;
  const [moved, setMoved] = useState();
  const timer = useRef();
  useEffect(() => setMoved(undefined), [at, n]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const here = moved ?? own;
  const go = (i) => {
    const to = Math.max(0, Math.min(n, i));
    setMoved(to);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setAt(stop(marks, to)), wait);
  };
  const mark = marks[here - 1];
  const shownAt = moved === undefined ? at : stop(marks, moved);
  const words = here >= n || !shownAt ? 'Now' : mark ? `After event ${count(mark.index)}: ${mark.actor} ${verbs[mark.action]} ${mark.key}` : 'Before the first change that is known';
  return html`<div class="stack tight time-slider">
    <div class="row fixed"><${Button} icon="chevron-left" label="Previous change" why=${here === 0 ? 'There is no earlier change here.' : ''} onClick=${() => go(here >= n ? n - 1 : here - 1)} />
      <div class="grow slide"><${Ticks} marks=${marks} /><input type="range" class="wide" aria-label="Time" aria-valuetext=${words} min="0" max=${n} step="1" value=${here} onInput=${(e) => go(Number(e.target.value))} /></div>
      <${Button} icon="chevron-right" label="Next change" why=${here >= n ? 'This is now.' : ''} onClick=${() => go(here + 1)} />
      <${Button} pressed=${!at} onClick=${() => { clearTimeout(timer.current); setMoved(undefined); setAt(''); }}>Now<//></div>
    <div class="row spread small"><span class="soft">${n ? html`${more ? 'Newest ' : ''}${plural(n, 'change')} since <${Time} at=${marks[0].time} />` : 'Nothing has changed here yet'}</span>
      <span class="any">${here >= n || !shownAt ? html`<strong>Now</strong>` : mark ? html`<strong>Event ${count(mark.index)}</strong> · ${when(mark.time)} · <${Text} text=${mark.actor} /> ${verbs[mark.action]} <span class="mono"><${Text} text=${mark.namespace && below ? `${mark.namespace} · ${mark.key}` : mark.key} /></span>` : html`<strong>Before the first change that is known</strong>`}</span></div>
    <${Places} marks=${marks} at=${at} setAt=${setAt} mark=${mark} below=${below} setBelow=${setBelow} /></div>`;
}

function Places({ marks, at, setAt, mark, below, setBelow }) {
  const index = at && /^\d+/.test(at) ? String(Number.parseInt(at, 10)) : at && mark ? String(mark.index) : '';
  const time = at && !/^\d+(-|$)/.test(at) ? at : at && mark ? mark.time : '';
  const moment = (v) => {
    if (!v) { setAt(''); return; }
    const end = new Date(new Date(v).getTime() + 59_999).toISOString(); // to the end of the minute that was chosen
    const i = ordinal(marks, end);
    setAt(i > 0 ? String(marks[i - 1].index) : end);
  };
  return html`<div class="filters"><${Input} label="As of event" type="number" min="1" inputmode="numeric" placeholder="now" value=${index} onChange=${(e) => setAt(e.target.value ? String(Math.max(1, Math.floor(Number(e.target.value)))) : '')} onInput=${() => {}} />
    <${Input} label="As of the minute" type="datetime-local" value=${time ? localInput(time) : ''} onChange=${(e) => moment(e.target.value)} onInput=${() => {}} />
    <${Check} label="Marks of namespaces below, too" checked=${below} onInput=${setBelow} /></div>`;
}

// A line for each change, coloured by what it did; the same stands in words beside the slider.
function Ticks({ marks }) {
  const paths = useMemo(() => {
    const by = {};
    marks.forEach((m, i) => { const x = (1_000 * (i + 1)) / marks.length; (by[tones[m.action] ?? 'accent'] ??= []).push(`M${x.toFixed(1)} 0V10`); });
    return Object.entries(by);
  }, [marks]);
  return html`<svg class="ticks" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">${paths.map(([tone, d]) => html`<path d=${d.join('')} style=${{ stroke: `var(--${tone})` }} vector-effect="non-scaling-stroke" />`)}</svg>`;
}
