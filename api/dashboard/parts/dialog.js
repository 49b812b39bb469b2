// What lies over the page: dialogs, menus, toasts. Focus goes in, stays, and comes back (WAI-ARIA practices, by the browser's own elements).
import { html, render, signal, useEffect, useId, useLayoutEffect, useRef, useState } from '../lib/ui.js';
import { Button, Failure, Icon } from './icon.js';

/** A modal dialog, open while it is rendered. `onClose` is told when it should go: Escape, the cross, or a button of `actions`. */
export function Dialog({ title, onClose, actions, wide, class: more = '', children, headless, label }) {
  const ref = useRef();
  const id = useId();
  useLayoutEffect(() => { // before whoever clicked can click again
    let before = document.activeElement;
    while (before?.shadowRoot?.activeElement) before = before.shadowRoot.activeElement; // in the editor
    ref.current.showModal();
    ref.current.querySelector('[autofocus], .body input, .body textarea, .body select')?.focus();
    return () => before?.isConnected && before.focus();
  }, []);
  const cancel = (e) => { e.preventDefault(); onClose(); };
  const outside = (e) => { if (e.target === ref.current) onClose(); };
  return html`<dialog ref=${ref} class="${wide ? 'wide' : ''} ${more}" aria-labelledby=${headless ? undefined : id} aria-label=${label} onCancel=${cancel} onMouseDown=${outside}>
    ${!headless && html`<div class="head"><h2 id=${id} class="grow any">${title}</h2><${Button} quiet icon="x" label="Close" onClick=${onClose} /></div>`}
    ${headless ? children : html`<div class="body">${children}</div>`}
    ${actions && html`<div class="foot">${actions}</div>`}
  </dialog>`;
}

/**
 * A dialog that asks before something is done. `act` is async; what it rejects with is shown and the dialog stays. With `word`, that must be typed first.
 */
export function Confirm({ title, children, act, verb, danger, onClose, word, why, wide }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState();
  const [typed, setTyped] = useState('');
  const id = useId();
  const missing = why || (word && typed !== word ? `Type ${word} first` : '');
  const run = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await act();
      onClose(true);
    } catch (e) {
      setError(e);
      setBusy(false);
    }
  };
  const submit = (e) => { e.preventDefault(); if (!missing && !busy) run(); };
  return html`<${Dialog} title=${title} onClose=${() => onClose(false)} wide=${wide} actions=${html`
      <${Button} onClick=${() => onClose(false)}>Cancel<//><${Button} main danger=${danger} busy=${busy} why=${missing} onClick=${run}>${verb}<//>`}>
    <form class="stack" onSubmit=${submit}>${children}
      ${word && html`<div class="field"><label for=${id}>Type <code>${word}</code> to go on</label><input id=${id} class="input mono" autocomplete="off" spellcheck="false" value=${typed} onInput=${(e) => setTyped(e.target.value)} /></div>`}
      <button hidden></button></form>
    <${Failure} error=${error} />
  <//>`;
}

/** A button that opens a menu of `items`: {icon, text, onClick | href, danger, why} or {label}. */
export function Menu({ items, icon = 'more-horizontal', label, children, ...button }) {
  const [open, setOpen] = useState(false);
  const anchor = useRef();
  const list = useRef();
  useEffect(() => {
    if (!open) return undefined;
    const at = anchor.current.getBoundingClientRect();
    const box = list.current;
    box.showPopover();
    const { width, height } = box.getBoundingClientRect();
    box.style.left = `${Math.max(8, Math.min(at.right - width, innerWidth - width - 8))}px`;
    box.style.top = `${at.bottom + height + 8 > innerHeight && at.top > height ? at.top - height - 4 : at.bottom + 4}px`;
    box.querySelector('[role=menuitem]')?.focus();
    const closed = (e) => { if (e.newState === 'closed') setOpen(false); };
    box.addEventListener('toggle', closed);
    return () => box.removeEventListener('toggle', closed);
  }, [open]);
  const close = () => { setOpen(false); anchor.current?.querySelector('button')?.focus(); };
  const keys = (e) => {
    const all = [...list.current.querySelectorAll('[role=menuitem]')];
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }[e.key];
    if (to !== undefined) { e.preventDefault(); all[to % all.length]?.focus(); }
    if (e.key === 'Escape' || e.key === 'Tab') { e.stopPropagation(); close(); }
  };
  return html`<span ref=${anchor}><${Button} ...${button} icon=${icon} label=${label} aria-haspopup="menu" aria-expanded=${open} onClick=${() => setOpen(!open)}>${children}<//></span>
    ${open && html`<div ref=${list} class="menu" role="menu" aria-label=${label} popover="auto" onKeyDown=${keys}>${items.filter(Boolean).map((item) => {
    if (item.label) return html`<div class="label" role="presentation">${item.label}</div>`;
    const inner = html`${item.icon && html`<${Icon} name=${item.icon} />`}<span class="grow">${item.text}</span>`;
    if (item.href) return html`<a role="menuitem" tabindex="-1" href=${item.href} download=${item.download} onClick=${() => setOpen(false)}>${inner}</a>`;
    return html`<button type="button" role="menuitem" tabindex="-1" class=${item.danger ? 'danger' : ''} aria-disabled=${item.why ? true : undefined} title=${item.why}
        onClick=${() => { if (item.why) return; close(); item.onClick(); }}>${inner}</button>`;
  })}</div>`}`;
}

const toasts = signal([]);
let number = 0;

/** Says shortly what happened; `href` and `link` lead to it. Errors stay until they are closed. */
export function toast(text, { tone = '', href, link } = {}) {
  const id = ++number;
  toasts.value = [...toasts.value.slice(-3), { id, text, tone, href, link }];
  if (tone !== 'bad') setTimeout(() => dismiss(id), 6_000);
}

const dismiss = (id) => { toasts.value = toasts.value.filter((t) => t.id !== id); };

/** Where toasts appear; once per page. */
export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">${toasts.value.map((t) => html`<div key=${t.id} class="toast ${t.tone}">
    <span class="grow">${t.text}</span>${t.href && html`<a href=${t.href}>${t.link ?? 'Open'}</a>`}
    <button type="button" aria-label="Dismiss" onClick=${() => dismiss(t.id)}><${Icon} name="x" /></button></div>`)}</div>`;
}

const asked = new Set(); // how to close what is open

/** Closes what lies over the page: it is of somebody who is not there any more. */
export function closeAll() {
  for (const close of [...asked]) close();
  toasts.value = [];
}

/** Opens a component as a dialog from anywhere: it gets `onClose(result)`; resolves to the result. */
export function ask(Component, props) {
  return new Promise((resolve) => {
    const root = document.body.appendChild(document.createElement('div'));
    const onClose = (result) => { asked.delete(onClose); render(null, root); root.remove(); resolve(result); };
    asked.add(onClose);
    render(html`<${Component} ...${props} onClose=${onClose} />`, root);
  });
}
