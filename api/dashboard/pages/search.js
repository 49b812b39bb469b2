// Search over the keys and values that one may read.
import { html, useEffect, useRef, useState } from '../lib/ui.js';
import { entryOf } from '../lib/entry.js';
import { keyHref, nsHref, param, setParams } from '../lib/route.js';
import { usePages } from '../lib/paging.js';
import { useFollow } from '../lib/live.js';
import { count, plural } from '../lib/format.js';
import { textOf } from '../lib/text.js';
import { Button, Chip, Empty, Failure, Loading } from '../parts/icon.js';
import { Field, Segmented } from '../parts/form.js';
import { Head } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { Text, TypeChip, Value } from '../parts/value.js';
import { namespaces } from '../lib/namespaces.js';

const places = [['', 'Keys and values'], ['keys', 'Keys'], ['values', 'Values']];

// What is typed reaches the address when one pauses.
function useTyped(name) {
  const [text, setText] = useState(param(name));
  const timer = useRef();
  const given = param(name);
  const sent = useRef(given);
  useEffect(() => { if (given !== sent.current) { sent.current = given; setText(given); } }, [given]);
  const type = (next) => {
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => { sent.current = next.trim(); setParams({ [name]: next.trim() }); }, 220);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  return [text, type];
}

const id = (row) => `${row.namespace}\n${row.key}`;

// What is listed stays true; what would be found now as well is only counted.
function useSearch(q, scope, where) {
  const asked = JSON.stringify([q, scope, where]);
  const state = usePages(asked, q ? '/api/v1/search' : null, { q, namespace: scope, in: where, limit: 100 }, { fill: 20 });
  const [others, setOthers] = useState(0);
  useEffect(() => setOthers(0), [asked]);
  useFollow(q ? { ...(scope && { namespace: scope }), events: 'config', values: 'none' } : null, {
    after: state.after,
    anew: state.reload,
    async on(event) {
      if (!state.rows?.some((r) => id(r) === id(event))) { setOthers((n) => n + 1); return; }
      const now = await entryOf(event.namespace, event.key).then((e) => e ?? null, () => undefined);
      if (now === undefined) return;
      state.set((rows) => rows.map((r) => (id(r) !== id(event) ? r : now === null ? { ...r, deleted: true } : { ...r, ...now, excerpt: undefined, deleted: false, fresh: Date.now() })));
    },
  });
  return { ...state, others, again: () => { setOthers(0); state.again(); } };
}

function groups(rows) {
  const found = [];
  for (const row of rows) {
    if (found.at(-1)?.namespace !== row.namespace) found.push({ namespace: row.namespace, rows: [] });
    found.at(-1).rows.push(row);
  }
  return found;
}

/** The search page. */
export function Search() {
  const [text, type] = useTyped('q');
  const [scope, typeScope] = useTyped('namespace');
  const q = param('q');
  const state = useSearch(q, param('namespace'), param('in'));
  const input = useRef();
  useEffect(() => { if (!q) input.current?.focus(); }, []);
  const move = (e) => {
    const to = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[e.key];
    if (!to || e.ctrlKey || e.metaKey || e.altKey || (e.key.length === 1 && e.target.closest('input'))) return;
    const links = [...document.querySelectorAll('.found-key')];
    const at = links.indexOf(document.activeElement);
    if (at < 0 && to < 0) return;
    e.preventDefault();
    if (at + to < 0) input.current.focus();
    else links[Math.min(at + to, links.length - 1)]?.focus();
  };
  return html`<div class="page" onKeyDown=${move}><${Head} title="Search" document=${q ? `${q.slice(0, 60)} · Search` : 'Search'} />
    <div class="filters" role="search">
      <${Field} label="Words" class="found-words">${(a) => html`<input ...${a} ref=${input} class="input" type="search" placeholder="All words must be there, in key or value" maxlength="256" spellcheck="false" autocomplete="off" value=${text} onInput=${(e) => type(e.target.value)} />`}<//>
      <${Field} label="Namespace and below">${(a) => html`<input ...${a} class="input mono" list="search-namespaces" placeholder="all" spellcheck="false" autocomplete="off" value=${scope} onInput=${(e) => typeScope(e.target.value)} />`}<//>
      <datalist id="search-namespaces">${(namespaces.value ?? []).filter((n) => n.path.includes(scope)).slice(0, 20).map((n) => html`<option value=${n.path}></option>`)}</datalist>
      <${Segmented} label="Where to look" value=${param('in')} options=${places} onInput=${(v) => setParams({ in: v })} />
    </div>
    ${q ? html`<${Results} state=${state} q=${q} />` : html`<${Empty} icon="search" title="Find a key by what it is called or what it says"><p>Every word must be in the key, its namespace or its value, in any order and whatever its case. Bytes and erased values are not searched.</p><//>`}</div>`;
}

function Results({ state, q }) {
  const { rows, next, loading, error, others } = state;
  if (!rows) return error ? html`<${Failure} error=${error} again=${state.again} />` : html`<${Loading}>Searching …<//>`;
  const words = q.split(/\s+/).filter(Boolean);
  const said = rows.length === 0 ? (next ? 'Nothing so far; only a part was searched.' : '') : `${next ? 'The first ' : ''}${plural(rows.length, 'key')}${next ? '; only a part was searched.' : '.'}`;
  return html`<div class="stack ${state.stale ? 'stale' : ''}"><p class="soft row" role="status">${said}
      ${others > 0 && html`<span>${plural(others, 'other change')} since: there may be more.</span><${Button} small icon="refresh-cw" onClick=${state.again}>Search again<//>`}</p>
    ${rows.length === 0 && !next && html`<${Empty} icon="search" title="Nothing was found"><p>No key or value that you may read has ${words.length > 1 ? 'all of these words' : 'this word'}. Deleted keys are listed with their namespace, under “Deleted”.</p><//>`}
    ${groups(rows).map((g) => html`<section class="card" key=${g.namespace} aria-label=${g.namespace}><div class="head"><h2 class="grow mono found-ns"><a href=${nsHref(g.namespace)}><${Text} text=${g.namespace} find=${words} /></a></h2><span class="soft small">${count(g.rows.length)}</span></div>
      <ul>${g.rows.map((row) => html`<${Result} key=${row.key} row=${row} words=${words} />`)}</ul></section>`)}
    <${Failure} error=${error} again=${state.more} />
    ${next && html`<div><${Button} busy=${loading} onClick=${state.more}>${rows.length ? 'More' : 'Search on'}<//></div>`}</div>`;
}

function Result({ row, words }) {
  const value = row.value !== undefined ? textOf(row.value) : row.excerpt;
  return html`<li class="found ${Date.now() - (row.fresh ?? 0) < 2_400 ? 'fresh' : ''}"><a class="found-key keyname any" href=${keyHref(row.namespace, row.key)}><${Text} text=${row.key} find=${words} /></a>
    <span class="found-value clip">${row.deleted ? html`<${Chip} tone="bad" icon="trash-2">deleted meanwhile<//>` : row.type === 'binary' ? html`<span class="value none">binary</span>` : value === undefined ? html`<${Value} type=${row.type} />`
    : html`<span class="value inline"><${Text} text=${excerpt(value, words)} find=${words} /></span>`}</span>
    <span class="row tight fixed"><${TypeChip} type=${row.type} /><span class="soft small nowrap">v${row.version} · <${Time} at=${row.updatedAt} relative /> · <${Text} text=${row.updatedBy} /></span></span></li>`;
}

// The line around the first match.
function excerpt(value, words) {
  const line = value.slice(0, 4_000).replace(/\s*\n\s*/g, ' ⏎ ');
  const low = line.toLowerCase();
  const at = Math.min(...words.map((w) => low.indexOf(w.toLowerCase())).filter((i) => i >= 0), line.length);
  const from = at < line.length && at > 60 ? at - 40 : 0;
  return `${from ? '…' : ''}${line.slice(from, from + 240)}${line.length > from + 240 ? '…' : ''}`;
}
