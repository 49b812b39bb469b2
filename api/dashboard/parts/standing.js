// What a request still needs, and who has said what.
import { html } from '../lib/ui.js';
import { plural } from '../lib/format.js';
import { me } from '../lib/session.js';
import { isOpen, lacks, progress, whyNotReview } from '../lib/reviewing.js';
import { plain } from '../lib/text.js';
import { Chip, Icon } from './icon.js';
import { Card } from './table.js';
import { Text } from './value.js';

/** The card that says how a request stands. */
export function Standing({ request: r }) {
  const missing = lacks(r);
  const p = progress(r);
  const why = isOpen(r) && whyNotReview(r);
  return html`<${Card} title="Approvals" actions=${p && p.need > 0 && html`<${Chip} tone=${p.have >= p.need ? 'good' : 'info'} icon="user-check">${p.have} of ${p.need}<//>`}><div class="stack">
    ${isOpen(r) && missing.length === 0 && html`<p>It has all the approvals that it needs.</p>`}
    ${!isOpen(r) && r.reviews.length === 0 && html`<p class="soft">Nobody reviewed it.</p>`}
    ${missing.map((m) => html`<p class="any"><strong>${plural(m.need - m.have, 'more approval')}</strong> for ${m.keys.length === 1 ? html`<code><${Text} text=${m.keys[0]} /></code>` : `${m.keys.length} keys`} in <code>${m.namespace}</code><br /><span class="soft small">It has ${m.have} of ${m.need}. A publisher of the key counts who neither submitted nor wrote it.</span></p>`)}
    ${r.reviews.length > 0 && html`<ul class="plain stack tight" aria-label="Reviews">${r.reviews.map((x) => html`<${Said} review=${x} />`)}</ul>`}
    ${why && html`<p class="soft small"><${Icon} name="info" /> ${why}</p>`}
    ${isOpen(r) && !why && r.state === 'pending_review' && html`<p class="small"><${Icon} name="user-check" /> It waits for you, ${plain(me.value?.principal)}. <kbd>a</kbd> approves, <kbd>r</kbd> rejects.</p>`}
  </div><//>`;
}

function Said({ review: x }) {
  const yes = x.decision === 'approved';
  return html`<li><span class="row tight"><${Icon} name=${yes && x.counts ? 'check-circle-2' : yes ? 'alert-triangle' : 'x-circle'} /><strong>${plain(x.reviewer)}</strong> ${yes ? (x.counts ? 'approved' : 'approved, which does not count') : 'rejected'}</span>
    ${x.why && html`<p class="small any">${x.why}</p>`}</li>`;
}
