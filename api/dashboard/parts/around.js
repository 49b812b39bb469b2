// What stands beside an editor: how changes are made here, what the schema says, whose draft it is, which requests are open about the key.
import { html } from '../lib/ui.js';
import { plural } from '../lib/format.js';
import { sameContent } from '../lib/editing.js';
import { states } from '../lib/requests.js';
import { me } from '../lib/session.js';
import { plain } from '../lib/text.js';
import { Button, Chip, Note } from './icon.js';
import { Card, Facts } from './table.js';
import { Text } from './value.js';
import { Time } from './time.js';
import { titleOf } from './requestline.js';

const whose = (name) => (name === me.value?.principal ? 'You have' : `${plain(name)} has`);

// How changes are made in a namespace, in a sentence or two.
function Rules({ ways, settings }) {
  return html`<div class="stack tight"><p>${ways.approvals ? `Every change needs ${plural(ways.approvals, 'approval')} by somebody who did not write it.` : ways.held ? 'Direct writes are allowed, but not now.' : 'What you save is live at once.'}</p>
    ${ways.held && html`<${Note} tone="warn"><p>${ways.held.text}</p><//>`}
    ${settings.from?.requireApproval && html`<p class="soft small">So say the settings of <code>${settings.from.requireApproval}</code>.</p>`}</div>`;
}

/** The open requests about a key, or about some: they would change them too. `keys(request)` names those. */
export function OpenRequests({ requests, keys }) {
  if (requests.length === 0) return null;
  const what = keys ? 'some of these keys' : 'this key';
  return html`<${Note} tone="warn" title=${requests.length === 1 ? `Another open request changes ${what} too` : `${requests.length} open requests change ${what} too`}><ul class="plain">
    ${requests.map((r) => html`<li><a href=${`/ui/requests/${r.id}`}><${Text} text=${titleOf(r)} /></a> <span class="soft small">by ${plain(r.submittedBy)}, ${states[r.state][0].toLowerCase()}</span>${keys && html`<br /><span class="mono small any">${keys(r).map((c) => c.key).join(', ')}</span>`}</li>`)}</ul><//>`;
}

/** Everything beside the editor. */
export function Around({ began, theirs, form, said, found, ways, settings, requests, fromLive }) {
  const { live, draft } = began;
  return html`<aside class="stack" aria-label="About this key">
    <${OpenRequests} requests=${requests} />
    ${draft && html`<${Note} title=${draft.delete ? `${whose(draft.by)} drafted its deletion` : `${whose(draft.by)} a draft of this`}><p>Saved <${Time} at=${draft.at} relative />.
      ${draft.delete ? ' Saving another draft takes its place.' : sameContent(form, draft) ? ' You see the draft.' : ' You see something else than the draft.'}</p>
      ${!draft.delete && live.version > 0 && !sameContent(form, live) && html`<div><${Button} small icon="undo-2" onClick=${fromLive}>Start from what is live<//></div>`}<//>`}
    ${said.deprecated && html`<${Note} tone="warn" title="Deprecated"><p>The schema says that nothing new is to be written here.</p><//>`}
    ${found.unknown && html`<${Note} tone="warn" title="Not in the schema"><p>The schema of <code>${found.unknown}</code> allows no other keys than those it names.</p><//>`}
    <${Card} title="How changes are made"><${Rules} ways=${ways} settings=${settings} /><//>
    ${(said.title || said.description) && html`<${Card} title=${said.title ?? 'From the schema'}><p class="any"><${Text} text=${said.description ?? 'The schema has no description of it.'} /></p><//>`}
    ${live.version > 0 && html`<${Card} title=${theirs?.kind === 'live' ? 'What you began from' : 'Live now'}><${Facts} of=${[['Version', live.version], ['Changed', html`<${Time} at=${live.at} relative />`], ['By', plain(live.by)], ['Type', html`<${Chip} mono>${live.type}<//>`]]} /><//>`}
  </aside>`;
}
