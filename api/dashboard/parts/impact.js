// Whom a request would reach, were it published now.
import { html } from '../lib/ui.js';
import { count, plural } from '../lib/format.js';
import { keyHref } from '../lib/route.js';
import { plain } from '../lib/text.js';
import { Note } from './icon.js';
import { Card } from './table.js';
import { Text, Value } from './value.js';

const few = 8;

function Few({ rows, label, children }) {
  return html`<details><summary>${label}</summary><ul class="plain small stack tight">${rows.slice(0, 50).map((row) => html`<li class="any">${children(row)}</li>`)}${rows.length > 50 && html`<li class="soft">and ${count(rows.length - 50)} more</li>`}</ul></details>`;
}

const link = (k) => html`<a class="mono" href=${keyHref(k.namespace, k.key)}><${Text} text=${`${k.namespace}/${k.key}`} /></a>`;

/** The impact panel, of GET …/impact. */
export function Impact({ impact: x }) {
  const below = x.changes.filter((c) => c.inherited);
  return html`<${Card} title="Impact"><div class="stack tight">
    <p><strong>${x.watches === 0 ? 'Reaches no watcher now' : `Reaches ${plural(x.watches, 'watcher')}`}</strong>${x.watches > 0 && html` of ${plural(x.principals.length, 'principal')}`}.</p>
    ${x.principals.length > 0 && (x.principals.length <= few ? html`<p class="soft small any">${plain(x.principals.join(', '))}</p>` : html`<${Few} rows=${x.principals} label=${`${x.principals.length} principals`}>${(p) => plain(p)}<//>`)}
    ${x.unwatched.length > 0 && html`<${Few} rows=${x.unwatched} label=${`${plural(x.unwatched.length, 'key')} that nobody watches`}>${link}<//>`}
    ${below.length > 0 && html`<${Few} rows=${below} label=${`${plural(below.length, 'inherited value')} below change too`}>${(c) => html`${link(c)}<br /><${Value} value=${c.value} />`}<//>`}
    ${x.frozen && html`<${Note} tone="warn" title="It would wait"><p>${x.frozen}</p><//>`}
    ${x.errors.length > 0 && html`<${Note} tone="bad" title="The schemas do not allow it"><p>It cannot be published as it is: ${plural(x.errors.length, 'error')}, shown with the changes.</p><//>`}
    ${x.silent?.length > 0 && html`<${Note} tone="warn"><p>${x.silent.join(', ')} did not answer: watchers there are not counted.</p><//>`}
  </div><//>`;
}
