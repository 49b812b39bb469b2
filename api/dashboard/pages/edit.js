// Writing one key: editing it, making a new one, deleting it.
import { html, useEffect, useMemo, useState } from '../lib/ui.js';
import { get, keyPath, node, nsPath, write } from '../lib/api.js';
import { useData } from '../lib/data.js';
import { begin, deleteNow } from '../lib/editing.js';
import { ways as waysOf } from '../lib/governance.js';
import { about } from '../lib/requests.js';
import { go, keyHref, nsHref } from '../lib/route.js';
import { lacking, useRole } from '../lib/session.js';
import { plural } from '../lib/format.js';
import { Button, Failure, Loaded, Loading, Note } from '../parts/icon.js';
import { Dialog, toast } from '../parts/dialog.js';
import { Diff } from '../parts/diff.js';
import { Area, Input } from '../parts/form.js';
import { Card, Head } from '../parts/table.js';
import { done, KeyEditor } from '../parts/keyeditor.js';
import { becomes, PublishAt, Way } from '../parts/reviewchange.js';
import { OpenRequests } from '../parts/around.js';

const crumbs = (namespace, more) => html`${namespace.split('/').map((name, i, all) => html`<a href=${nsHref(all.slice(0, i + 1).join('/'))}>${name}</a><span>/</span>`)}${more}`;

/** The editor of a key that is there, or that is to be. */
export function EditEntry({ namespace, keyName }) {
  const bad = badNamespace(namespace) || badKey(keyName); // an address that somebody made up
  const { role, may } = useRole(bad ? '/' : namespace, bad ? '' : keyName);
  const load = async (signal) => {
    const after = node.value.position || 'now';
    return { ...await begin(namespace, keyName, signal), after };
  };
  const state = useData(!bad && may('editor') ? `${namespace}\n${keyName}` : null, load);
  return html`<${Head} title=${keyName} mono document=${`Edit ${keyName}`} crumbs=${crumbs(namespace, html`<a href=${keyHref(namespace, keyName)}>${keyName}</a><span>/</span><span>edit</span>`)} />
    ${bad ? html`<${Note} tone="warn" title="There can be no such key"><p>${bad}</p><//>` : !role ? html`<${Loading} />` : !may('editor') ? html`<${Note} tone="warn" title="You may not change this"><p>${lacking('editor', namespace)} You have ${role === 'none' ? 'no role' : `the role ${role}`} on this key. <a href=${keyHref(namespace, keyName)}>Back to the key</a></p><//>`
    : html`<${Loaded} of=${state}>${(loaded) => html`<${KeyEditor} key=${`${namespace}\n${keyName}`} namespace=${namespace} keyName=${keyName} loaded=${loaded} after=${loaded.after} onDone=${() => done(namespace, keyName)} />`}<//>`}`;
}

const keyRule = /^[A-Za-z0-9._/-]{1,512}$/;

function badKey(key) {
  if (!key) return '';
  if (!keyRule.test(key)) return 'Letters, digits and . _ - / only, 512 at most.';
  return key.split('/').some((s) => s === '' || s === '.' || s === '..') ? 'No part between slashes may be empty, . or ..' : '';
}

const badNamespace = (path) => (path && (!/^[A-Za-z0-9._/-]{1,512}$/.test(path) || path.split('/').some((s) => !s || s === '.' || s === '..')) ? 'Names separated by slashes: letters, digits and . _ - only.' : '');

/** Asks what a new key is to be called, and goes on in the editor. */
export function NewKey({ namespace }) {
  const [key, setKey] = useState('');
  const [ns, setNs] = useState(namespace === '/' ? '' : namespace);
  const schema = useData(ns && !badNamespace(ns) ? ns : null, (signal) => get(`${nsPath(ns)}/schema`, { resolve: true }, { signal }).catch(() => ({})));
  const known = useMemo(() => [...new Set((schema.data?.effective ?? []).flatMap((e) => Object.keys(e.schema?.properties ?? {})))], [schema.data]);
  const error = badKey(key);
  const { role, may } = useRole(badNamespace(ns) ? '/' : ns || '/', error ? '' : key);
  const why = !ns ? 'A namespace is needed' : badNamespace(ns) || (!key ? 'A name is needed' : error) || (role && !may('editor') ? lacking('editor', ns) : '');
  const next = (e) => { e?.preventDefault(); if (!why) go(keyHref(ns, key, { edit: 1 })); };
  return html`<${Head} title="New key" crumbs=${namespace === '/' ? undefined : crumbs(namespace, html`<span>new key</span>`)} />
    <${Card}><form class="stack" onSubmit=${next} aria-label="New key">
      ${namespace === '/' && html`<${Input} label="Namespace" mono value=${ns} onInput=${setNs} error=${badNamespace(ns)} hint="It comes into being with its first key. For example teams/payments" />`}
      <${Input} label="Name of the key" mono autofocus value=${key} onInput=${setKey} error=${error} list="known-keys" hint=${known.length ? `The schema names ${plural(known.length, 'key')}: they are offered as you type.` : 'Slashes group keys: pool/size, db/url.'} />
      <datalist id="known-keys">${known.map((k) => html`<option value=${k}></option>`)}</datalist>
      <div class="row"><${Button} main icon="arrow-right" why=${why} onClick=${next}>Go on to its value<//><${Button} href=${nsHref(namespace)}>Cancel<//></div></form><//>`;
}

/** Deletes a key: at once, as a draft, or by a request, as its namespace has it. */
export function DeleteEntry({ namespace, keyName, entry, onClose }) {
  const [settings, setSettings] = useState();
  const [chosen, setWay] = useState('');
  const [comment, setComment] = useState('');
  const [at, setAt] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState();
  useEffect(() => { get(`${nsPath(namespace)}/settings`, { resolve: true }).then(setSettings, setError); }, [namespace]);
  const requests = about(namespace, keyName);
  const locked = requests.length ? 'A draft of this key is under review.' : '';
  const ways = waysOf(settings);
  const why = { now: ways.why, submit: locked, draft: locked };
  const preferred = chosen || (ways.direct ? 'now' : 'submit');
  const way = why[preferred] ? ['now', 'submit', 'draft'].find((w) => !why[w]) ?? preferred : preferred;
  const run = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await deletions[way]({ namespace, keyName, version: entry.version, comment, publishAt: at ? new Date(at).toISOString() : undefined });
      onClose(true);
    } catch (e) {
      setError(e);
      setBusy(false);
    }
  };
  const verb = { now: 'Delete now', submit: 'Submit the deletion', draft: 'Save as draft' }[way];
  return html`<${Dialog} wide title=${`Delete ${keyName}?`} onClose=${() => onClose(false)} actions=${html`<${Button} onClick=${() => onClose(false)}>Cancel<//>
      <${Button} main danger=${way === 'now'} icon="trash-2" busy=${busy} why=${!settings ? 'The settings are not known yet' : why[way]} onClick=${run}>${verb}<//>`}>
    <p>Readers of <code class="any">${namespace}/${keyName}</code> get what a namespace above has, or nothing. Its history stays, and it can be brought back.</p>
    <${OpenRequests} requests=${requests} />
    <${Diff} old=${entry.value} oldType=${entry.type} />
    <${Area} label="Comment (kept in the history)" rows="2" maxlength="4096" value=${comment} onInput=${setComment} />
    <fieldset class="stack tight"><legend class="label">What is to happen</legend><div class="ways">
      <${Way} name="delete-way" value="now" chosen=${way} label="Delete now" text=${`Version ${entry.version} goes at once.`} why=${why.now} onInput=${setWay} />
      <${Way} name="delete-way" value="submit" chosen=${way} label="Submit for review" text=${becomes(ways.approvals, ways.held, at)} why=${why.submit} onInput=${setWay} />
      <${Way} name="delete-way" value="draft" chosen=${way} label="Save as draft" text="Nothing changes for readers." why=${why.draft} onInput=${setWay} /></div></fieldset>
    ${way === 'submit' && html`<${PublishAt} value=${at} onInput=${setAt} />`}
    <${Failure} error=${error} /><//>`;
}

const deletions = {
  async now({ namespace, keyName, version, comment }) {
    await deleteNow(namespace, keyName, version, comment);
    toast(`${keyName} deleted`, { href: keyHref(namespace, keyName), link: 'Bring it back' });
  },
  async submit({ namespace, keyName, comment, publishAt }) {
    const { data } = await write('POST', '/api/v1/publish-requests', { changes: [{ namespace, key: keyName, delete: true }], comment, ...(publishAt && { publishAt }) });
    toast('Submitted for review', { href: `/ui/requests/${data.id}`, link: 'Open the request' });
  },
  async draft({ namespace, keyName, comment }) {
    await write('PUT', keyPath(namespace, 'drafts', keyName), { delete: true, ...(comment && { comment }) });
    toast('Draft saved. Nothing is published yet', { href: nsHref(namespace, 'drafts'), link: 'Drafts' });
  },
};
