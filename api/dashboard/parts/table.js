// Tables, lists too long for one, and what divides a page.
import { html, useEffect, useLayoutEffect, useRef, useState } from '../lib/ui.js';
import { plain } from '../lib/text.js';

/**
 * A table. `columns`: {head, cell(row), num, class, label}; on narrow screens rows become blocks, each cell under its head. `rowKey(row)`,
 * `selected(row)`, `fresh(row)` (just came), `caption` for those who do not see it.
 */
export function Table({ columns, rows, rowKey, selected, fresh, caption }) {
  return html`<div class="table-wrap" tabindex="0" role="group" aria-label=${caption}><table class="table fold"><caption class="out">${caption}</caption>
    <thead><tr>${columns.map((c) => html`<th scope="col" class=${c.num ? 'num' : ''}>${c.head || html`<span class="out">${c.label ?? 'Actions'}</span>`}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${rowKey(row)} aria-selected=${selected?.(row) || undefined} class=${fresh?.(row) ? 'fresh' : ''}>
      ${columns.map((c) => html`<td class="${c.num ? 'num' : ''} ${c.class ?? ''}" data-label=${typeof c.head === 'string' ? c.head : ''}>${c.cell(row)}</td>`)}</tr>`)}</tbody></table></div>`;
}

/**
 * A list of any length with rows of `height` px, of which only those in sight exist. `render(i)` gives {href | onOpen, content, selected, attributes}.
 * Arrow keys, Page Up/Down, Home and End move, Enter opens. `near(last)` is told how far one has scrolled.
 */
export function Virtual({ count, height = 36, render, label, role = 'listbox', itemRole = 'option', near, class: more = '', onKey, at, setAt }) {
  const box = useRef();
  const [view, setView] = useState({ top: 0, tall: 600 });
  const [own, setOwn] = useState(0);
  const active = Math.min(at ?? own, Math.max(0, count - 1));
  const activate = setAt ?? setOwn;
  const focus = useRef(false);

  useLayoutEffect(() => {
    const el = box.current;
    const measure = () => setView((v) => (v.top === el.scrollTop && v.tall === el.clientHeight ? v : { top: el.scrollTop, tall: el.clientHeight }));
    const watcher = new ResizeObserver(measure);
    watcher.observe(el);
    el.addEventListener('scroll', measure, { passive: true });
    return () => { watcher.disconnect(); el.removeEventListener('scroll', measure); };
  }, []);

  const first = Math.max(0, Math.floor(view.top / height) - 8);
  const last = Math.min(count, Math.ceil((view.top + view.tall) / height) + 8);
  useEffect(() => { near?.(last); }, [last, count]);

  const show = (i) => {
    const el = box.current;
    if (i * height < el.scrollTop) el.scrollTop = i * height;
    else if ((i + 1) * height > el.scrollTop + el.clientHeight) el.scrollTop = (i + 1) * height - el.clientHeight;
  };
  useEffect(() => {
    if (!focus.current) return;
    focus.current = false;
    box.current.querySelector(`[data-i="${active}"]`)?.focus({ preventScroll: true });
  });
  const move = (i) => {
    const to = Math.max(0, Math.min(count - 1, i));
    focus.current = true;
    show(to);
    activate(to);
  };
  const keys = (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const page = Math.max(1, Math.floor(view.tall / height) - 1);
    const to = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: count - 1, j: active + 1, k: active - 1 }[e.key];
    if (to !== undefined) { e.preventDefault(); move(to); return; }
    onKey?.(e, active, move);
  };

  const lines = [];
  for (let i = first; i < last; i++) lines.push(i);
  if (count > 0 && (active < first || active >= last)) lines.push(active); // Tab finds it
  return html`<div ref=${box} class="virtual ${more}" role=${role} aria-label=${label} tabindex=${count ? -1 : 0} onKeyDown=${keys}>
    <div class="all" role="presentation" style=${{ height: `${count * height}px` }}>${lines.map((i) => {
    const { href, onOpen, content, selected, attributes, class: extra = '' } = render(i);
    const common = {
      key: i, 'data-i': i, role: itemRole, class: `line ${extra}`, tabindex: i === active ? 0 : -1, 'aria-selected': itemRole === 'row' ? undefined : Boolean(selected), 'aria-setsize': count, 'aria-posinset': i + 1,
      style: { top: `${i * height}px`, height: `${height}px`, ...attributes?.style }, onFocus: () => activate(i),
    };
    const more = { ...attributes, style: common.style };
    return href ? html`<a ...${common} ...${more} href=${href} aria-selected=${itemRole === 'option' || itemRole === 'treeitem' ? Boolean(selected) : undefined}>${content}</a>`
      : html`<div ...${common} ...${more} onClick=${onOpen} onKeyDown=${(e) => { if (e.key === 'Enter' && e.target === e.currentTarget) onOpen?.(e); }}>${content}</div>`;
  })}</div></div>`;
}

/** Pages beside each other: items are {href, text, icon, count, current}. */
export function Tabs({ items, label }) {
  return html`<nav class="tabs" aria-label=${label}>${items.filter(Boolean).map((t) => html`<a href=${t.href} aria-current=${t.current ? 'page' : undefined}>${t.text}${t.count ? html` <span class="chip">${t.count}</span>` : ''}</a>`)}</nav>`;
}

/** The head of a page: its title, what leads there, and what can be done. */
export function Head({ title, crumbs, children, actions, mono, document: name }) {
  useEffect(() => { document.title = `${plain(name ?? (typeof title === 'string' ? title : 'Confman'))} · Confman`; }, [name, title]);
  return html`<header class="page-head">${crumbs && html`<nav class="crumbs" aria-label="Path">${crumbs}</nav>`}
    <div class="row spread"><h1 class=${mono ? 'mono' : ''} tabindex="-1">${title}</h1>${actions && html`<div class="row">${actions}</div>`}</div>${children}</header>`;
}

/** A part of a page with a head of its own. */
export function Card({ title, actions, children, flush, class: more = '', stale, icon }) {
  return html`<section class="card ${more} ${stale ? 'stale' : ''}" aria-label=${typeof title === 'string' ? title : undefined}>
    ${title && html`<div class="head">${icon}<h2 class="grow">${title}</h2>${actions}</div>`}${flush ? children : html`<div class="body">${children}</div>`}</section>`;
}

/** Names and what they are: [name, content] pairs; absent contents are left out. */
export function Facts({ of: pairs }) {
  return html`<dl class="facts">${pairs.filter((p) => p && p[1] !== undefined && p[1] !== null && p[1] !== '' && p[1] !== false).map(([name, content]) => html`<dt>${name}</dt><dd>${content}</dd>`)}</dl>`;
}
