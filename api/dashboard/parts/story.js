// What happened to a request, oldest first.
import { html } from '../lib/ui.js';
import { parse } from '../lib/api.js';
import { when } from '../lib/format.js';
import { plain } from '../lib/text.js';
import { Icon } from './icon.js';
import { Text } from './value.js';
import { Time } from './time.js';

const kinds = {
  submitted: ['send', 'submitted it'], approved: ['check-circle-2', 'approved'], rejected: ['x-circle', 'rejected it'], withdrawn: ['undo-2', 'withdrew it'],
  scheduled: ['clock', 'scheduled it'], published: ['zap', 'published it'], bypassed: ['alert-triangle', 'published it without its approvals'],
};

const data = (e) => { try { return parse(e.newValue ?? '{}'); } catch { return {}; } };

function fromRequest(r) {
  const steps = [{ kind: 'submitted', who: r.submittedBy, at: r.submittedAt, comment: '' }, ...r.reviews.map((x) => ({ kind: x.decision, who: x.reviewer, at: x.at, comment: x.comment, index: x.index }))];
  if (r.resolution && r.resolution.state !== 'rejected') steps.push({ kind: r.resolution.bypassed ? 'bypassed' : r.resolution.state, who: r.resolution.by, at: r.resolution.at, comment: r.resolution.comment, index: r.resolution.index });
  return steps;
}

const fromTrail = (trail, r) => trail.map((e) => {
  const kind = e.action.split('.')[1];
  const said = data(e);
  const comment = e.comment ?? said.comment ?? said.reason;
  return { kind, who: e.actor, at: e.timestamp, index: e.index, comment: kind === 'submitted' ? '' : comment, until: said.dueAt ?? said.at ?? said.publishAt, why: said.why, request: r };
});

// Of a request in several namespaces not everybody may see all events: the request itself tells the rest.
function both(r, trail) {
  const told = fromTrail(trail, r);
  const known = new Set(told.map((s) => s.index));
  const rest = fromRequest(r).filter((s) => (s.index === undefined ? !told.some((t) => t.kind === s.kind) : !known.has(s.index) && !told.some((t) => t.kind === s.kind && t.who === s.who)));
  return [...told, ...rest].sort((a, b) => Date.parse(a.at) - Date.parse(b.at) || (a.index ?? 0) - (b.index ?? 0));
}

/** The timeline of a request, from its audit trail and from itself. */
export function Story({ request: r, trail }) {
  const steps = both(r, trail);
  return html`<ol class="timeline">${steps.map((s) => {
    const [icon, verb] = kinds[s.kind] ?? ['circle', s.kind];
    return html`<li><${Icon} name=${icon} /><div class="stack tight"><p><strong>${s.who === 'system' ? 'The cluster' : plain(s.who)}</strong> ${verb}${s.kind === 'scheduled' && s.until ? ` for ${when(s.until)}` : ''}<br />
      <span class="soft small"><${Time} at=${s.at} relative />${s.index && html` · <a href=${`/ui/audit?request=${encodeURIComponent(r.id)}`}>event ${s.index}</a>`}</span></p>
      ${s.comment && html`<blockquote class="said any"><${Text} text=${s.comment} /></blockquote>`}</div></li>`;
  })}</ol>`;
}
