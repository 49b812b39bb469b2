// One key: what it is now, or was; read before it is edited.
import { html, useRef, useState } from '../lib/ui.js';
import { get, keyPath, nsPath } from '../lib/api.js';
import { entryOf } from '../lib/entry.js';
import { keyHref, nsHref, param, place, setParams } from '../lib/route.js';
import { can, lacking, useRole } from '../lib/session.js';
import { useData } from '../lib/data.js';
import { inexact } from '../lib/entries.js';
import { about as requestsAbout } from '../lib/requests.js';
import { ask } from '../parts/dialog.js';
import { Button, Chip, Empty, Failure, Icon, Loading, Note } from '../parts/icon.js';
import { Head, Tabs } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { Text } from '../parts/value.js';
import { Crumbs } from '../parts/namespace.js';
import { CopyMenu } from '../parts/copy.js';
import { History, Restore } from '../parts/history.js';
import { Reading, saysDeprecated, useHints } from '../parts/reading.js';
import { Watchers, Why } from '../parts/why.js';
import { DeleteEntry, EditEntry } from './edit.js';

// What there is of a key: its entry, or what is left of it in the history, or nothing.
async function load(namespace, key, at, signal) {
  const entry = await entryOf(namespace, key, { resolve: true, at, signal });
  if (entry || at) return { entry };
  const known = await get(`${nsPath(namespace)}/audit`, { key, action: 'config.*', limit: 1 }, { signal });
  if (known.length === 0) return {};
  const [end, last] = await get(keyPath(namespace, 'history', key), { limit: 2 }, { signal });
  return { gone: { end, last } };
}

const within = (namespace, above) => namespace === above || namespace.startsWith(`${above}/`);

function useEntry(namespace, key, at) {
  const top = namespace.split('/')[0];
  const began = useRef(); // what was there when one began to look
  const [change, setChange] = useState();
  const state = useData(`${namespace}\n${key}\n${at}`, (signal) => load(namespace, key, at, signal), {
    filter: at ? undefined : { namespace: can('viewer', top) ? top : namespace, key, events: 'config' },
    on(event, { data, set, reload }) {
      if (!within(namespace, event.namespace)) return;
      reload(); // what the event does not say, such as what the schema thinks of the key
      if (event.namespace !== namespace) return;
      setChange({ by: event.actor, time: event.time, version: event.data.version, deleted: event.data.type === undefined });
      if (event.data.type === undefined || inexact(event.data.value) || data?.entry?.index >= event.index) return;
      const { value, type, version, description, tags, comment } = event.data;
      set((d) => ({ ...d, gone: undefined, entry: { createdAt: event.time, createdBy: event.actor, ...d?.entry, namespace, key, from: namespace, value, type, version, description, tags, comment, updatedAt: event.time, updatedBy: event.actor, index: event.index } }));
    },
  });
  if (state.data && !began.current) began.current = state.data.entry?.version ?? state.data.gone?.end.version ?? 0;
  const seen = () => { began.current = change?.version ?? began.current; setChange(undefined); };
  return { ...state, change: change && change.version > began.current ? change : undefined, began: began.current, seen };
}

/** The page of a key; `?edit=1` edits it, `?at=` shows it as it was. */
export function Entry({ namespace, keyName }) {
  const at = param('at');
  const state = useEntry(namespace, keyName, at);
  const { data, error } = state;
  if (param('edit') && !at) return html`<div class="page"><${EditEntry} namespace=${namespace} keyName=${keyName} /></div>`;
  if (!data) return html`<div class="page"><${EntryHead} namespace=${namespace} keyName=${keyName} />${error ? html`<${Failed} error=${error} again=${state.again} at=${at} />` : html`<${Loading} />`}</div>`;
  const body = data.entry ? html`<${Present} namespace=${namespace} keyName=${keyName} state=${state} at=${at} />`
    : data.gone ? html`<${Gone} namespace=${namespace} keyName=${keyName} gone=${data.gone} state=${state} />`
      : html`<${Never} namespace=${namespace} keyName=${keyName} at=${at} />`;
  return html`${at && html`<${Past} at=${at} namespace=${namespace} keyName=${keyName} />`}<div class="page">${body}</div>`;
}

function Failed({ error, again, at }) {
  if (error.status !== 410) return html`<${Failure} error=${error} again=${again} />`;
  return html`<${Note} tone="warn" title="That is too long ago" role="alert"><p>${error.message}</p><p>What is older than ${error.document.oldest ? html`event <code>${error.document.oldest}</code>` : 'the history that is kept'} cannot be shown.</p>
    ${at && html`<div><${Button} small onClick=${() => setParams({ at: '' })}>Show it as it is now<//></div>`}<//>`;
}

function Past({ at, namespace, keyName }) {
  const time = !/^\d+(-[0-9a-f]+)?$/.test(at) && !Number.isNaN(Date.parse(at));
  return html`<div class="banner info" role="status"><${Icon} name="history" /><span class="grow">This is as it was ${time ? html`at <${Time} at=${at} />` : html`at event <${Text} text=${at} />`}, not as it is now.</span>
    <a class="btn small" href=${keyHref(namespace, keyName)}>Show it as it is now</a></div>`;
}

function EntryHead({ namespace, keyName, actions, children }) {
  return html`<${Head} mono title=${keyName} document=${`${keyName} · ${namespace}`} crumbs=${html`<${Crumbs} namespace=${namespace} last />`} actions=${actions}>${children}<//>`;
}

const tabs = [['', 'Value'], ['history', 'History'], ['why', 'Why'], ['watchers', 'Watchers']];

function Parts({ namespace, keyName, only }) {
  const at = param('at');
  const now = param('tab');
  const shown = only ? tabs.filter(([name]) => only.includes(name)) : tabs;
  return html`<${Tabs} label="Parts of the key" items=${shown.map(([name, text]) => ({ text, current: name === now, href: keyHref(namespace, keyName, { tab: name, at }) }))} />`;
}

function Present({ namespace, keyName, state, at }) {
  const { entry } = state.data;
  const hints = useHints(namespace, keyName);
  const deprecated = saysDeprecated(hints);
  const inherited = Boolean(entry.from) && entry.from !== namespace;
  const { role, may } = useRole(namespace, keyName);
  const why = !role || may('editor') ? '' : lacking('editor', namespace);
  const actions = html`<${CopyMenu} namespace=${namespace} keyName=${keyName} entry=${entry} />
    ${!at && !inherited && html`<${Button} icon="trash-2" danger why=${why} onClick=${() => ask(DeleteEntry, { namespace, keyName, entry })}>Delete<//>`}
    ${!at && html`<${Button} main icon="edit-3" data-key="e" why=${why} href=${keyHref(namespace, keyName, { edit: 1 })}>${inherited ? 'Override here' : 'Edit'}<//>`}`;
  const tab = param('tab');
  return html`<${EntryHead} namespace=${namespace} keyName=${keyName} actions=${actions}><${Marks} namespace=${namespace} keyName=${keyName} entry=${entry} inherited=${inherited} deprecated=${deprecated} /><//>
    <${Failure} error=${state.error} again=${state.again} title="This is old: it could not be loaded again" />
    <${Parts} namespace=${namespace} keyName=${keyName} />
    <${ChangeNote} state=${state} />
    ${tab === 'history' ? html`<${History} namespace=${entry.from ?? namespace} keyName=${keyName} live=${entry} fresh=${entry.index} inherited=${inherited} />`
    : tab === 'why' ? html`<${Why} namespace=${namespace} keyName=${keyName} at=${at} fresh=${entry.index} />`
      : tab === 'watchers' ? html`<${Watchers} namespace=${namespace} keyName=${keyName} />`
        : html`<${Reading} keyName=${keyName} entry=${entry} inherited=${inherited} hints=${hints} flash=${state.change?.version} />`}`;
}

function useDraft(namespace, key) {
  const state = useData(can('editor', namespace, key) ? `${namespace}\n${key}` : null, (signal) => get(`${nsPath(namespace)}/drafts`, { prefix: key, limit: 1 }, { signal }),
    { filter: { namespace, key, events: 'draft,publish-request', values: 'none' } });
  return state.data?.find((d) => d.key === key);
}

function Marks({ namespace, keyName, entry, inherited, deprecated }) {
  const requests = requestsAbout(namespace, keyName);
  const draft = useDraft(namespace, keyName);
  const some = draft || inherited || deprecated || requests.length > 0 || entry.tags?.length > 0;
  return html`${entry.description && html`<p class="any"><${Text} text=${entry.description.slice(0, 4096)} /></p>`}
    ${some && html`<div class="row tight">${inherited && html`<a class="chip mono" href=${keyHref(entry.from, keyName)}><${Icon} name="layers" />inherited from ${entry.from}</a>`}
      ${draft && !requests.length && html`<a class="chip" href=${keyHref(namespace, keyName, { edit: 1 })}><${Icon} name="edit-3" />draft of ${draft.updatedBy}</a>`}
      ${deprecated && html`<${Chip} tone="warn">deprecated<//>`}
      ${requests.map((r) => html`<a class="chip info" href=${`/ui/requests/${r.id}`}><${Icon} name="git-pull-request" />in review: ${r.submittedBy}</a>`)}
      ${(entry.tags ?? []).map((tag) => html`<${Chip} icon="tag"><${Text} text=${tag} /><//>`)}</div>`}`;
}

function ChangeNote({ state }) {
  const { change, began, seen } = state;
  if (!change || param('edit')) return null;
  const show = () => { setParams({ tab: 'history', from: began, to: change.version }, { replace: false }); };
  return html`<${Note} role="status"><div class="row spread"><span>Changed by <strong><${Text} text=${change.by} /></strong> <${Time} at=${change.time} relative />${began > 0 && html` (v${began} → v${change.version})`}.</span>
    <span class="row tight">${began > 0 && !change.deleted && html`<${Button} small icon="git-compare" onClick=${show}>Show difference<//>`}<${Button} small quiet icon="x" label="Dismiss" onClick=${seen} /></span></div><//>`;
}

function Gone({ namespace, keyName, gone, state }) {
  const { end, last } = gone;
  const { role, may } = useRole(namespace, keyName);
  const publisher = !role || may('publisher') ? '' : lacking('publisher', namespace);
  const editor = !role || may('editor') ? '' : lacking('editor', namespace);
  const restore = () => ask(Restore, { namespace, keyName, version: last }).then((done) => { if (done) state.reload(); });
  const tab = param('tab');
  const actions = html`${last && html`<${Button} main icon="rotate-ccw" why=${publisher} onClick=${restore}>Bring it back<//>`}
    <${Button} icon="edit-3" data-key="e" why=${editor} href=${keyHref(namespace, keyName, { edit: 1 })}>Set it anew<//>`;
  return html`<${EntryHead} namespace=${namespace} keyName=${keyName} actions=${actions} />
    <${Parts} namespace=${namespace} keyName=${keyName} only=${['', 'history', 'why']} />
    <${Note} tone="warn" title="This key is deleted"><p><${Text} text=${end.actor} /> deleted it <${Time} at=${end.time} relative /> (v${end.version}, event ${end.index}).</p>
      ${end.comment && html`<p>“<${Text} text=${end.comment.slice(0, 1000)} />”</p>`}<//>
    ${tab === 'history' ? html`<${History} namespace=${namespace} keyName=${keyName} fresh=${end.index} />`
    : tab === 'why' ? html`<${Why} namespace=${namespace} keyName=${keyName} fresh=${end.index} />`
      : last ? html`<${Reading} keyName=${keyName} entry=${{ ...last, updatedAt: last.time, updatedBy: last.author ?? last.actor }} title=${`Its last value, v${last.version}`} />` : html`<p class="soft">Its last value is no longer kept.</p>`}`;
}

function Never({ namespace, keyName, at }) {
  const { role, may } = useRole(namespace, keyName);
  const draft = useDraft(namespace, keyName);
  if (at) return html`<${EntryHead} namespace=${namespace} keyName=${keyName} /><${Empty} icon="history" title="It was not there then"><p>The key did not exist, here or above, at that point of the history.</p><//>`;
  if (role === 'none') return html`<${EntryHead} namespace=${namespace} keyName=${keyName} /><${Empty} icon="lock" title="You may not see this"><p>${lacking('viewer', namespace)}</p><//>`;
  return html`<${EntryHead} namespace=${namespace} keyName=${keyName} />
    <${Empty} icon="key" title="There never was such a key">${draft && html`<p>There is a draft of it by <${Text} text=${draft.updatedBy} />.</p>`}<p>Nothing of that name is in <code>${place.value.namespace}</code>, in the namespaces above it, or in the history that is kept.</p>
      <div class="row">${may('editor') && html`<${Button} main icon="plus" data-key="e" href=${keyHref(namespace, keyName, { edit: 1 })}>${draft ? 'Go on with it' : 'Create it'}<//>`}
      ${role && !may('editor') && html`<span>${lacking('editor', namespace)}</span>`}<${Button} href=${nsHref(namespace)}>To the namespace<//></div><//>`;
}
