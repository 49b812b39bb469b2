// Ctrl-K: to any page, namespace, key or request, by a few letters.
import { html, signal, useEffect, useMemo, useRef, useState } from '../lib/ui.js';
import { get } from '../lib/api.js';
import { go, keyHref, nsHref, withQuery } from '../lib/route.js';
import { canAnywhere, can } from '../lib/session.js';
import { open as openRequests } from '../lib/requests.js';
import { namespaces } from '../lib/namespaces.js';
import { Dialog } from './dialog.js';
import { Icon } from './icon.js';
import { Text } from './value.js';

/** Whether the palette is open. */
export const shown = signal(false);

const pagesOf = () => [
  ['Overview', '/ui/overview', 'layout-dashboard'], ['Browse', '/ui/ns', 'folder'], ['Search keys and values', '/ui/search', 'search'], ['Publish requests', '/ui/requests', 'git-pull-request'],
  ['Drafts', '/ui/drafts', 'edit-3'], ['Audit trail', '/ui/audit', 'book-open'], ['Live feed', '/ui/feed', 'radio'], ['Compare namespaces', '/ui/compare', 'git-compare'], ['API keys', '/ui/keys', 'key-round'],
  canAnywhere('admin') && ['Webhooks', '/ui/webhooks', 'webhook'], can('admin') && ['Members', '/ui/members', 'server'], can('admin') && ['Backup', '/ui/backup', 'archive'],
].filter(Boolean).map(([text, href, icon]) => ({ text, href, icon, group: 'Pages' }));

const words = (q) => q.toLowerCase().split(/\s+/).filter(Boolean);
const matches = (text, all) => all.every((w) => text.toLowerCase().includes(w));

/** The palette, rendered while it is open. */
export function Palette() {
  const [q, setQ] = useState('');
  const [at, setAt] = useState(0);
  const [found, setFound] = useState([]);
  const list = useRef();
  const close = () => { shown.value = false; };

  useEffect(() => {
    if (q.trim().length < 2) { setFound([]); return undefined; }
    const abort = new AbortController();
    const timer = setTimeout(() => get('/api/v1/search', { q: q.trim(), in: 'keys', limit: 20 }, { signal: abort.signal }).then(setFound, () => {}), 120);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [q]);

  const options = useMemo(() => {
    const all = words(q);
    const near = (items, most) => items.filter((i) => matches(i.text, all)).slice(0, most);
    const ns = (namespaces.value ?? []).map((n) => ({ text: n.path, href: nsHref(n.path), icon: 'folder', group: 'Namespaces', mono: true }));
    const requests = (openRequests.value ?? []).map((r) => ({ text: `${r.comment || r.changes[0]?.key || r.id} · ${r.submittedBy}`, href: `/ui/requests/${r.id}`, icon: 'git-pull-request', group: 'Open requests' }));
    const keys = found.map((k) => ({ text: `${k.namespace}/${k.key}`, href: keyHref(k.namespace, k.key), icon: 'key', group: 'Keys', mono: true }));
    const search = q.trim() ? [{ text: `Search everything for “${q.trim()}”`, href: withQuery('/ui/search', { q: q.trim() }), icon: 'search', group: 'Search' }] : [];
    return [...near(pagesOf(), 12), ...keys, ...(q ? near(ns, 12) : []), ...near(requests, 6), ...search];
  }, [q, found, namespaces.value, openRequests.value]);

  const active = Math.min(at, options.length - 1);
  useEffect(() => { list.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' }); }, [active]);
  const choose = (option) => { if (option) { close(); go(option.href); } };
  const keys = (e) => {
    const to = { ArrowDown: active + 1, ArrowUp: active - 1 + options.length }[e.key];
    if (to !== undefined && options.length) { e.preventDefault(); setAt(to % options.length); }
    if (e.key === 'Enter') { e.preventDefault(); choose(options[active]); }
  };
  let group = '';
  return html`<${Dialog} headless label="Go to" class="palette" onClose=${close}>
    <input class="input" autofocus role="combobox" aria-label="Go to a page, namespace, key or request" aria-expanded="true" aria-controls="palette-list" aria-autocomplete="list"
      aria-activedescendant=${options.length ? `palette-${active}` : undefined} placeholder="Page, namespace, key or request …" spellcheck="false" autocomplete="off" value=${q} onInput=${(e) => { setQ(e.target.value); setAt(0); }} onKeyDown=${keys} />
    <ul ref=${list} id="palette-list" role="listbox" aria-label="Places">${options.map((o, i) => {
    const head = o.group !== group && (group = o.group);
    return html`${head && html`<li class="group" role="presentation">${head}</li>`}
      <li id=${`palette-${i}`} role="option" aria-selected=${i === active} onMouseMove=${() => setAt(i)} onClick=${() => choose(o)}><${Icon} name=${o.icon} /><span class="clip ${o.mono ? 'mono' : ''}"><${Text} text=${o.text} /></span></li>`;
  })}${options.length === 0 && html`<li class="group" role="presentation">Nothing is called that.</li>`}</ul>
  <//>`;
}
