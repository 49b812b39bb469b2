// Three ways: what one began from, what somebody else made of it meanwhile, and what one has oneself.
import { html, useEffect, useState } from '../lib/ui.js';
import { plural } from '../lib/format.js';
import { merge } from '../lib/merge.js';
import { valueOf } from '../lib/editing.js';
import { plain } from '../lib/text.js';
import { Button, Chip, Loading, Note } from './icon.js';
import { Diff } from './diff.js';
import { Card } from './table.js';
import { Text } from './value.js';
import { Time } from './time.js';

/** What somebody else did, in a sentence. */
export function Whose({ theirs }) {
  const what = theirs.revision ? 'saved a draft of this' : theirs.version === 0 || theirs.gone ? 'deleted this' : `changed this to v${theirs.version}`;
  return html`${plain(theirs.by || 'Somebody')} ${what} <${Time} at=${theirs.at} relative />`;
}

/**
 * Shows both changes against `base` and offers ways out: `onTheirs()`, `onMine()`, `onMerged(text)`. Sides are those of lib/editing.
 */
export function ThreeWay({ base, theirs, mine, onTheirs, onMine, onMerged }) {
  const [found, setFound] = useState();
  const [choices, setChoices] = useState([]);
  const gone = theirs.version === 0 || theirs.gone;
  const typed = theirs.type === mine.type && base.type === mine.type && !gone && base.version !== 0;
  useEffect(() => {
    let over = false;
    setFound(undefined);
    if (typed) merge(mine.type, base.text, theirs.text, mine.text).then((m) => { if (!over) { setFound(m ?? null); setChoices([]); } }, () => setFound(null));
    else setFound(null);
    return () => { over = true; };
  }, [base.text, theirs.text, mine.text, typed]);
  const open = found ? found.conflicts.filter((_, i) => !choices[i]).length : 0;
  const choose = (i, side) => setChoices((c) => Object.assign([...c], { [i]: side }));
  return html`<${Card} title="Two changes of the same value" class="threeway"><div class="stack">
    <p>It came while you edited. Nothing of yours is lost: decide what becomes of the two.</p>
    <div class="cols"><div class="stack tight"><h3>Theirs: ${plain(theirs.by || 'somebody')}’s change</h3>
      <${Diff} old=${valueOf(base)} oldType=${base.type} now=${gone ? undefined : valueOf(theirs)} newType=${theirs.type} /></div>
    <div class="stack tight"><h3>Yours, not saved</h3><${Diff} old=${valueOf(base)} oldType=${base.type} now=${valueOf(mine)} newType=${mine.type} /></div></div>
    ${found === undefined && html`<${Loading}>Comparing …<//>`}
    ${found && found.conflicts.length === 0 && html`<${Note} tone="good" title="The two do not touch the same place"><p>They can be brought together${found.by === 'line' ? ' line by line' : ''}; you review the result before it is saved.</p><//>`}
    ${found?.conflicts.map((c, i) => html`<${Conflict} conflict=${c} chosen=${choices[i]} theirs=${theirs} choose=${(side) => choose(i, side)} />`)}
    <div class="row">${found && html`<${Button} main icon="git-branch" why=${open ? `Choose for ${plural(open, 'place')} first` : ''} onClick=${() => onMerged(found.result(choices))}>Use both, merged<//>`}
      <${Button} main=${!found} icon="undo-2" onClick=${onMine}>Keep mine<//><${Button} icon="check" onClick=${onTheirs}>Take theirs<//></div>
    <p class="soft small">“Keep mine” puts your value in place of theirs when you save. “Take theirs” drops what you typed.</p></div><//>`;
}

function Conflict({ conflict, chosen, choose, theirs }) {
  const side = (name, label, text) => html`<div class="stack tight side-choice"><${Button} small pressed=${chosen === name} icon=${chosen === name ? 'check' : 'circle'} onClick=${() => choose(name)}>${label}<//>
    ${text === undefined ? html`<p class="value none">removed</p>` : html`<pre class="value-block value" tabindex="0" role="region" aria-label=${`${label} at ${conflict.label}`}><${Text} text=${text.length > 4_000 ? `${text.slice(0, 4_000)}…` : text} /></pre>`}</div>`;
  return html`<fieldset class="stack tight" aria-label=${`Conflict at ${conflict.label}`}><div class="row"><${Chip} tone=${chosen ? 'good' : 'warn'}>${chosen ? 'Chosen' : 'Both changed'}<//><code class="any">${conflict.label}</code></div>
    <div class="pair">${side('theirs', `Theirs (${plain(theirs.by || 'somebody')})`, conflict.theirs)}${side('mine', 'Yours', conflict.mine)}</div></fieldset>`;
}
