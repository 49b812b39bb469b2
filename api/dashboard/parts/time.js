// Times: local, with UTC on hover, and kept true while they are relative.
import { html, signal } from '../lib/ui.js';
import { ago, utc, when } from '../lib/format.js';

const now = signal(Date.now());
setInterval(() => { if (document.visibilityState === 'visible') now.value = Date.now(); }, 20_000);

/** A moment. `relative` shows how long ago; otherwise the local date and time. */
export function Time({ at, relative }) {
  if (!at) return html`<span class="soft">–</span>`;
  const local = when(at);
  const text = relative ? ago(at, Math.max(now.value, Date.now())) : local;
  return html`<time class="nowrap" datetime=${at} title=${relative ? `${local} · ${utc(at)}` : utc(at)}>${text}</time>`;
}
