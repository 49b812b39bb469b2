// The settings of a namespace: what holds, where it comes from, and its own.
import { html, useState } from '../lib/ui.js';
import { get, nsPath } from '../lib/api.js';
import { useData } from '../lib/data.js';
import { bytes, count, plural } from '../lib/format.js';
import { nsHref } from '../lib/route.js';
import { lacking, useRole } from '../lib/session.js';
import { Button, Chip, Loaded, Note } from '../parts/icon.js';
import { Changed, Moved, SavePolicy, useEditing, usePolicy } from '../parts/policy.js';
import { fault, inWords, SettingsForm, switches, windowWords } from '../parts/settings-form.js';
import { Card, Table } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { Text } from '../parts/value.js';

const members = ['requireApproval', 'minApprovers', 'rollbackRequiresApproval', 'allowBypass', 'quota', 'windows', 'freezes', 'inherit'];
const mine = (own) => Object.fromEntries(members.filter((m) => own[m] !== undefined && own[m] !== null).map((m) => [m, own[m]]));
const parent = (namespace) => (namespace.includes('/') ? namespace.slice(0, namespace.lastIndexOf('/')) : '/');

/** The tab of a namespace. */
export function NamespaceSettings({ namespace }) {
  const path = `${nsPath(namespace)}/settings`;
  const state = usePolicy(path, 'namespace.settings-changed');
  return html`<div class="stack"><${Loaded} of=${state}>${(data) => html`<${Own} key=${namespace} namespace=${namespace} path=${path} data=${data} reload=${state.again} />`}<//></div>`;
}

function From({ namespace, from, name, own }) {
  if (own[name] !== undefined) return html`<${Chip} tone="info" icon="tag">set here<//>`;
  if (from?.[name] && from[name] !== namespace) return html`inherited from <a class="mono" href=${nsHref(from[name], 'settings')}>${from[name]}</a>`;
  return html`<span class="soft">default</span>`;
}

function stateOf(f) {
  const now = Date.now();
  if (new Date(f.until) <= now) return html`<${Chip}>ended<//>`;
  return new Date(f.from) <= now ? html`<${Chip} tone="warn" icon="lock">frozen now<//>` : html`<${Chip} icon="clock">begins <${Time} at=${f.from} relative /><//>`;
}

function Quota({ effective, own, namespace }) {
  const { usage, quota, from } = effective;
  const bar = (name, write) => {
    const limit = own.quota?.[name] ?? (from?.quota === namespace ? quota?.[name] : undefined);
    const used = usage?.[name];
    const part = limit && used !== undefined ? used / limit : 0;
    const text = `${used === undefined ? 'not known' : write(used)}${limit ? ` of ${write(limit)}` : ''}`;
    return html`<div><span>${text}</span>${limit > 0 && used !== undefined && html`<div class="bar-of ${part >= 1 ? 'bad' : part > 0.8 ? 'warn' : ''}" role="meter" aria-label=${`Quota of ${name}`} aria-valuemin="0" aria-valuemax=${limit} aria-valuenow=${used} aria-valuetext=${text}><i style=${{ width: `${Math.min(100, 100 * part)}%` }}></i></div>`}</div>`;
  };
  return html`<div class="stack tight"><div>${bar('keys', (n) => plural(n, 'key'))}</div><div>${bar('bytes', bytes)}</div></div>`;
}

const Windows = ({ list }) => (list?.length ? html`<ul>${list.map((w) => html`<li><${Text} text=${windowWords(w)} /></li>`)}</ul>` : 'changes at any time');
const Freezes = ({ list }) => (list?.length ? html`<ul class="stack tight">${list.map((f) => html`<li class="any">${stateOf(f)} <${Time} at=${f.from} /> – <${Time} at=${f.until} /><br /><${Text} text=${f.reason} /></li>`)}</ul>` : 'none');

function Holds({ namespace, data }) {
  const { effective } = data;
  const own = mine(data.own);
  const rows = [
    ...switches.map(([name, label]) => ({ name, label, value: effective[name] ? html`<strong>yes</strong>` : 'no' })),
    { name: 'minApprovers', label: 'Approvals needed', value: count(effective.minApprovers ?? 1) },
    { name: 'quota', label: 'Quota', value: html`<${Quota} effective=${effective} own=${own} namespace=${namespace} />` },
    { name: 'windows', label: 'Windows', value: html`<${Windows} list=${effective.windows} />` }, { name: 'freezes', label: 'Freezes', value: html`<${Freezes} list=${effective.freezes} />` },
    namespace !== '/' && { name: 'inherit', label: 'Inherits from above', value: effective.inherit === false || own.inherit === false ? html`<strong>no</strong>` : 'yes' },
  ].filter(Boolean);
  const columns = [{ head: 'Setting', cell: (r) => r.label }, { head: 'What holds', cell: (r) => r.value }, { head: 'Comes from', cell: (r) => html`<${From} namespace=${namespace} from=${effective.from} name=${r.name} own=${own} />` }];
  return html`<${Table} caption="Settings that hold here" columns=${columns} rows=${rows} rowKey=${(r) => r.name} />`;
}

function Own({ namespace, path, data, reload }) {
  const { role, may } = useRole(namespace);
  const why = role && !may('admin') ? lacking('admin', namespace) : '';
  const [edit, setEdit] = useState(); // {own, began}
  const [saving, setSaving] = useState(false);
  const form = useEditing(Boolean(edit));
  const root = namespace === '/';
  const above = useData(root || !edit ? null : `settings above ${namespace}`, (signal) => get(`${nsPath(parent(namespace))}/settings`, { resolve: true }, { signal }));
  const begin = () => setEdit({ own: mine(data.own), began: data });
  const before = edit && mine(edit.began.own);
  const otherwise = (name) => {
    const from = above.data?.from?.[name];
    return `${inWords(name, edit?.own.inherit === false ? undefined : above.data?.[name])}${from && edit?.own.inherit !== false ? `, from ${from}` : ''}`;
  };
  const change = (name, value) => setEdit((e) => { const own = { ...e.own }; if (value === undefined) delete own[name]; else own[name] = value; return { ...e, own }; });
  const stop = edit && (fault(edit.own) || (JSON.stringify(sorted(before)) === JSON.stringify(sorted(edit.own)) ? 'Nothing is changed yet.' : ''));
  const moved = edit && !saving && edit.began.etag !== data.etag;
  return html`<${Card} title=${edit ? 'Own settings' : 'Settings'} flush=${!edit} actions=${edit ? html`<${Button} onClick=${() => setEdit(undefined)}>Cancel<//><${Button} main why=${stop} onClick=${() => setSaving(true)}>Look at the change …<//>` : html`<${Button} icon="pencil" data-key="e" why=${why} onClick=${begin}>Edit<//>`}>
    ${edit ? html`<div class="stack" ref=${form}>${moved && html`<${Moved} onTake=${begin} />`}<${SettingsForm} own=${edit.own} change=${change} otherwise=${otherwise} root=${root} /></div>`
    : html`<${Holds} namespace=${namespace} data=${data} /><div class="pad"><${Changed} own=${data.own} /></div>`}
    ${saving && html`<${SavePolicy} title=${`Change the settings of ${namespace}`} path=${path} old=${before} now=${edit.own} body=${edit.own} etag=${edit.began.etag} verb="Save the settings" onClose=${() => setSaving(false)} saved=${() => reload().then(() => { setEdit(undefined); setSaving(false); })} conflict=${reload}>
      ${before.requireApproval && !edit.own.requireApproval && html`<${Note} tone="warn"><p>Changes here no longer need approval, unless a namespace above asks for it.</p><//>`}
      <p class="soft small">What is not set here is inherited. It holds at once, here and below.</p><//>`}<//>`;
}

const sorted = (own) => members.filter((m) => own[m] !== undefined).map((m) => [m, own[m]]);
