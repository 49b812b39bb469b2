// Drafts: each against what is live, chosen together for a review.
import { html, useMemo, useState } from '../lib/ui.js';
import { keyPath, Problem, write } from '../lib/api.js';
import { plural } from '../lib/format.js';
import { typeOf } from '../lib/governance.js';
import { sideOfDraft, valueOf } from '../lib/editing.js';
import { about } from '../lib/requests.js';
import { keyHref, nsHref } from '../lib/route.js';
import { plain } from '../lib/text.js';
import { Button, Chip, Note } from './icon.js';
import { Confirm, toast } from './dialog.js';
import { Diff } from './diff.js';
import { Wrong } from './valuefield.js';
import { within } from './judge.js';
import { Card } from './table.js';
import { Text } from './value.js';
import { Time } from './time.js';
import { Submit } from './submit.js';

const idOf = (d) => `${d.namespace}\n${d.key}`;
const openAt = 12; // so many drafts show their differences at once

/** What a draft does: [word, tone, icon]. */
export const acts = { create: ['New', 'good', 'plus'], update: ['Changed', 'info', 'pencil'], delete: ['Deleted', 'bad', 'trash-2'] };

export const actOf = (d) => (d.delete ? 'delete' : d.live ? 'update' : 'create');

/** A draft against what is live. */
export function DraftDiff({ draft: d }) {
  const old = d.live ? d.live.value ?? null : undefined;
  return html`<${Diff} old=${d.live ? (d.type === 'json' || typeof old === 'object' ? old : String(old)) : undefined} oldType=${d.live && typeOf(old, d.type)} now=${d.delete ? undefined : valueOf(sideOfDraft(d))} newType=${d.type ?? typeOf(old)} />`;
}

function Row({ draft: d, picked, pick, unfold, discard }) {
  const [open, setOpen] = useState(unfold);
  const [word, tone, icon] = acts[actOf(d)];
  const request = d.request ?? about(d.namespace, d.key)[0]?.id;
  const errors = (d.errors ?? []).map((e) => ({ ...e, pointer: within(e.pointer, d.key) }));
  return html`<li class="draft"><div class="row fixed top"><input type="checkbox" aria-label=${`Choose ${d.namespace}/${d.key}`} checked=${picked} disabled=${Boolean(request)} onChange=${(e) => pick(e.target.checked)} />
    <div class="grow stack tight"><div class="row"><button type="button" class="disclose keyname any" aria-expanded=${open} onClick=${() => setOpen(!open)}><${Text} text=${d.key} /></button><${Chip} tone=${tone} icon=${icon}>${word}<//>
        ${request && html`<a href=${`/ui/requests/${request}`}><${Chip} tone="violet" icon="lock">under review<//></a>`}${errors.length > 0 && html`<${Chip} tone="bad">breaks the schema<//>`}</div>
      <p class="soft small">${plain(d.updatedBy)}, <${Time} at=${d.updatedAt} relative />${d.comment && html`: <span class="any"><${Text} text=${d.comment} /></span>`}</p></div>
    <div class="row fixed tight"><${Button} small quiet icon="pencil" label=${`Edit ${d.namespace}/${d.key}`} href=${request ? undefined : keyHref(d.namespace, d.key, { edit: 1 })} why=${request && 'It is under review'} />
      <${Button} small quiet icon="trash-2" label=${`Discard the draft of ${d.namespace}/${d.key}`} why=${request && 'It is under review: withdraw the request first'} onClick=${discard} /></div></div>
    ${open && html`<div class="stack tight draft-body"><${DraftDiff} draft=${d} /><${Wrong} errors=${errors} /></div>`}</li>`;
}

/** Drafts by namespace, with what can be done with those that are chosen. `heads` names the namespaces. */
export function DraftList({ drafts, heads }) {
  const [chosen, setChosen] = useState(new Set());
  const [submitting, setSubmitting] = useState();
  const [discarding, setDiscarding] = useState();
  const groups = useMemo(() => Object.entries(Object.groupBy?.(drafts, (d) => d.namespace) ?? drafts.reduce((g, d) => ({ ...g, [d.namespace]: [...(g[d.namespace] ?? []), d] }), {})), [drafts]);
  const free = drafts.filter((d) => !d.request && about(d.namespace, d.key).length === 0);
  const picked = free.filter((d) => chosen.has(idOf(d)));
  const pick = (rows, on) => setChosen((old) => { const next = new Set(old); for (const d of rows) next[on ? 'add' : 'delete'](idOf(d)); return next; });
  const broken = picked.filter((d) => d.errors?.length);
  const none = picked.length ? '' : 'Choose drafts first';
  return html`<div class="stack"><div class="row spread acts"><label class="check"><input type="checkbox" checked=${free.length > 0 && picked.length === free.length} disabled=${free.length === 0} onChange=${(e) => pick(free, e.target.checked)} /><span>All (${picked.length} of ${free.length} chosen)</span></label>
      <div class="row"><${Button} main icon="send" why=${none || (broken.length ? `${broken[0].key} breaks the schema: mend it first` : '')} onClick=${() => setSubmitting(picked)}>Submit for review<//>
        <${Button} danger icon="trash-2" why=${none} onClick=${() => setDiscarding(picked)}>Discard<//></div></div>
    ${groups.map(([ns, rows]) => html`<${Card} key=${ns} flush title=${heads && html`<a class="mono" href=${nsHref(ns, 'drafts')}>${ns}</a>`}><ul class="drafts" aria-label=${`Drafts in ${ns}`}>
      ${rows.map((d) => html`<${Row} key=${idOf(d)} draft=${d} picked=${chosen.has(idOf(d))} pick=${(on) => pick([d], on)} unfold=${drafts.length <= openAt} discard=${() => setDiscarding([d])} />`)}</ul><//>`)}
    ${submitting && html`<${Submit} drafts=${submitting} onClose=${() => setSubmitting(undefined)} />`}
    ${discarding && html`<${Discard} drafts=${discarding} onClose=${() => setDiscarding(undefined)} />`}</div>`;
}

function Discard({ drafts, onClose }) {
  const act = async () => {
    let n = 0;
    for (const d of drafts) {
      await write('DELETE', keyPath(d.namespace, 'drafts', d.key), undefined, { ifMatch: `"r${d.revision}"` }).then(() => n++, (e) => {
        if (!(e instanceof Problem) || e.status !== 404) throw Object.assign(e, { message: `${d.key}: ${e.message}${n ? ` (${plural(n, 'draft')} before it went)` : ''}` });
      });
    }
    toast(`${plural(n, 'draft')} discarded`);
  };
  return html`<${Confirm} wide danger title=${`Discard ${drafts.length === 1 ? `the draft of ${drafts[0].key}` : plural(drafts.length, 'draft')}?`} verb="Discard" act=${act} onClose=${onClose}>
    <${Note} tone="warn"><p>What they propose is gone from here. What is live does not change.</p><//>
    ${drafts.length <= 3 ? drafts.map((d) => html`<div class="stack tight"><p class="keyname any">${d.namespace}/${d.key}</p><${DraftDiff} draft=${d} /></div>`) : html`<ul class="plain mono small">${drafts.map((d) => html`<li class="any">${d.namespace}/${d.key}</li>`)}</ul>`}<//>`;
}
