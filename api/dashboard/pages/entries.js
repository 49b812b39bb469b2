// All keys of a namespace, with what is inherited, filtered by a few letters.
import { html, useEffect, useMemo, useState } from '../lib/ui.js';
import { all, get, nsPath } from '../lib/api.js';
import { go, keyHref, nsHref, param, setParams, withQuery } from '../lib/route.js';
import { can } from '../lib/session.js';
import { useData } from '../lib/data.js';
import { Entries as Store } from '../lib/entries.js';
import { open as openRequests } from '../lib/requests.js';
import { children, find, tree } from '../lib/tree.js';
import { bytes, compact, count, plural } from '../lib/format.js';
import { useNarrow } from '../lib/narrow.js';
import { Button, Chip, Empty, Failure, Icon } from '../parts/icon.js';
import { Segmented } from '../parts/form.js';
import { Virtual } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { Text, TypeChip, Value } from '../parts/value.js';
import { NamespaceHead } from '../parts/namespace.js';
import { Deleted } from './deleted.js';

function useEntries(namespace) {
  const [, turn] = useState(0);
  const store = useMemo(() => new Store(namespace, () => turn((n) => n + 1)), [namespace]);
  useEffect(() => store.begin(), [store]);
  return store;
}

// Keys with a draft, and keys that an open request would change.
function useMarks(namespace) {
  const drafts = useData(can('editor', namespace) ? namespace : null, (signal) => all(`${nsPath(namespace)}/drafts`, {}, { signal }).then((rows) => new Set(rows.map((d) => d.key))),
    { filter: { namespace, events: 'draft,publish-request', values: 'none' } });
  const reviews = useMemo(() => new Map((openRequests.value ?? []).flatMap((r) => r.changes.filter((c) => c.namespace === namespace).map((c) => [c.key, r.id]))), [openRequests.value, namespace]);
  return { drafts: drafts.data ?? new Set(), reviews };
}

const nothing = { keys: new Set(), below: 0 };

// What the node finds besides: values of which only the beginning is here, and namespaces below.
function useBeyond(namespace, text, store) {
  const [found, setFound] = useState(nothing);
  const need = text.trim().length > 0 && (store.cut > 0 || !store.complete || children(find(tree.value, namespace)).length > 0);
  useEffect(() => {
    setFound(nothing);
    if (!need) return undefined;
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const rows = await get('/api/v1/search', { q: text.trim(), namespace, limit: 200 }, { signal: abort.signal });
        const keys = new Set(rows.filter((r) => r.namespace === namespace).map((r) => r.key));
        setFound({ keys, below: rows.filter((r) => r.namespace !== namespace).length, more: rows.length >= 200 });
      } catch { /* what is loaded is still filtered */ }
    }, 250);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [namespace, text, need]);
  useEffect(() => store.filter(text, param('own') !== '1', found.keys), [store, text, param('own'), found]);
  return found;
}

/** The entries of a namespace, under its head. */
export function Entries({ namespace, about, missing, tabs }) {
  const store = useEntries(namespace);
  const marks = useMarks(namespace);
  const [at, setAt] = useState(0);
  const text = param('filter');
  const beyond = useBeyond(namespace, text, store);
  const deleted = param('deleted') === '1';
  const narrow = useNarrow();
  const { list } = store;
  const none = store.complete && store.count === 0;
  const keys = (e) => {
    if (e.key === 'Escape') { e.preventDefault(); setParams({ filter: '' }); }
    if (e.key === 'ArrowDown' || e.key === 'Enter') { e.preventDefault(); document.querySelector('.entries [data-i="0"]')?.focus(); }
  };
  const render = (i) => line(list[i], i, { namespace, marks, text, narrow, active: i === at });
  return html`<div class="ns-top"><${NamespaceHead} namespace=${namespace} about=${about} missing=${missing} tabs=${tabs} />
      <${Below} namespace=${namespace} />
      <div class="row entry-tools">
        <input class="input entry-filter" type="search" data-key="f" onClick=${(e) => e.currentTarget.focus()} aria-label="Filter keys and values" placeholder="Filter keys and values" spellcheck="false" autocomplete="off" value=${text} onInput=${(e) => { setParams({ filter: e.target.value }); setAt(0); }} onKeyDown=${keys} />
        <${Segmented} label="Which keys" value=${deleted ? 'deleted' : 'live'} options=${[['live', 'Live'], ['deleted', 'Deleted']]} onInput=${(v) => setParams({ deleted: v === 'deleted' ? '1' : '' })} />
        ${namespace.includes('/') && !deleted && html`<${Button} small icon="layers" pressed=${param('own') !== '1'} onClick=${() => setParams({ own: param('own') === '1' ? '' : '1' })}>Inherited<//>`}
        <span class="grow"></span>${!deleted && html`<${Standing} store=${store} text=${text} beyond=${beyond} namespace=${namespace} />`}
      </div></div>
    ${store.error && html`<div class="pad"><${Failure} error=${store.error} again=${() => store.again()} /></div>`}
    ${deleted ? html`<${Deleted} namespace=${namespace} store=${store} count=${store.count} complete=${store.complete} find=${text} />`
    : none ? html`<${Empty} icon="key" title="No keys here"><p>${missing ? 'Nothing was set under this name so far.' : 'A key has a value, a type and a history of who changed it.'}</p>
        ${can('editor', namespace) && html`<${Button} icon="plus" href=${nsHref(namespace, 'config', '', { new: 1 })}>Set the first key<//>`}<//>`
      : list.length === 0 && store.complete ? html`<${Empty} icon="search" title="Nothing matches"><p>${text ? html`No key or value here has <code><${Text} text=${text} /></code>.` : 'All keys here are inherited.'}</p>
          ${text && html`<${Button} href=${withQuery('/ui/search', { q: text })}>Search all namespaces<//>`}<//>`
        : html`<div class="entry-head small soft not-narrow" aria-hidden="true"><span class="c-key">Key</span><span class="grow">Value</span><span class="c-type">Type</span><span class="c-version">Version</span><span class="c-when">Changed</span></div>
          <${Virtual} class="entries" role="grid" itemRole="row" label=${`Keys of ${namespace}`} height=${narrow ? 58 : 38} count=${list.length} at=${at} setAt=${setAt} render=${render} />`}`;
}

function Standing({ store, text, beyond, namespace }) {
  const shown = store.list.length;
  const all = store.count;
  const what = text || shown !== all ? `${count(shown)} of ${plural(all, 'key')}` : plural(all, 'key');
  return html`<span class="soft small" role="status">${what}${!store.complete && !store.error ? ', still loading …' : ''}
    ${text && beyond.below > 0 && html` · <a href=${withQuery('/ui/search', { q: text, namespace })}>${beyond.more ? 'at least ' : ''}${count(beyond.below)} below</a>`}
    ${text && beyond.more && html` · there may be more in long values or below: <a href=${withQuery('/ui/search', { q: text, namespace })}>search all</a>`}</span>`;
}

const few = 10;

function Below({ namespace }) {
  const [all, setAll] = useState(false);
  const list = children(find(tree.value, namespace));
  if (list.length === 0) return null;
  const shown = all ? list.slice(0, 500) : list.slice(0, few);
  return html`<nav class="row tight below" aria-label="Namespaces below">${shown.map((n) => html`<a key=${n.path} class="chip mono" href=${nsHref(n.path)}><${Icon} name="folder" />${n.name}</a>`)}
    ${list.length > shown.length && html`<${Button} quiet small onClick=${() => setAll(true)}>${compact(list.length - shown.length)} more<//>`}</nav>`;
}

/** A key, its way there softer than its name. */
export function KeyName({ name, find: words }) {
  const cut = name.lastIndexOf('/') + 1;
  const lit = words?.trim().split(/\s+/)[0];
  return html`<span class="keyname">${cut > 0 && html`<span class="dir"><${Text} text=${name.slice(0, cut)} find=${lit} /></span>`}<${Text} text=${name.slice(cut)} find=${lit} /></span>`;
}

// The value of a row, of which only the beginning is kept.
function Preview({ row, find: words }) {
  if (row.type === 'binary') return html`<span class="value none">binary, ${bytes(Math.floor(row.length * 0.75))}</span>`;
  return html`<${Value} value=${row.text} type=${row.type === 'erased' ? 'erased' : 'string'} find=${words?.trim().split(/\s+/)[0]} />`;
}

const drawn = new WeakMap(); // by row what it shows: a row that stays in sight is not made again

function line(row, i, { namespace, marks, text, narrow, active }) {
  const href = keyHref(namespace, row.key);
  const review = marks.reviews.get(row.key);
  const draft = !review && marks.drafts.has(row.key);
  const how = [text, narrow, active, review, draft].join('\n');
  let made = drawn.get(row);
  if (made?.how !== how) drawn.set(row, made = { how, content: cells(row, { href, text, narrow, active, review, draft }) });
  return {
    onOpen: (e) => { if (!e.target.closest('a')) go(href); }, class: Date.now() - row.fresh < 2_400 ? 'fresh entry-line' : 'entry-line', content: made.content,
    attributes: { 'aria-label': row.key, 'aria-rowindex': i + 1, 'aria-setsize': undefined, 'aria-posinset': undefined },
  };
}

function cells(row, { href, text, narrow, active, review, draft }) {
  const stop = active ? 0 : -1;
  const tags = html`${!row.own && html`<a class="chip mono" tabindex=${stop} href=${keyHref(row.from, row.key)} title=${`Inherited from ${row.from}`}><${Icon} name="layers" /><span class="clip">${row.from}</span></a>`}
    ${draft && html`<${Chip} icon="edit-3" title="There is a draft of it">draft<//>`}
    ${review && html`<a class="chip info" tabindex=${stop} href=${`/ui/requests/${review}`}><${Icon} name="git-pull-request" />in review</a>`}`;
  const key = html`<a class="key-link clip" tabindex="-1" href=${href}><${KeyName} name=${row.key} find=${text} /></a>`;
  const value = html`<${Preview} row=${row} find=${text} />`;
  if (narrow) {
    return html`<span role="gridcell" class="grow fold-row"><span class="row fixed">${key}<span class="grow"></span>${tags}<span class="soft small">v${row.version}</span></span><span class="clip">${value}</span></span>`;
  }
  return html`<span role="gridcell" class="c-key row fixed tight">${key}</span><span role="gridcell" class="grow clip">${value}</span><span role="gridcell" class="row fixed tight c-tags">${tags}</span>
    <span role="gridcell" class="c-type"><${TypeChip} type=${row.type} /></span><span role="gridcell" class="c-version num soft small">v${row.version}</span>
    <span role="gridcell" class="c-when soft small clip"><${Time} at=${row.at} relative /> · <${Text} text=${row.by} /></span>`;
}
