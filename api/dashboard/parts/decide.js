// The acts on a request: approve, reject, withdraw, bypass, and the way back once it is published.
import { html, useEffect, useState } from '../lib/ui.js';
import { get, nsPath, Problem, write } from '../lib/api.js';
import { plural, when } from '../lib/format.js';
import { lacking, can } from '../lib/session.js';
import { typeOf } from '../lib/governance.js';
import { isAdminOfAll, isLast, isOpen, movedSince, outcome, progress, whyNotReview, whyNotWithdraw } from '../lib/reviewing.js';
import { plain } from '../lib/text.js';
import { Button, Failure, Note } from './icon.js';
import { Dialog, Menu, toast } from './dialog.js';
import { Diff } from './diff.js';
import { Area, Input } from './form.js';
import { DoChanges } from './changes.js';
import { Text } from './value.js';

/** The buttons of a request, and the dialogs behind them. */
export function Acts({ request: r, impact, reload, set }) {
  const [shown, show] = useState('');
  const bypass = useBypass(r);
  const close = () => show('');
  const took = (request) => { set((d) => ({ ...d, request })); reload(); toast(outcome(request)); close(); };
  const common = { request: r, impact, took, reload, set, onClose: close };
  const dialog = { approve: Approve, reject: Reject, withdraw: Withdraw, bypass: Bypass, revert: Back, rollback: Back }[shown];
  const publisher = r.changes.every((c) => can('publisher', c.namespace, c.key)) ? '' : lacking('publisher', r.changes.find((c) => !can('publisher', c.namespace, c.key))?.namespace ?? '/');
  return html`${isOpen(r) ? html`<${Button} main icon="check" data-key="a" why=${whyNotReview(r, 'approve')} onClick=${() => show('approve')}>Approve<//>
      <${Button} danger icon="x" data-key="r" why=${whyNotReview(r, 'reject')} onClick=${() => show('reject')}>Reject<//>
      <${Menu} label="More about this request" items=${[{ icon: 'undo-2', text: 'Withdraw …', why: whyNotWithdraw(r), onClick: () => show('withdraw') }, { icon: 'zap', text: 'Publish without approvals …', danger: true, why: bypass, onClick: () => show('bypass') }]} />`
    : r.state === 'published' && html`<${Button} icon="undo-2" why=${publisher} onClick=${() => show('revert')}>Revert<//><${Button} icon="rotate-ccw" why=${publisher} onClick=${() => show('rollback')}>Roll back<//>`}
    ${dialog && html`<${dialog} ...${common} kind=${shown} />`}`;
}

// Why the request cannot be published without its approvals.
function useBypass(r) {
  const [settings, setSettings] = useState();
  const admin = isOpen(r) && isAdminOfAll(r);
  const places = [...new Set(r.changes.map((c) => c.namespace))];
  useEffect(() => {
    if (admin) Promise.all(places.slice(0, 20).map((ns) => get(`${nsPath(ns)}/settings`, { resolve: true }))).then(setSettings, () => {});
  }, [admin, places.join()]);
  if (!admin) return 'Only an admin of all its keys can.';
  const no = settings?.find((s) => !s.allowBypass);
  return !settings ? 'The settings are not known yet.' : no ? `The settings of ${no.namespace} do not allow it.` : '';
}

const path = (r, act) => `/api/v1/publish-requests/${r.id}/${act}`;

// A dialog that acts with a comment. `attempt(comment)` gives the request as it then is.
function Deciding({ title, verb, icon, danger, required, label, attempt, took, onClose, why, children, extra }) {
  const [comment, setComment] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState();
  const missing = why || (required && !comment.trim() ? required : '');
  const run = async () => {
    if (busy || missing) return;
    setBusy(true);
    setError(undefined);
    try {
      const answer = await attempt(comment.trim());
      if (answer) took(answer);
      else setBusy(false);
    } catch (e) {
      setError(e);
      setBusy(false);
    }
  };
  const keys = (e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) { e.preventDefault(); run(); } };
  return html`<${Dialog} title=${title} onClose=${onClose} actions=${html`<${Button} onClick=${onClose}>Cancel<//><${Button} main danger=${danger} icon=${icon} busy=${busy} why=${missing} onClick=${run}>${verb}<//>`}>
    ${children}<div class="stack" onKeyDown=${keys}><${Area} label=${label} rows="3" maxlength="4096" value=${comment} onInput=${setComment} />${extra}</div><${Failure} error=${error} /><//>`;
}

const send = async (r, act, comment, more) => (await write('POST', path(r, act), { ...(comment && { comment }), ...more })).data;

function consequence(r, impact) {
  if (!isLast(r)) { const p = progress(r); return `Yours is approval ${p.have + 1} of ${p.need}: more are needed before it is published.`; }
  if (r.publishAt && Date.parse(r.publishAt) > Date.now()) return `Yours is the last approval: it is published ${when(r.publishAt)}.`;
  if (impact?.frozen) return `Yours is the last approval, but it waits: ${impact.frozen}`;
  const reach = impact?.watches ? ` It reaches ${plural(impact.watches, 'watcher')} of ${plural(impact.principals.length, 'principal')}.` : '';
  return `Yours is the last approval: ${plural(r.changes.length, 'key')} ${r.changes.length === 1 ? 'changes' : 'change'} at once.${reach}`;
}

// What one looks at is what the page has shown; if something under it moves, one is shown what, and approves that.
function Approve({ request, impact, took, set, onClose }) {
  const [seen, setSeen] = useState(request);
  const [moved, setMoved] = useState();
  const look = async () => {
    const now = await get(`/api/v1/publish-requests/${request.id}`);
    setMoved({ changes: movedSince(seen, now), now });
    setSeen(now);
    set((d) => ({ ...d, request: now }));
  };
  const attempt = async (comment) => {
    try {
      return await send(seen, 'approve', comment, { basis: seen.basis });
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.status !== 409) throw problem;
      await look();
      return undefined;
    }
  };
  const why = isOpen(seen) ? '' : 'It is decided already.';
  return html`<${Deciding} title="Approve this request" verb=${moved ? 'Approve as it is now' : 'Approve'} icon="check" label="Comment (optional)" attempt=${attempt} took=${took} onClose=${onClose} why=${why}>
    ${moved ? html`<${Moved} moved=${moved} />` : request.basis !== seen.basis && null}
    ${isOpen(seen) && html`<p>${consequence(seen, impact)}</p>`}<//>`;
}

function Moved({ moved: { changes, now } }) {
  if (!isOpen(now)) return html`<${Note} tone="warn" role="alert" title="It was decided while you looked"><p>${outcome(now)}, by ${plain(now.resolution?.by)}.</p><//>`;
  return html`<${Note} tone="warn" role="alert" title="It changed since you looked"><p>Nothing was approved. ${changes.length ? 'What it would replace is another value now:' : 'What is asked for is the same, but a schema or a setting that it is judged by has changed.'}</p><//>
    ${changes.slice(0, 10).map(({ change: c, old, now: live }) => html`<section class="stack tight" aria-label=${`Changed since: ${c.key}`}><p class="keyname any"><${Text} text=${`${c.namespace}/${c.key}`} /> <span class="soft">live: v${old?.version ?? 0} → v${live?.version ?? 0}</span></p>
      <${Diff} old=${old?.value} oldType=${old && typeOf(old.value, c.type)} now=${live?.value} newType=${live && typeOf(live.value, c.type)} /></section>`)}`;
}

const Reject = ({ request: r, took, onClose }) => html`<${Deciding} title="Reject this request" verb="Reject" icon="x" danger label=${`Why? ${plain(r.submittedBy)} reads it.`} required="A comment is needed" attempt=${(c) => send(r, 'reject', c)} took=${took} onClose=${onClose}>
  <p>It is closed for everybody, and its changes are drafts again.</p><//>`;

const Withdraw = ({ request: r, took, onClose }) => html`<${Deciding} title="Withdraw this request" verb="Withdraw" icon="undo-2" label="Comment (optional)" attempt=${(c) => send(r, 'withdraw', c)} took=${took} onClose=${onClose}>
  <p>It is closed, and its changes are drafts again: they can be edited and submitted anew.${r.reviews.length ? ' Its approvals are lost.' : ''}</p><//>`;

function Bypass({ request: r, impact, took, onClose }) {
  const [typed, setTyped] = useState('');
  const p = progress(r);
  return html`<${Deciding} title="Publish without approvals" verb="Publish now" icon="zap" danger label="Reason, which stays on record" required="A reason is needed" why=${typed === 'bypass' ? '' : 'Type bypass first'} attempt=${(c) => send(r, 'bypass', c)} took=${took} onClose=${onClose}
    extra=${html`<${Input} label="Type bypass to go on" mono value=${typed} onInput=${setTyped} />`}>
    <${Note} tone="bad" title="This goes around the review"><p>${plural(r.changes.length, 'key')} ${r.changes.length === 1 ? 'changes' : 'change'} at once with ${p.have} of ${p.need} approvals${impact?.frozen ? ', in spite of the freeze' : ''}${impact?.watches ? `, and ${plural(impact.watches, 'watcher')} get it` : ''}. Everybody sees in the audit trail that you did it, and why.</p><//><//>`;
}

const ways = {
  revert: ['Revert this request', '/api/v1/revert', 'Revert', 'Its keys become again what they were before. If any was changed since, it is refused and named.'],
  rollback: ['Roll back this request', undefined, 'Roll back', 'Its keys become again what they were before, whatever changed them since.'],
};

function Back({ request: r, kind, onClose }) {
  const [title, to, verb, text] = ways[kind];
  return html`<${DoChanges} title=${title} path=${to ?? path(r, 'rollback')} body=${to ? { request: r.id } : {}} verb=${verb} onClose=${onClose}><p>${text}</p><//>`;
}
