// The step before anything is saved: what changes, what will come of it, and which way it goes.
import { html, useEffect, useState } from '../lib/ui.js';
import { get, keyPath } from '../lib/api.js';
import { localInput, plural, when } from '../lib/format.js';
import { tagsOf, valueOf } from '../lib/editing.js';
import { Button, Failure, Note } from './icon.js';
import { Dialog } from './dialog.js';
import { Diff } from './diff.js';
import { Area, Input } from './form.js';
import { Whose } from './threeway.js';
import { Text } from './value.js';

// How many watches get a change of this key at once, as the node that is asked knows; undefined until it says so.
function useWatchers(namespace, key, off) {
  const [n, setN] = useState();
  useEffect(() => {
    if (off) return undefined;
    const abort = new AbortController();
    get(keyPath(namespace, 'explain', key), {}, { signal: abort.signal }).then((x) => setN(x.watcherCount), () => {});
    return () => abort.abort();
  }, [namespace, key]);
  return n;
}

/** One of a few ways, with what it means. */
export function Way({ name, value, chosen, label, text, why, onInput }) {
  return html`<label class="way ${chosen === value ? 'chosen' : ''} ${why ? 'off' : ''}"><input type="radio" name=${name} value=${value} checked=${chosen === value} disabled=${Boolean(why)} onChange=${() => onInput(value)} />
    <span class="stack tight"><strong>${label}</strong><span class="small soft">${why || text}</span></span></label>`;
}

/** When an approved request is to be published: at once, or not before a time. `value` as datetime-local has it. */
export const PublishAt = ({ value, onInput }) => html`<${Input} label="Publish not before (optional)" type="datetime-local" min=${localInput(Date.now())} value=${value} onInput=${onInput}
  hint=${value ? `Once it is approved it waits until ${when(value)} (your time).` : 'Empty: with the last approval.'} />`;

/** In words, what becomes of a request. */
export function becomes(need, held, publishAt) {
  const approvals = need > 0 ? `needs ${plural(need, 'approval')} by others` : 'needs an approval by another publisher';
  return `Becomes a request that ${approvals}.${publishAt ? ` Not published before ${when(publishAt)}.` : ''}${held ? ` ${held.text}. Once approved it waits until then.` : ''}`;
}

function Aside({ live, form }) {
  const lines = [];
  if (live.description !== form.description) lines.push(['Description', live.description, form.description]);
  if (tagsOf(live.tags).join(', ') !== tagsOf(form.tags).join(', ')) lines.push(['Tags', live.tags, form.tags]);
  return lines.map(([name, old, now]) => html`<p class="any"><strong>${name}</strong>: ${old ? html`<del><${Text} text=${old} /></del>` : html`<span class="soft">none</span>`} → ${now ? html`<${Text} text=${now} />` : html`<span class="soft">none</span>`}</p>`);
}

/**
 * Reviews `form` against `live`. `ways` is lib/governance's, `errors` the node's, `locked` why no draft can be saved, `theirs` what somebody did meanwhile. `act(way, {comment, publishAt})` does it;
 * what it rejects with is shown here.
 */
export function ReviewChange({ namespace, keyName, live, form, ways, errors, pending, locked, theirs, act, onClose }) {
  const invalid = errors.length > 0;
  const bad = invalid ? 'The node would refuse it: see what is wrong below the value.' : '';
  const why = { now: ways.why || bad, submit: locked || bad, draft: locked };
  const [chosen, setWay] = useState(ways.direct ? 'now' : 'submit');
  const way = why[chosen] ? ['now', 'submit', 'draft'].find((w) => !why[w]) ?? chosen : chosen;
  const [comment, setComment] = useState(form.comment);
  const [at, setAt] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState();
  const watchers = useWatchers(namespace, keyName, live.version === 0);
  const verb = { now: live.version ? `Save version ${live.version + 1}` : 'Create', draft: 'Save draft', submit: 'Submit for review' }[way];
  const run = async () => {
    if (busy || why[way] || theirs) return;
    setBusy(true);
    setError(undefined);
    try {
      await act(way, { comment, publishAt: at && way === 'submit' ? new Date(at).toISOString() : undefined });
    } catch (e) {
      setError(e);
      setBusy(false);
    }
  };
  const reach = watchers ? ` ${plural(watchers, 'watch', 'watches')} of this node get it at once.` : '';
  const keys = (e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) { e.preventDefault(); run(); } };
  return html`<${Dialog} wide title="Review the change" onClose=${() => onClose(comment)} actions=${html`<${Button} onClick=${() => onClose(comment)}>Back to editing<//>
      <${Button} main icon=${{ now: 'save', draft: 'edit-3', submit: 'send' }[way]} busy=${busy} why=${theirs ? 'Go back first: the value has changed meanwhile' : why[way] || (pending ? 'The node is still checking' : '')} onClick=${run}>${verb}<//>`}>
    ${theirs && html`<${Note} tone="warn" role="alert" title="It changed while you looked"><p><${Whose} theirs=${theirs} />. Go back to editing to see both.</p><//>`}
    <p class="keyname any">${namespace}/<strong>${keyName}</strong></p>
    <${Diff} old=${valueOf(live)} oldType=${live.version ? live.type : undefined} now=${valueOf(form)} newType=${form.type} />
    <${Aside} live=${live} form=${form} />
    <div class="stack" onKeyDown=${keys}><${Area} label=${way === 'submit' ? 'What is this for? Reviewers read it first.' : 'Comment (kept in the history)'} rows="2" maxlength="4096" value=${comment} onInput=${setComment} />
    <fieldset class="stack tight"><legend class="label">What is to happen</legend><div class="ways">
      <${Way} name="way" value="now" chosen=${way} label="Save now" text=${`${live.version ? `Saves version ${live.version + 1}` : 'Creates the key'} at once.${reach}`} why=${why.now} onInput=${setWay} />
      <${Way} name="way" value="submit" chosen=${way} label="Submit for review" text=${becomes(ways.approvals, ways.held, at)} why=${why.submit} onInput=${setWay} />
      <${Way} name="way" value="draft" chosen=${way} label="Save as draft" text="Keeps it here for later. Nothing changes for readers." why=${why.draft} onInput=${setWay} /></div></fieldset>
    ${way === 'submit' && html`<${PublishAt} value=${at} onInput=${setAt} />`}</div>
    ${invalid && html`<${Note} tone="warn" title="The node would refuse this value"><ul>${errors.map((e) => html`<li>${e.pointer && html`<code>${e.pointer}</code> `}${e.detail}</li>`)}</ul><//>`}
    <${Failure} error=${error} /><//>`;
}
