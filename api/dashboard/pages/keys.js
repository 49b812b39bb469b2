// API keys: who bears which, when they were used, new ones, and the end of old ones.
import { html, useState } from '../lib/ui.js';
import { all, write } from '../lib/api.js';
import { useData } from '../lib/data.js';
import { can, canAnywhere, lacking, me } from '../lib/session.js';
import { param, setParams } from '../lib/route.js';
import { plural } from '../lib/format.js';
import { Button, Chip, Empty, Loaded, Note } from '../parts/icon.js';
import { Card, Head, Table } from '../parts/table.js';
import { Field, Input, Segmented, Select } from '../parts/form.js';
import { Confirm, Dialog, ask, toast } from '../parts/dialog.js';
import { Copy, Text } from '../parts/value.js';
import { Time } from '../parts/time.js';

const stateOf = (k) => (k.revokedAt ? 'revoked' : k.expiresAt && Date.parse(k.expiresAt) < Date.now() ? 'expired' : 'usable');
const tones = { usable: 'good', expired: 'warn', revoked: 'bad' };

function Granted({ of: k }) {
  return html`<div class="stack" style="gap: 2px">${k.grants.map((g) => html`<span class="nowrap"><strong>${g.role}</strong> <span class="soft">on</span> <code>${g.namespace}</code>${g.keys && html` <code>${g.keys}</code>`}</span>`)}
    ${k.roles && html`<span class="soft">and the roles of ${k.principal}</span>`}${k.grants.length === 0 && !k.roles && html`<span class="soft">nothing</span>`}</div>`;
}

function GrantRow({ grant, onInput, onRemove, alone }) {
  const set = (member) => (value) => onInput({ ...grant, [member]: value });
  return html`<div class="filters"><${Select} label="Role" value=${grant.role} options=${['viewer', 'editor', 'publisher', 'admin']} onInput=${set('role')} /><${Input} label="Namespace, and all below" mono value=${grant.namespace} onInput=${set('namespace')} placeholder="teams/pay" required />
    <${Input} label="Keys" mono value=${grant.keys ?? ''} onInput=${set('keys')} placeholder="all, or db/*" /><${Button} quiet icon="trash-2" label="Take this grant away" why=${alone && !can('admin') ? lacking('admin', '/') : ''} onClick=${onRemove} /></div>`;
}

const lasts = [['', 'Never'], ['1', 'In a day'], ['7', 'In a week'], ['30', 'In 30 days'], ['90', 'In 90 days'], ['365', 'In a year']];

function Create({ onClose }) {
  const [name, setName] = useState('');
  const [principal, setPrincipal] = useState('');
  const [days, setDays] = useState('90');
  const [grants, setGrants] = useState([{ role: 'viewer', namespace: '' }]);
  const [made, setMade] = useState();
  const create = async () => {
    const body = { name: name.trim(), grants: grants.map((g) => ({ namespace: g.namespace.trim(), role: g.role, ...(g.keys?.trim() && { keys: g.keys.trim() }) })) };
    if (principal.trim()) body.principal = principal.trim();
    if (days) body.expiresAt = new Date(Date.now() + Number(days) * 86_400_000).toISOString();
    setMade((await write('POST', '/api/v1/keys', body)).data);
  };
  if (made) {
    return html`<${Dialog} title="The new API key" onClose=${() => onClose(true)} actions=${html`<${Button} main onClick=${() => onClose(true)}>I have kept it<//>`}>
      <${Note} tone="warn" title="This is the only time it is shown"><p>Put it where ${made.principal} finds it. Only its digest is stored.</p><//>
      <div class="row fixed"><code class="grow any value-block" id="new-key">${made.key}</code><${Copy} text=${made.key} label="Copy the key" /></div><//>`;
  }
  const why = !name.trim() ? 'Give it a name' : grants.some((g) => !g.namespace.trim()) ? 'Say for which namespaces' : '';
  return html`<${Confirm} title="New API key" verb="Create" why=${why} act=${create} onClose=${(done) => { if (!done) onClose(false); }} wide>
    <div class="form-grid"><${Input} label="Name" value=${name} onInput=${setName} placeholder="ci-deploy" hint="What or who uses it" /><${Input} label="Acts as" value=${principal} onInput=${setPrincipal} placeholder=${name || 'the same'} hint="The principal on every event; default its name" />
      <${Select} label="Expires" value=${days} options=${lasts} onInput=${setDays} /></div>
    <fieldset class="stack tight"><legend class="out">Grants</legend><h3>May</h3>${grants.map((g, i) => html`<${GrantRow} key=${i} grant=${g} alone=${grants.length === 1} onInput=${(next) => setGrants(grants.with(i, next))} onRemove=${() => setGrants(grants.toSpliced(i, 1))} />`)}${grants.length === 0 && html`<p class="soft">What the namespaces give to ${principal.trim() || name.trim() || 'whom it acts as'}, now and later.</p>`}
      <div><${Button} small icon="plus" onClick=${() => setGrants([...grants, { role: 'viewer', namespace: '' }])}>Another grant<//></div></fieldset><//>`;
}

function Revoke({ apiKey: k, onClose }) {
  const own = k.id === me.value.keyId;
  return html`<${Confirm} title=${`Revoke ${k.name}`} verb="Revoke" danger word=${own ? k.name : undefined} onClose=${onClose} act=${() => write('DELETE', `/api/v1/keys/${encodeURIComponent(k.id)}`)}>
    <p>Whoever uses it is refused at once, and running streams end within a second. It cannot be undone.</p>
    ${k.lastUsedAt && html`<p>It was last used <${Time} at=${k.lastUsedAt} relative />${k.lastUsedFrom && html` from <code>${k.lastUsedFrom}</code>`}.</p>`}
    ${own && html`<${Note} tone="warn">You are signed in with this key: it signs you out.<//>`}<//>`;
}

/** The keys that one may administer, and one's own. */
export function Keys() {
  const view = param('view') || 'usable';
  const find = param('q').toLowerCase();
  const state = useData('keys', (signal) => all('/api/v1/keys', {}, { signal }), { filter: { events: 'key' } });
  const columns = [
    { head: 'Name', cell: (k) => html`<strong class="any"><${Text} text=${k.name} /></strong><br /><span class="soft small mono">${k.id}</span>` },
    { head: 'Acts as', cell: (k) => html`<${Text} text=${k.principal} />` },
    { head: 'May', cell: (k) => html`<${Granted} of=${k} />` },
    { head: 'State', cell: (k) => html`<${Chip} tone=${tones[stateOf(k)]}>${stateOf(k)}<//>${k.expiresAt && !k.revokedAt && html`<br /><span class="soft small">${stateOf(k) === 'expired' ? 'expired' : 'expires'} <${Time} at=${k.expiresAt} relative /></span>`}${k.revokedAt && html`<br /><span class="soft small"><${Time} at=${k.revokedAt} relative /> by ${k.revokedBy}</span>`}` },
    { head: 'Last used', cell: (k) => (k.lastUsedAt ? html`<${Time} at=${k.lastUsedAt} relative />${k.lastUsedFrom && html`<br /><span class="soft small mono">${k.lastUsedFrom}</span>`}` : html`<span class="soft">not known</span>`) },
    { head: 'Made', cell: (k) => html`<${Time} at=${k.createdAt} relative /><br /><span class="soft small">by ${k.createdBy ?? '–'}</span>` },
    { head: '', cell: (k) => !k.revokedAt && html`<${Button} small danger icon="ban" label=${`Revoke ${k.name}`} onClick=${() => ask(Revoke, { apiKey: k }).then((ok) => ok && toast(`${k.name} was revoked`))} />` },
  ];
  return html`<div class="page"><${Head} title="API keys" actions=${html`<${Button} main icon="plus" why=${canAnywhere('admin') ? '' : 'You need the role admin on the namespaces that a key is for.'} onClick=${() => ask(Create, {}).then((ok) => ok && state.reload())}>New key<//>`} />
    <div class="row"><${Segmented} label="Which keys" value=${view} options=${[['usable', 'Usable'], ['ended', 'Ended'], ['all', 'All']]} onInput=${(v) => setParams({ view: v === 'usable' ? '' : v })} />
      <${Field} label=${html`<span class="out">Find a key</span>`}>${(a) => html`<input class="input" ...${a} type="search" placeholder="Name or principal" value=${param('q')} onInput=${(e) => setParams({ q: e.target.value })} />`}<//></div>
    <${Loaded} of=${state}>${(keys) => {
    const rows = keys.filter((k) => (view === 'all' || (stateOf(k) === 'usable') === (view === 'usable')) && (!find || `${k.name} ${k.principal} ${k.id}`.toLowerCase().includes(find)));
    return html`<${Card} title=${plural(rows.length, 'key')} flush>${rows.length ? html`<${Table} caption="API keys" columns=${columns} rows=${rows} rowKey=${(k) => k.id} />` : html`<${Empty} icon="key-round" title="No such key"><p>You see the keys that you administer, and your own.</p><//>`}<//>`;
  }}<//></div>`;
}
