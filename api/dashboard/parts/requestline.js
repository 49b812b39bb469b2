// A publish request in one line, as queues and pages list it.
import { html } from '../lib/ui.js';
import { plural } from '../lib/format.js';
import { states } from '../lib/requests.js';
import { Chip, Icon } from './icon.js';
import { Text } from './value.js';
import { Time } from './time.js';

/** What a request is called: its comment's first line, or what it changes. */
export const titleOf = (r) => r.comment?.split('\n')[0] || (r.changes.length === 1 ? r.changes[0].key : `${plural(r.changes.length, 'change')} in ${r.changes[0]?.namespace ?? 'nothing you may see'}`);

/** A link to a request that says what it is, who wants it, and how far it is. */
export function RequestLine({ request: r }) {
  const [text, tone] = states[r.state];
  const places = [...new Set(r.changes.map((c) => c.namespace))];
  return html`<a class="request-line" href=${`/ui/requests/${r.id}`}><${Icon} name="git-pull-request" /><span class="grow"><strong class="any"><${Text} text=${titleOf(r)} /></strong><br />
    <span class="soft small">${r.submittedBy} · <${Time} at=${r.submittedAt} relative /> · ${plural(r.changes.length, 'key')} in <span class="mono">${places.slice(0, 3).join(', ')}${places.length > 3 ? ' …' : ''}</span></span></span><${Chip} tone=${tone}>${text}<//></a>`;
}
