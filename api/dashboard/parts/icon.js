// Icons of the sprite, and the small things that bear them.
import { html } from '../lib/ui.js';

/** An icon; with a label it is content, without one it is ornament. */
export function Icon({ name, label, class: more = '' }) {
  const use = html`<use href=${`/dashboard/vendor/icons.svg#${name}`} />`;
  return label
    ? html`<svg class="icon ${more}" role="img" aria-label=${label}>${use}</svg>`
    : html`<svg class="icon ${more}" aria-hidden="true">${use}</svg>`;
}

/**
 * A button. `why` says why it cannot be used: it then stays where it is, is told to everybody and does nothing. `busy` while it works.
 */
export function Button({ icon, children, onClick, href, why, busy, danger, main, quiet, small, label, pressed, class: more = '', ...rest }) {
  const name = ['btn', main && 'main-act', danger && 'danger', quiet && 'quiet', small && 'small', !children && 'icon-only', more].filter(Boolean).join(' ');
  const inner = html`${icon && html`<${Icon} name=${busy ? 'refresh-cw' : icon} />`}${children}`;
  if (href && !why) return html`<a class=${name} href=${href} aria-label=${label} title=${label} ...${rest}>${inner}</a>`;
  const off = Boolean(why || busy);
  return html`<button type="button" class=${name} aria-label=${label} title=${why || label} aria-disabled=${off || undefined} aria-pressed=${pressed}
    onClick=${(e) => (off ? e.preventDefault() : onClick?.(e))} ...${rest}>${inner}${why && html`<span class="out"> (${why})</span>`}</button>`;
}

const tones = { good: 'check', warn: 'alert-triangle', bad: 'x-circle', info: 'info' };

/** A word about a state, with an icon so that colour is never all. */
export function Chip({ tone = '', icon, children, mono, title }) {
  const sign = icon ?? tones[tone];
  return html`<span class="chip ${tone} ${mono ? 'mono' : ''}" title=${title}>${sign && html`<${Icon} name=${sign} />`}<span class="clip">${children}</span></span>`;
}

/** Something to know beside what it is about. */
export function Note({ tone = 'info', title, children, role }) {
  const icon = { info: 'info', warn: 'alert-triangle', bad: 'x-circle', good: 'check-circle-2' }[tone];
  return html`<div class="note ${tone}" role=${role}><${Icon} name=${icon} /><div class="stack tight grow any">${title && html`<strong>${title}</strong>`}${children}</div></div>`;
}

/** Where there is nothing: what this place is for, and what to do. */
export function Empty({ icon = 'circle', title, children }) {
  return html`<div class="empty"><${Icon} name=${icon} /><h2>${title}</h2>${children}</div>`;
}

/** While something comes. */
export const Loading = ({ children = 'Loading …' }) => html`<p class="loading" role="status">${children}</p>`;

/** What went wrong, in the node's own words, with how to go on. */
export function Failure({ error, again, title }) {
  if (!error) return null;
  const tone = error.unknown || error.passing ? 'warn' : 'bad';
  const heading = title ?? (error.status === 0 ? 'This node does not answer' : error.status === 403 ? 'You may not see this'
    : error.status === 404 ? 'Nothing is here' : error.unknown ? 'It may or may not have happened' : error.title || 'That did not work');
  return html`<${Note} tone=${tone} title=${heading} role="alert">
    <p>${error.message}</p>
    ${error.errors?.length > 0 && html`<ul>${error.errors.map((e) => html`<li><code>${e.pointer || '/'}</code> ${e.detail}</li>`)}</ul>`}
    ${error.document?.correlationId && html`<p class="small soft">Correlation ID <code>${error.document.correlationId}</code></p>`}
    ${again && html`<div><${Button} small icon="refresh-cw" onClick=${again}>Try again<//></div>`}
  <//>`;
}

/** What a load shows: while it comes, when it failed, and else its content; old data stays in sight when a reload fails. */
export function Loaded({ of: state, children }) {
  if (state.data === undefined) {
    if (state.error) return html`<${Failure} error=${state.error} again=${state.again} />`;
    return html`<${Loading} />`;
  }
  return html`${state.error && html`<${Failure} error=${state.error} again=${state.again} title="This is old: it could not be loaded again" />`}${children(state.data)}`;
}
