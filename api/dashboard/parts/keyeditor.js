// The editor of one key: what one types, against what is live and what others do meanwhile.
import { html, useEffect, useRef, useState } from '../lib/ui.js';
import { guardLeaving, keyHref, go, nsHref } from '../lib/route.js';
import { useFollow } from '../lib/live.js';
import { about } from '../lib/requests.js';
import { plural } from '../lib/format.js';
import { draft as loadDraft, live as loadLive, malformed, sameContent, saveDraft, saveNow, submitChange } from '../lib/editing.js';
import { hints, words } from '../lib/hints.js';
import { ways as waysOf } from '../lib/governance.js';
import { unsaved } from '../lib/unsaved.js';
import { plain } from '../lib/text.js';
import { Button, Note } from './icon.js';
import { toast } from './dialog.js';
import { Input, Select } from './form.js';
import { Card } from './table.js';
import { useJudge } from './judge.js';
import { ReviewChange } from './reviewchange.js';
import { ThreeWay, Whose } from './threeway.js';
import { types, ValueField } from './valuefield.js';
import { Around } from './around.js';

const content = ({ type, text, description, tags }) => ({ type, text, description, tags });

// Where one begins: what was typed before and not saved, else the draft, else what is live, else what the schema expects.
function beginning({ live, draft }, said, kept) {
  if (kept?.form && kept.began) return { ...kept, ...since(kept, { live, draft }), restored: true };
  if (draft && !draft.delete) return { form: { ...content(draft), comment: draft.comment }, began: { live, draft }, start: content(draft) };
  const side = live.version ? content(live) : { ...content(live), type: said.type || 'string', text: said.default === undefined ? (said.type === 'boolean' ? 'false' : '') : typeof said.default === 'string' ? said.default : JSON.stringify(said.default, null, 2) };
  return { form: { ...side, comment: '' }, began: { live, draft }, start: content(side) };
}

// What moved between work that was kept and now.
function since(kept, now) {
  if (kept.began.live.version !== now.live.version) {
    if (sameContent(kept.form, now.live)) return { began: { ...kept.began, live: now.live }, start: content(now.live) };
    return { theirs: { ...now.live, gone: now.live.version === 0, kind: 'live' } };
  }
  return now.draft && now.draft.revision !== kept.began.draft?.revision ? { theirs: { ...now.draft, kind: 'draft' } } : {};
}

// Everything that an editor of a key knows, and what can be done with it.
function useEditing(namespace, keyName, loaded, said) {
  const [store] = useState(() => unsaved(namespace, keyName));
  const [state, setState] = useState(() => beginning(loaded, said, store.recall()));
  const set = (changes) => setState((s) => ({ ...s, ...(typeof changes === 'function' ? changes(s) : changes) }));
  const dirty = !sameContent(state.form, state.start);
  const done = useRef(false);

  const latest = useRef();
  latest.current = () => {
    if (done.current) return;
    if (dirty) store.keep({ form: state.form, began: state.began, start: state.start });
    else store.forget();
  };

  useEffect(() => {
    const timer = setTimeout(() => latest.current(), 250);
    return () => clearTimeout(timer);
  }, [state.form, state.began]);
  useEffect(() => () => latest.current(), []);
  useEffect(() => {
    if (!dirty) return undefined;
    return guardLeaving(() => {
      if (done.current) return true;
      latest.current();
      return confirm('What you typed is not saved. It is kept in this tab until you come back. Leave?');
    });
  }, [dirty]);

  // Another's change: taken over where nothing was typed, else shown beside one's own.
  const news = (kind, side) => set((s) => {
    const began = { ...s.began, [kind]: side };
    if (side && sameContent(side, s.form)) return { began, theirs: undefined, start: content(side) };
    if (sameContent(s.form, s.start) && side && !side.gone) return { began, form: { ...s.form, ...content(side) }, start: content(side), notice: side, theirs: undefined };
    if (!side) return { began };
    return { theirs: { ...side, kind } };
  });
  const settle = (change) => set((s) => {
    const { kind, ...side } = s.theirs;
    return { began: { ...s.began, [kind]: side }, theirs: undefined, ...change(s, side) };
  });
  const leave = () => { done.current = true; store.forget(); };
  return { ...state, set, dirty, leave, store, news, settle, change: (form) => set((s) => ({ form: { ...s.form, ...form }, notice: undefined })) };
}

/**
 * Edits a key. `loaded` is what lib/editing's begin() found, `after` the position it was asked at; `onDone` leaves the editor.
 */
export function KeyEditor({ namespace, keyName, loaded, after, onDone }) {
  const found = hints(loaded.effective, keyName);
  const said = words(found);
  const e = useEditing(namespace, keyName, loaded, said);
  const { form, began, theirs } = e;
  const [reviewing, setReviewing] = useState(false);
  const saving = useRef(false);
  const ways = waysOf(loaded.settings);
  const requests = about(namespace, keyName);
  const unchanged = sameContent(form, began.live) && began.live.version > 0;
  const verdict = useJudge(namespace, keyName, form, unchanged);
  const locked = requests.length ? 'A draft of this key is under review: withdraw that request, or wait until it is decided.' : '';

  const look = async (kind, event) => {
    const side = kind === 'live' ? await loadLive(namespace, keyName) : await loadDraft(namespace, keyName);
    if (side?.version === 0) Object.assign(side, { gone: true, by: event?.actor, at: event?.time });
    e.news(kind, side);
  };
  useFollow({ namespace, key: keyName, events: 'config,draft', values: 'none' }, {
    after,
    anew: () => { for (const kind of ['live', 'draft']) look(kind).catch(() => {}); },
    on: (event) => {
      if (event.namespace !== namespace || event.key !== keyName || saving.current) return;
      const kind = event.type.startsWith('draft') ? 'draft' : 'live';
      if (kind === 'live' && event.data?.version <= began.live.version) return;
      if (kind === 'draft' && (event.index <= (began.draft?.revision ?? 0) || event.request)) return;
      look(kind, event).catch(() => {});
    },
  });

  const act = async (way, { comment, publishAt }) => {
    saving.current = true;
    try {
      await steps[way]({ namespace, keyName, form: { ...form, comment }, began, publishAt, leave: e.leave, onDone });
    } catch (problem) {
      saving.current = false;
      e.change({ comment });
      const moved = problem.status === 412 || (problem.status === 409 && /draft .* moved/.test(problem.message));
      if (!moved) throw problem;
      setReviewing(false);
      await look(way === 'now' ? 'live' : 'draft');
    }
  };
  const cancel = () => {
    if (e.dirty && !confirm('Drop what you typed?')) return;
    e.leave();
    onDone();
  };
  const wrong = malformed(form);
  const why = theirs ? `Decide about ${plain(theirs.by || 'the other')}’s change first` : wrong || (unchanged && !e.dirty ? 'Nothing is changed' : said.immutable && began.live.version ? 'The schema says that this key never changes once it is set' : '');
  const review = () => { if (!why) setReviewing(true); };
  return html`<div class="side"><div class="stack">
    ${e.restored && html`<${Note} title="What you typed before is back"><p>It was never saved. <${Button} small onClick=${() => { e.store.forget(); e.set({ ...beginning(loaded, said), restored: false, theirs: undefined }); }}>Drop it and start anew<//></p><//>`}
    ${e.notice && html`<${Note} role="status"><p><${Whose} theirs=${e.notice} />. You had changed nothing, so you see that now.</p><//>`}
    ${theirs && html`<${Note} tone="warn" role="alert"><p><${Whose} theirs=${theirs} />.</p><//>
      <${ThreeWay} base=${began[theirs.kind] ?? began.live} theirs=${theirs} mine=${form} onMine=${() => e.settle((s, side) => ({ start: content(side) }))}
        onTheirs=${() => (theirs.gone ? (e.leave(), onDone()) : e.settle((s, side) => ({ form: { ...s.form, ...content(side) }, start: content(side) })))}
        onMerged=${(text) => e.settle((s, side) => ({ form: { ...s.form, text }, start: content(side) }))} />`}
    <${Card} title=${began.live.version ? 'Value' : 'New key'} actions=${html`<${TypeOf} form=${form} change=${e.change} expected=${said.type} />`}><form class="stack" aria-label=${`Edit ${keyName}`} onSubmit=${(ev) => { ev.preventDefault(); review(); }}>
      <${ValueField} form=${form} set=${e.change} said=${said} schemas=${found.schemas} errors=${verdict.errors} onSave=${review} />
      <div class="form-grid"><${Input} label="Description" maxlength="4096" value=${form.description} onInput=${(description) => e.change({ description })} />
        <${Input} label="Tags" hint="Separated by commas" value=${form.tags} onInput=${(tags) => e.change({ tags })} /></div>
      <div class="row"><${Button} main icon="check" why=${why} onClick=${review}>Review change<//><${Button} onClick=${cancel}>Cancel<//>
        <span class="soft small" role="status">${verdict.pending ? 'The node checks it …' : verdict.errors.length ? '' : unchanged ? 'As it is live.' : 'The node would take this value.'}</span></div>
    </form><//></div>
    <${Around} began=${began} theirs=${theirs} form=${form} said=${said} found=${found} ways=${ways} settings=${loaded.settings} requests=${requests}
      fromLive=${() => e.set((s) => ({ form: { ...s.form, ...content(s.began.live) } }))} />
    ${reviewing && html`<${ReviewChange} namespace=${namespace} keyName=${keyName} live=${began.live} form=${form} ways=${ways} errors=${verdict.errors} pending=${verdict.pending} locked=${locked} theirs=${theirs} act=${act}
      onClose=${(comment) => { setReviewing(false); e.change({ comment }); }} />`}</div>`;
}

function TypeOf({ form, change, expected }) {
  const to = (type) => change({ type, ...(type === 'boolean' && form.text !== 'true' && { text: 'false' }) });
  return html`<div class="row type-choice"><${Select} label="Type" value=${form.type} options=${types.map(([v, t]) => [v, v === expected ? `${t} (as the schema says)` : t])} onInput=${to} /></div>`;
}

const steps = {
  async now({ namespace, keyName, form, began, leave, onDone }) {
    const { data } = await saveNow(namespace, keyName, form, began.live.version);
    leave();
    toast(`${keyName} saved: version ${data.version}`);
    onDone();
  },
  async draft({ namespace, keyName, form, began, leave, onDone }) {
    await saveDraft(namespace, keyName, form, began.draft?.revision);
    leave();
    toast(`Draft of ${keyName} saved. Nothing is published yet`, { href: nsHref(namespace, 'drafts'), link: 'Drafts' });
    onDone();
  },
  async submit({ namespace, keyName, form, began, publishAt, leave }) {
    const { data } = await submitChange(namespace, keyName, form, { revision: began.draft?.revision, publishAt });
    leave();
    const need = Math.max(0, ...(data.missing ?? []).map((m) => m.need - m.have));
    toast(need ? `Submitted: needs ${plural(need, 'approval')}` : 'Submitted');
    go(`/ui/requests/${data.id}`);
  },
};

/** Where an editor leads when it is done. */
export const done = (namespace, keyName) => { go(keyHref(namespace, keyName), { replace: true }); requestAnimationFrame(() => document.querySelector('main h1')?.focus()); };
