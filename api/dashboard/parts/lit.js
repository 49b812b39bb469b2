// Text in which several words are lit.
import { html } from '../lib/ui.js';
import { Text } from './value.js';

/** Text, with each of `words` lit wherever it is, whatever its case. */
export function Lit({ text, words }) {
  const escaped = words.map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  if (escaped.length === 0) return html`<${Text} text=${text} />`;
  return text.split(new RegExp(`(${escaped.join('|')})`, 'giu')).map((part, i) => (i % 2 ? html`<mark class="match"><${Text} text=${part} /></mark>` : part && html`<${Text} text=${part} />`));
}
