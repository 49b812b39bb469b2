// What roles, schemas and settings have in common: their own text, saved against the revision one began from, after a look at the difference.
import { html, useEffect, useRef, useState } from '../lib/ui.js';
import { call, Problem, write } from '../lib/api.js';
import { useData } from '../lib/data.js';
import { guardLeaving } from '../lib/route.js';
import { Diff } from './diff.js';
import { Dialog, toast } from './dialog.js';
import { Area } from './form.js';
import { Button, Failure, Note } from './icon.js';
import { Time } from './time.js';
import { Text } from './value.js';

/** Loads a policy (roles, schema, settings), its own and the effective one; data: {own, etag, effective}. Kept true by its events. */
export function usePolicy(path, type) {
  return useData(path, async (signal) => {
    const [own, effective] = await Promise.all([call('GET', path, { signal }), call('GET', path, { query: { resolve: true }, signal })]);
    return { own: own.data, etag: own.etag, effective: effective.data };
  }, { filter: { events: type, values: 'none' } });
}

/**
 * What begins and ends with editing: focus goes to the first field (of what bears the ref) and afterwards back to the button that began it, and the page is not left without asking.
 */
export function useEditing(editing) {
  const ref = useRef();
  const before = useRef(false);
  useEffect(() => {
    if (editing) ref.current?.querySelector('input, select, textarea, button')?.focus();
    else if (before.current) document.querySelector('main [data-key="e"]')?.focus();
    before.current = editing;
    return editing ? guardLeaving(() => confirm('What you have changed here is not saved. Leave all the same?')) : undefined;
  }, [editing]);
  return ref;
}

/** Who changed it last. */
export const Changed = ({ own }) => own.updatedAt && html`<p class="small soft">Changed by <strong><${Text} text=${own.updatedBy ?? ''} /></strong> <${Time} at=${own.updatedAt} relative />.</p>`;

/** The notice that somebody else changed it while one edits. */
export function Moved({ onTake }) {
  return html`<${Note} tone="warn" role="status" title="Somebody changed this while you edit"><p>What you save now is refused, so that nothing of theirs is lost. Look at it and begin anew from there.</p>
    <div><${Button} small icon="refresh-cw" onClick=${onTake}>Begin anew from theirs<//></div><//>`;
}

/**
 * Shows old → new and saves it. `body` is sent with If-Match of what one began from (If-None-Match * where there was nothing). `extra` is rendered above the comment; `saved(answer)` is told, and may take what is now;
 * `conflict()` when a 412 says that it moved. A comment is asked for where `comments`.
 */
export function SavePolicy({ title, path, old, now, body, etag, children, comments, why, danger, verb = 'Save', onClose, saved, conflict, onError }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState();
  const [comment, setComment] = useState('');
  const save = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const { data } = await write('PUT', path, comments && comment.trim() ? { ...body, comment: comment.trim() } : body, etag ? { ifMatch: etag } : {});
      toast(`Saved${data?.index ? `: event ${data.index}` : ''}.`);
      await saved(data);
      onClose();
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      setError(e);
      setBusy(false);
      if (e.status === 412) conflict?.();
      onError?.(e);
    }
  };
  return html`<${Dialog} wide title=${title} onClose=${onClose} actions=${html`<${Button} onClick=${onClose}>Back<//><${Button} main danger=${danger} busy=${busy} why=${why} onClick=${save}>${verb}<//>`}>
    <${Diff} old=${old} oldType="json" now=${now} newType="json" />${children}
    ${comments && html`<${Area} label="Comment" hint="Why: whoever looks at the history later reads it." rows="2" value=${comment} onInput=${setComment} />`}
    <${Failure} error=${error} title=${error?.status === 412 ? 'Somebody changed it since you began: nothing was saved' : undefined} /><//>`;
}
