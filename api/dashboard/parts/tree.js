// The tree of namespaces beside the page: any number of them, by mouse, arrows or a few letters.
import { html, signal, useEffect, useMemo, useRef, useState } from '../lib/ui.js';
import { go, nsHref, place } from '../lib/route.js';
import { namespaces } from '../lib/namespaces.js';
import { above, rows, tree } from '../lib/tree.js';
import { count } from '../lib/format.js';
import { Button, Icon, Loading } from './icon.js';
import { Virtual } from './table.js';
import { Text } from './value.js';

const opened = signal(new Set()); // paths of open branches, kept while one moves about

// Whether the tree is shown over the page, where there is no room beside it.
const drawer = signal(false);

const setOpen = (path, yes) => {
  const next = new Set(opened.value);
  if (yes) next.add(path);
  else next.delete(path);
  opened.value = next;
};

function matching(list, filter) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return list.filter((n) => { const path = n.path.toLowerCase(); return words.every((w) => path.includes(w)); })
    .map((n) => ({ node: { name: n.path, path: n.path, at: n }, level: 1 }));
}

/** The tree with its filter. */
export function Tree() {
  const [filter, setFilter] = useState('');
  const [at, setAt] = useState(0);
  const input = useRef();
  const { namespace } = place.value;
  const root = tree.value;
  const list = useMemo(() => {
    if (!root) return [];
    return filter.trim() ? matching(namespaces.value, filter) : [{ node: { ...root, name: 'All namespaces', below: undefined }, level: 0 }, ...rows(root, opened.value)];
  }, [root, filter, opened.value]);

  useEffect(() => { // where one is, is in sight
    const missing = [...above(namespace), namespace].filter((p) => !opened.value.has(p));
    if (missing.length) opened.value = new Set([...opened.value, ...missing]);
  }, [namespace]);
  useEffect(() => {
    const i = list.findIndex((r) => r.node.path === namespace);
    if (i >= 0) setAt(i);
  }, [namespace, root, filter]);
  useEffect(() => { if (drawer.value) input.current?.focus(); }, [drawer.value]);
  useEffect(() => { drawer.value = false; }, [place.value.namespace, place.value.key]);

  const onKey = (e, i, move) => {
    const row = list[i];
    if (!row) return;
    const isOpen = opened.value.has(row.node.path);
    if (e.key === 'ArrowRight' && row.node.below) {
      e.preventDefault();
      if (isOpen) move(i + 1);
      else setOpen(row.node.path, true);
    } else if (e.key === 'ArrowLeft') {
      e.preventDefault();
      if (row.node.below && isOpen) setOpen(row.node.path, false);
      else for (let up = i - 1; up >= 0; up--) if (list[up].level < row.level) { move(up); break; }
    } else if (e.key === ' ') {
      e.preventDefault();
      go(nsHref(row.node.path));
    }
  };
  const first = (e) => {
    if (e.key === 'Escape' && filter) { e.stopPropagation(); setFilter(''); }
    if (e.key === 'Enter' && list.length) go(nsHref(list[0].node.path));
    if (e.key === 'ArrowDown') { e.preventDefault(); e.currentTarget.closest('.tree-side').querySelector('[role=treeitem]')?.focus(); }
  };
  return html`<nav class="tree-side ${drawer.value ? 'shown' : ''}" id="tree" aria-label="Namespaces" onKeyDown=${(e) => { if (e.key === 'Escape') drawer.value = false; }}>
    <div class="filter row fixed"><input ref=${input} class="input" type="search" aria-label="Filter namespaces" placeholder="Filter namespaces" spellcheck="false" autocomplete="off"
      value=${filter} onInput=${(e) => setFilter(e.target.value)} onKeyDown=${first} />
      ${drawer.value && html`<${Button} quiet icon="x" label="Close the namespaces" onClick=${() => { drawer.value = false; }} />`}</div>
    ${!root ? html`<${Loading} />` : list.length === 0 ? html`<p class="soft small pad">No namespace is called that.</p>`
    : html`<${Virtual} class="tree" role="tree" itemRole="treeitem" label="Namespaces" height=${28} count=${list.length} at=${at} setAt=${setAt} onKey=${onKey} render=${(i) => line(list[i], filter, namespace)} />`}
    ${filter.trim() && list.length > 0 && html`<p class="soft small pad" role="status">${count(list.length)} of ${count(namespaces.value.length)}</p>`}
  </nav>`;
}

function line({ node, level }, filter, current) {
  const isOpen = opened.value.has(node.path);
  const toggle = (e) => { e.preventDefault(); e.stopPropagation(); setOpen(node.path, !isOpen); };
  return {
    href: nsHref(node.path), selected: node.path === current, class: node.at || node.path === '/' ? '' : 'soft',
    attributes: { 'aria-level': Math.max(1, level), 'aria-expanded': node.below ? isOpen : undefined, 'aria-current': node.path === current ? 'page' : undefined, title: node.path, style: { '--level': Math.max(0, level - 1) } },
    content: html`<span class="twist" onClick=${node.below ? toggle : undefined}>${node.below && html`<${Icon} name=${isOpen ? 'chevron-down' : 'chevron-right'} />`}</span>
      <span class="clip"><${Text} text=${node.name} find=${filter.trim().split(/\s+/)[0]} /></span>`,
  };
}

/** Opens the tree where it is not beside the page. */
export const TreeButton = () => html`<${Button} quiet small icon="folder" class="only-drawer" aria-expanded=${drawer.value} aria-controls="tree" onClick=${() => { drawer.value = true; }}>Namespaces<//>`;
