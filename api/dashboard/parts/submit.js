// Asking for drafts to be published, together.
import { html, useEffect, useState } from '../lib/ui.js';
import { get, nsPath, write } from '../lib/api.js';
import { plural } from '../lib/format.js';
import { ways as waysOf } from '../lib/governance.js';
import { go } from '../lib/route.js';
import { conflicts } from '../lib/requests.js';
import { Button, Chip, Failure } from './icon.js';
import { Dialog, toast } from './dialog.js';
import { Area } from './form.js';
import { OpenRequests } from './around.js';
import { acts, actOf, DraftDiff } from './draftlist.js';
import { becomes, PublishAt } from './reviewchange.js';

// How changes are made in some namespaces, by namespace.
function useWays(namespaces) {
  const [found, setFound] = useState({});
  useEffect(() => {
    for (const ns of namespaces) get(`${nsPath(ns)}/settings`, { resolve: true }).then((s) => setFound((f) => ({ ...f, [ns]: waysOf(s) })), () => {});
  }, [namespaces.join()]);
  return found;
}

/** The dialog that submits drafts: what they change, what for, when. */
export function Submit({ drafts, onClose }) {
  const [comment, setComment] = useState(drafts.length === 1 ? drafts[0].comment ?? '' : '');
  const [at, setAt] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState();
  const namespaces = [...new Set(drafts.map((d) => d.namespace))];
  const ways = useWays(namespaces);
  const others = conflicts({ changes: drafts });
  const run = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const changes = drafts.map((d) => ({ namespace: d.namespace, key: d.key, revision: d.revision, ...(d.delete && { delete: true }) }));
      const { data } = await write('POST', '/api/v1/publish-requests', { changes, ...(comment.trim() && { comment: comment.trim() }), ...(at && { publishAt: new Date(at).toISOString() }) });
      toast(`Submitted ${plural(changes.length, 'change')} for review`);
      onClose();
      go(`/ui/requests/${data.id}`);
    } catch (e) {
      setError(e);
      setBusy(false);
    }
  };
  const keys = (e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) { e.preventDefault(); run(); } };
  return html`<${Dialog} wide title=${`Submit ${plural(drafts.length, 'change')} for review`} onClose=${onClose} actions=${html`<${Button} onClick=${onClose}>Cancel<//><${Button} main icon="send" busy=${busy} onClick=${run}>Submit for review<//>`}>
    <div class="stack" onKeyDown=${keys}><${Area} label="What is this for? Reviewers read it first." rows="2" maxlength="4096" value=${comment} onInput=${setComment} />
    <${PublishAt} value=${at} onInput=${setAt} /></div>
    <ul class="plain stack tight">${namespaces.map((ns) => html`<li><code class="any">${ns}</code> <span class="soft">${ways[ns] ? becomes(ways[ns].approvals, ways[ns].held, at) : ''}</span></li>`)}</ul>
    <${OpenRequests} requests=${others.map((c) => c.request)} keys=${(r) => others.find((c) => c.request === r).keys} />
    <p class="soft small">They are published together or not at all, and locked until the request is decided.</p>
    ${drafts.slice(0, 20).map((d) => { const [word, tone, icon] = acts[actOf(d)]; return html`<section class="stack tight" aria-label=${d.key}><div class="row"><span class="keyname any">${d.namespace}/<strong>${d.key}</strong></span><${Chip} tone=${tone} icon=${icon}>${word}<//></div><${DraftDiff} draft=${d} /></section>`; })}
    ${drafts.length > 20 && html`<p class="soft">… and ${drafts.length - 20} more.</p>`}
    <${Failure} error=${error} /><//>`;
}
