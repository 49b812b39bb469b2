// Lists of changed keys: what a comparison found, and what a rollback, revert or promotion would do; and the dialog that does it.
import { html, useEffect, useState } from '../lib/ui.js';
import { Problem, write } from '../lib/api.js';
import { count, plural } from '../lib/format.js';
import { keyHref } from '../lib/route.js';
import { Button, Chip, Failure, Loading, Note } from './icon.js';
import { Dialog, toast } from './dialog.js';
import { Diff } from './diff.js';
import { Area } from './form.js';
import { Text } from './value.js';

// What each action is called when it would be done: [word, tone, icon].
const willBe = { create: ['added', 'good', 'plus'], update: ['changed', 'info', 'pencil'], delete: ['deleted', 'bad', 'trash-2'] };
const step = 100; // changes shown at once

/**
 * Changed keys ({namespace, key, action, old, new, …}), each opening its difference. `words` names the actions; `picked` and `pick(key, on)` let one choose;
 * `where` shows namespaces, too; `open` opens the first few.
 */
export function Changes({ changes, words = willBe, picked, pick, where, open: few = 0 }) {
  const [most, setMost] = useState(step);
  return html`<div class="stack tight"><ul class="changes" aria-label="Changed keys">${changes.slice(0, most).map((c, i) => html`<${Change} key=${`${c.namespace}\n${c.key}`} change=${c} words=${words} picked=${picked?.has(c.key)} pick=${pick} where=${where} first=${i < few} />`)}</ul>
    ${changes.length > most && html`<div><${Button} small onClick=${() => setMost(most + 5 * step)}>Show more (${count(changes.length - most)} left)<//></div>`}</div>`;
}

function Change({ change: c, words, picked, pick, where, first }) {
  const [open, setOpen] = useState(first);
  const [word, tone, icon] = words[c.action];
  const name = html`${where && html`<span class="dir"><${Text} text=${c.namespace} /> · </span>`}<${Text} text=${c.key} />`;
  return html`<li><div class="row fixed">${pick && html`<input type="checkbox" checked=${picked} aria-label=${`Choose ${c.key}`} onChange=${(e) => pick(c.key, e.target.checked)} />`}
      <button type="button" class="disclose keyname grow" aria-expanded=${open} onClick=${() => setOpen(!open)}><span class="any">${name}</span></button>
      <${Chip} tone=${tone} icon=${icon}>${word}<//></div>
    ${open && html`<div class="stack tight change-open"><${Diff} old=${c.old} oldType=${c.oldType} now=${c.new} newType=${c.newType} places=${c.diff} />
      ${c.action === 'update' && c.diff?.length === 0 && html`<p class="soft small">Only the description or the tags differ.</p>`}
      <p class="small"><a href=${keyHref(c.namespace, c.key)}>Open the key</a></p></div>`}</li>`;
}

/**
 * Shows what a change of several keys would do (dry run), and does it. `body` is the request's without its comment; `verb` what the button says.
 * `done(answer)` is told. 409 says what stands in the way, in the node's words.
 */
export function DoChanges({ title, path, body, verb, children, onClose, done, hint, always }) {
  const [plan, setPlan] = useState();
  const [error, setError] = useState();
  const [failed, setFailed] = useState();
  const [comment, setComment] = useState('');
  const [busy, setBusy] = useState(false);
  const look = () => {
    setError(undefined);
    setPlan(undefined);
    return write('POST', path, body, { query: { dry_run: true } }).then((a) => setPlan(a.data), setError);
  };
  useEffect(() => { look(); }, [JSON.stringify(body)]);
  const act = async () => {
    setBusy(true);
    setFailed(undefined);
    try {
      const { data } = await write('POST', path, comment.trim() ? { ...body, comment: comment.trim() } : body);
      told(data);
      done?.(data);
      onClose(data);
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      setFailed(e);
      setBusy(false);
    }
  };
  const why = plan?.changes.length === 0 ? 'Nothing would change' : !plan ? (error ? 'It cannot be done' : 'Finding out what it would do') : '';
  return html`<${Dialog} wide title=${title} onClose=${() => onClose()} actions=${html`<${Button} onClick=${() => onClose()}>Cancel<//><${Button} main busy=${busy} why=${why} onClick=${act}>${verb}<//>`}>
    ${children}
    ${error && html`<${Failure} error=${error} again=${look} title=${error.status === 409 ? 'It cannot be undone as it was: something changed since' : undefined} />`}
    ${!plan && !error && html`<${Loading}>Finding out what it would do …<//>`}
    ${plan?.changes.length === 0 && html`<${Note} tone="good"><p>Nothing would change: everything is so already.</p><//>`}
    ${plan?.changes.length > 0 && html`<p><strong>${plural(plan.changes.length, 'key')}</strong> ${plan.changes.length === 1 ? 'changes' : 'change'}${always ? ', once the request is approved.' : hint ? html`. ${hint}` : ', all at once.'}</p>
      <${Changes} changes=${plan.changes} where open=${plan.changes.length <= 3 ? 3 : 0} />
      <${Area} label="Comment" hint="Why: whoever looks at the history later reads it." rows="2" value=${comment} onInput=${setComment} />`}
    <${Failure} error=${failed} /><//>`;
}

function told(answer) {
  if (answer.request) toast('A request was made. It waits for review', { href: `/ui/requests/${answer.request}`, link: 'Open the request' });
  else if (answer.changes.length === 0) toast('Nothing was written: everything was so already');
  else toast(`Done: ${plural(answer.changes.length, 'key')} changed, event ${count(answer.index)}`);
}
