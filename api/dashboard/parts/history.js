// The versions of a key: any two compared, any brought back.
import { html, useEffect, useState } from '../lib/ui.js';
import { call, get, keyPath, nsPath, write } from '../lib/api.js';
import { keyHref, param, setParams } from '../lib/route.js';
import { lacking, useRole } from '../lib/session.js';
import { useData } from '../lib/data.js';
import { plural } from '../lib/format.js';
import { usePages } from '../lib/paging.js';
import { ask, Confirm, toast } from './dialog.js';
import { Button, Chip, Failure, Loading, Note } from './icon.js';
import { Area } from './form.js';
import { Card, Table } from './table.js';
import { Diff } from './diff.js';
import { Time } from './time.js';
import { Text, Value } from './value.js';

const actions = { 'config.created': ['created', 'good'], 'config.updated': ['changed', ''], 'config.deleted': ['deleted', 'bad'], 'config.rolled-back': ['rolled back', 'violet'] };

// What became of a key in a version, in a word.
function Action({ of: version }) {
  const [word, tone] = actions[version.action] ?? [version.action, ''];
  return html`<${Chip} tone=${tone} icon=${{ created: 'plus', deleted: 'trash-2', 'rolled back': 'rotate-ccw' }[word]}>${word}${version.source ? ` to v${version.source}` : ''}<//>`;
}

const valueOf = (version) => (version.type === undefined || version.type === 'erased' ? undefined : version.value);

function Who({ version }) {
  if (!version.author) return html`<${Text} text=${version.actor} />`;
  const approved = (version.approvedBy ?? []).join(', ');
  return html`<${Text} text=${version.author} />${approved && html`<br /><span class="soft">approved by <${Text} text=${approved} /></span>`}`;
}

/** The history tab. `live` is the entry as it is now; `fresh` changes when there is a new version. */
export function History({ namespace, keyName, live, fresh, inherited }) {
  const state = usePages(`${namespace}\n${keyName}\n${fresh}`, keyPath(namespace, 'history', keyName), { limit: 50 });
  const { role, may } = useRole(namespace, keyName);
  const why = !role || may('publisher') ? '' : lacking('publisher', namespace);
  if (!state.rows) return state.error ? html`<${Failure} error=${state.error} again=${state.again} />` : html`<${Loading} />`;
  const versions = state.rows;
  const from = Number(param('from')) || versions[1]?.version;
  const to = Number(param('to')) || versions[0]?.version;
  const pick = (side) => (version) => setParams({ from, to, [side]: version });
  const radio = (side, chosen) => (v) => html`<input type="radio" name=${side} checked=${v.version === chosen} aria-label=${`Compare ${side} version ${v.version}`} onChange=${() => pick(side)(v.version)} />`;
  const restore = (v) => ask(Restore, { namespace, keyName, version: v });
  const columns = [
    { head: 'From', cell: radio('from', from) }, { head: 'To', cell: radio('to', to) },
    { head: 'Version', cell: (v) => html`<strong>v${v.version}</strong>` },
    { head: 'What', cell: (v) => html`<${Action} of=${v} />` },
    { head: 'Value', class: 'history-value', cell: (v) => (v.type === undefined ? '' : html`<${Value} value=${v.value} type=${v.type} />`) },
    { head: 'Who', cell: (v) => html`<${Who} version=${v} />` },
    { head: 'When', cell: (v) => html`<${Time} at=${v.time} relative /><br /><a class="soft" href=${keyHref(namespace, keyName, { at: v.index })} title="The key as it was then">event ${v.index}</a>` },
    { head: 'Why', class: 'any', cell: (v) => html`${v.comment && html`<${Text} text=${v.comment.slice(0, 300)} /> `}${v.request && html`<a href=${`/ui/requests/${v.request}`}>request</a>`}` },
    { label: 'Actions', cell: (v) => v.type !== undefined && v.type !== 'erased' && v.version !== live?.version && html`<${Button} small icon="rotate-ccw" why=${why} label=${`Restore version ${v.version}`} onClick=${() => restore(v)}>Restore<//>` },
  ];
  return html`<div class="stack">${inherited && html`<${Note}><p>This is the history in <a href=${keyHref(namespace, keyName, { tab: 'history' })}>${namespace}</a>, where the value comes from.</p><//>`}
    ${versions.length > 1 && from && to && html`<${Compared} namespace=${namespace} keyName=${keyName} versions=${versions} from=${from} to=${to} />`}
    <${Card} flush title="Versions"><${Table} caption="Versions" columns=${columns} rows=${versions} rowKey=${(v) => v.version} />
      ${state.next && html`<div class="foot"><${Button} small busy=${state.loading} onClick=${state.more}>Older versions<//></div>`}<//>
    <${Failure} error=${state.error} again=${state.more} /></div>`;
}

// A version that is on a page not yet read is asked for by itself.
function useVersion(namespace, key, versions, number) {
  const here = versions.find((v) => v.version === number);
  const state = useData(here ? null : `${namespace}\n${key}\n${number}`, async (signal) => {
    let answer = await call('GET', keyPath(namespace, 'history', key), { query: { limit: 200 }, signal });
    for (;;) {
      const found = answer.data.find((v) => v.version === number);
      if (found || !answer.next || answer.data.at(-1).version < number) return found ?? null;
      answer = await call('GET', answer.next, { signal });
    }
  });
  return here ? { data: here } : state;
}

function Compared({ namespace, keyName, versions, from, to }) {
  const [a, b] = [useVersion(namespace, keyName, versions, from), useVersion(namespace, keyName, versions, to)];
  const title = `From v${from} to v${to}`;
  const error = a.error ?? b.error;
  if (error) return html`<${Failure} error=${error} />`;
  if (a.data === null || b.data === null) return html`<${Note} tone="warn"><p>Version ${a.data === null ? from : to} is not in the history that is kept.</p><//>`;
  if (!a.data || !b.data) return html`<${Loading} />`;
  const erased = [a.data, b.data].filter((v) => v.type === 'erased');
  const swap = html`<${Button} quiet small icon="refresh-cw" onClick=${() => setParams({ from: to, to: from })}>Swap<//>`;
  return html`<${Card} title=${title} actions=${swap}>${erased.length > 0 ? html`<p class="soft">The value of ${erased.map((v) => `v${v.version}`).join(' and ')} was taken out of the history.</p>`
    : valueOf(a.data) === undefined && valueOf(b.data) === undefined ? html`<p class="soft">The key was deleted in both.</p>`
      : html`<${Diff} old=${valueOf(a.data)} oldType=${a.data.type} now=${valueOf(b.data)} newType=${b.data.type ?? a.data.type} />`}<//>`;
}

/** Asks before a version is brought back, and shows what that does. */
export function Restore({ namespace, keyName, version, onClose }) {
  const [comment, setComment] = useState('');
  const [plan, setPlan] = useState({});
  const path = keyPath(namespace, 'rollback', keyName);
  useEffect(() => {
    write('POST', path, { toVersion: version.version }, { query: { dry_run: true } }).then(({ data, status }) => setPlan({ data, status }), (error) => setPlan({ error }));
  }, []);
  const change = plan.data?.changes[0];
  const settings = useData(namespace, (signal) => get(`${nsPath(namespace)}/settings`, { resolve: true }, { signal }), { filter: { namespace, events: 'namespace.settings-changed' } }).data;
  const act = async () => {
    const { data } = await write('POST', path, { toVersion: version.version, ...(comment && { comment }) });
    if (data.request) toast('A request was made. It waits for review', { href: `/ui/requests/${data.request}`, link: 'Open the request' });
    else toast(data.changes.length ? `v${version.version} is back as v${data.changes[0].newVersion}.` : 'Nothing was written: it is so already');
  };
  const why = plan.error ? 'It cannot be brought back' : !plan.data ? 'Finding out what changes' : !change ? 'It is so already' : '';
  return html`<${Confirm} title=${`Restore v${version.version} of ${keyName}`} verb="Restore" wide why=${why} act=${act} onClose=${onClose}>
    <${Failure} error=${plan.error} />
    ${!plan.data && !plan.error && html`<${Loading}>Finding out what changes …<//>`}
    ${plan.data && !change && html`<p>The key has this value already.</p>`}
    ${change && html`<p class="soft">${settings?.rollbackRequiresApproval ? `It becomes a publish request that needs ${plural(settings.minApprovers ?? 1, 'approval')}.` : 'It is written at once.'} A new version gets the content of v${version.version}, with description and tags; nothing is taken out of the history.</p>
      <${Diff} old=${change.old} oldType=${change.oldType ?? change.newType} now=${change.new} newType=${change.newType ?? change.oldType} places=${change.oldType === 'json' && change.newType === 'json' ? change.diff : undefined} />
      <${Area} label="Comment" rows="2" value=${comment} onInput=${setComment} hint="Why it goes back, for the history." />`}<//>`;
}
