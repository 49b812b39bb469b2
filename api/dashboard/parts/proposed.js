// The changes that a request proposes, one after the other.
import { html, useState } from '../lib/ui.js';
import { keyHref } from '../lib/route.js';
import { typeOf } from '../lib/governance.js';
import { plain } from '../lib/text.js';
import { Button, Chip } from './icon.js';
import { Diff } from './diff.js';
import { within } from './judge.js';
import { acts } from './draftlist.js';
import { Text } from './value.js';
import { Wrong } from './valuefield.js';

const atOnce = 25;

const step = (name) => name.replaceAll('~', '~0').replaceAll('/', '~1');
const about = (e, key) => e.pointer === `/${step(key)}` || e.pointer.startsWith(`/${step(key)}/`);

/** All changes of a request, with what the schemas say of each. j and k go from one to the next. */
export function Proposed({ request: r, errors = [] }) {
  const [most, setMost] = useState(atOnce);
  const rest = errors.filter((e) => !r.changes.some((c) => about(e, c.key)));
  return html`<h2 class="out">Changes</h2>${rest.length > 0 && html`<${Wrong} errors=${rest} />`}
    ${r.changes.slice(0, most).map((c) => html`<${Change} key=${`${c.namespace}\n${c.key}`} change=${c} request=${r} errors=${errors.filter((e) => about(e, c.key))} />`)}
    ${r.changes.length > most && html`<div><${Button} onClick=${() => setMost(most + 100)}>Show more (${r.changes.length - most} left)<//></div>`}`;
}

function Change({ change: c, request: r, errors }) {
  const [word, tone, icon] = acts[c.action] ?? ['No longer kept', '', 'archive'];
  const old = c.previous ? c.previous.value ?? null : undefined;
  const oldType = c.previous && typeOf(old, c.type);
  return html`<section class="card proposed" tabindex="-1" data-row aria-label=${`${word}: ${c.key}`}><div class="head"><h3 class="keyname grow any"><a href=${keyHref(c.namespace, c.key)}><span class="dir"><${Text} text=${`${c.namespace}/`} /></span><${Text} text=${c.key} /></a></h3>
      <${Chip} tone=${tone} icon=${icon}>${word}<//>${c.type && c.action !== 'delete' && html`<${Chip} mono>${c.type}<//>`}</div>
    <div class="body stack tight">
      ${c.action === 'update' && c.diff?.length === 0 ? html`<p class="soft">The value stays. Only the description or the tags change.</p>` : c.action ? html`<${Diff} old=${old === undefined ? undefined : oldType === 'json' ? old : String(old)} oldType=${oldType} now=${c.action === 'delete' ? undefined : c.type === 'json' ? c.value : String(c.value ?? '')} newType=${c.action === 'delete' ? oldType : c.type} places=${c.action === 'update' ? c.diff : undefined} />`
    : html`<p class="soft">What it was is no longer kept.</p>`}
      ${c.description && html`<p class="small any"><span class="soft">Description:</span> <${Text} text=${c.description} /></p>`}${c.tags?.length > 0 && html`<p class="small any"><span class="soft">Tags:</span> <${Text} text=${c.tags.join(', ')} /></p>`}
      <${Wrong} errors=${errors.map((e) => ({ ...e, pointer: within(e.pointer, c.key) }))} />
      <p class="soft small">Written by ${plain(c.editedBy)}${c.previous ? `, replaces version ${c.previous.version}` : ''}${c.comment && c.comment !== r.comment ? html`: <span class="any"><${Text} text=${c.comment} /></span>` : ''}</p></div></section>`;
}
