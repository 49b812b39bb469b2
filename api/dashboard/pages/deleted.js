// The keys of a namespace that are no more, the newest deletion first; each can be brought back on its page.
import { html, useMemo } from '../lib/ui.js';
import { keyHref } from '../lib/route.js';
import { nsPath } from '../lib/api.js';
import { usePages } from '../lib/paging.js';
import { useFollow } from '../lib/live.js';
import { plural } from '../lib/format.js';
import { Button, Empty, Failure, Loading } from '../parts/icon.js';
import { Virtual } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { Text, Value } from '../parts/value.js';
import { KeyName } from './entries.js';

// Of each key only its last end counts, and only while it is not there again.
function gone(events, store, words) {
  const seen = new Set();
  return events.filter((e) => {
    if (e.newValue !== null || seen.has(e.key)) return false;
    seen.add(e.key);
    return !store.at(e.key)?.own && words.every((w) => e.key.toLowerCase().includes(w));
  });
}

/** The deleted keys of a namespace. `store` knows which are there now: `count` of them, and whether those are all. */
export function Deleted({ namespace, store, count, complete, find }) {
  const state = usePages(namespace, `${nsPath(namespace)}/audit`, { action: 'config.deleted,config.rolled-back', limit: 200 }, { fill: 50 });
  useFollow({ namespace, events: 'config.deleted,config.rolled-back', values: 'none' }, { after: state.after, on: (event) => { if (event.namespace === namespace) state.reload(); }, anew: state.reload });
  const words = find.toLowerCase().split(/\s+/).filter(Boolean);
  const list = useMemo(() => gone(state.rows ?? [], store, words), [state.rows, find, count, complete]);
  if (state.error) return html`<div class="pad"><${Failure} error=${state.error} again=${state.again} /></div>`;
  if (!state.rows || !complete) return html`<${Loading} />`;
  if (list.length === 0 && !state.next) return html`<${Empty} icon="trash-2" title="No deleted keys"><p>Keys that were deleted here and are still in the history would be listed, each with who did it and a way back.</p><//>`;
  const render = (i) => line(list[i], namespace, find);
  return html`<${Virtual} class="entries" label=${`Deleted keys of ${namespace}`} height=${38} count=${list.length} near=${(last) => { if (last >= list.length) state.more(); }} render=${render} />
    <p class="pad soft small row" role="status">${plural(list.length, 'deleted key')}${state.next ? html`, looked at the newest deletions. <${Button} small busy=${state.loading} onClick=${state.more}>Look further back<//>` : ''}</p>`;
}

function line(event, namespace, find) {
  const href = keyHref(namespace, event.key);
  return {
    href,
    content: html`<span class="c-key clip"><${KeyName} name=${event.key} find=${find} /></span>
      <span class="grow clip soft small not-narrow">was <${Value} value=${event.oldValue === null ? undefined : event.oldValue.slice(0, 300)} type=${event.erased ? 'erased' : 'string'} /></span>
      <span class="soft small clip c-gone">deleted <${Time} at=${event.timestamp} relative /> by <${Text} text=${event.actor} /></span>`,
  };
}
