// Fields: a label, what it is for, what is wrong with it; tied together for everybody.
import { html, useEffect, useId, useRef, useState } from '../lib/ui.js';
import { Icon } from './icon.js';

/** A labelled field. `children(attributes)` renders the control with them; `error` is what is wrong. */
export function Field({ label, hint, error, children, class: more = '' }) {
  const id = useId();
  const about = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || undefined;
  return html`<div class="field ${more}"><label for=${id}>${label}</label>
    ${children({ id, 'aria-describedby': about, 'aria-invalid': error ? true : undefined })}
    ${hint && html`<span class="hint" id=${`${id}-hint`}>${hint}</span>`}
    ${error && html`<span class="error" id=${`${id}-error`} role="alert"><${Icon} name="x-circle" />${error}</span>`}</div>`;
}

/** A field of one line. */
export function Input({ label, hint, error, value, onInput, mono, class: more, ...rest }) {
  return html`<${Field} label=${label} hint=${hint} error=${error} class=${more}>${(attributes) => html`<input class="input ${mono ? 'mono' : ''}" ...${attributes} ...${rest}
    value=${value} onInput=${(e) => onInput(e.target.value)} autocomplete=${rest.autocomplete ?? 'off'} spellcheck=${mono ? 'false' : undefined} />`}<//>`;
}

/** A field of one line that is told of, by `set(text)`, when typing rests: for what becomes the address. */
export function Slow({ value, set, ...rest }) {
  const [text, setText] = useState(value);
  const timer = useRef();
  useEffect(() => setText(value), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const input = (v) => {
    setText(v);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => set(v.trim()), 350);
  };
  return html`<${Input} value=${text} onInput=${input} ...${rest} />`;
}

/** A field of several lines. */
export function Area({ label, hint, error, value, onInput, ...rest }) {
  return html`<${Field} label=${label} hint=${hint} error=${error}>${(attributes) => html`<textarea class="input" ...${attributes} ...${rest} value=${value} onInput=${(e) => onInput(e.target.value)}></textarea>`}<//>`;
}

/** A choice of few: options are [value, text] or texts. */
export function Select({ label, hint, error, value, options, onInput, class: more, ...rest }) {
  return html`<${Field} label=${label} hint=${hint} error=${error} class=${more}>${(attributes) => html`<select class="input" ...${attributes} ...${rest} value=${value} onChange=${(e) => onInput(e.target.value)}>
    ${options.map((o) => { const [v, text] = [o].flat(); return html`<option value=${v} selected=${v === value}>${text ?? v}</option>`; })}</select>`}<//>`;
}

/** Yes or no. */
export function Check({ label, hint, checked, onInput, ...rest }) {
  const id = useId();
  return html`<div class="check"><input type="checkbox" id=${id} checked=${checked} onChange=${(e) => onInput(e.target.checked)} aria-describedby=${hint ? `${id}-hint` : undefined} ...${rest} />
    <span><label for=${id}>${label}</label>${hint && html`<br /><span class="soft small" id=${`${id}-hint`}>${hint}</span>`}</span></div>`;
}

/** A few buttons of which one is chosen: options are [value, text]. */
export function Segmented({ label, value, options, onInput }) {
  return html`<span class="segmented" role="group" aria-label=${label}>${options.map(([v, text]) => html`<button type="button" class="btn small" aria-pressed=${v === value} onClick=${() => onInput(v)}>${text}</button>`)}</span>`;
}
