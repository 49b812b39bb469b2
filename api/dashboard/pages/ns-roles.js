// Who may do what in a namespace: what holds and where it comes from, its own grants, and why somebody may.
import { html, useEffect, useState } from '../lib/ui.js';
import { get, nsPath } from '../lib/api.js';
import { nsHref } from '../lib/route.js';
import { lacking, me, useRole } from '../lib/session.js';
import { Check, Input, Select } from '../parts/form.js';
import { Button, Chip, Failure, Loaded, Note } from '../parts/icon.js';
import { Changed, Moved, SavePolicy, useEditing, usePolicy } from '../parts/policy.js';
import { Card, Table } from '../parts/table.js';
import { Text } from '../parts/value.js';

const roles = [['viewer', 'viewer: reads'], ['editor', 'editor: writes, drafts, asks for review'], ['publisher', 'publisher: reviews, rolls back'], ['admin', 'admin: roles, schema, settings, keys']];
const Who = ({ grant: g }) => (g.group ? html`<${Chip} icon="users">group<//> <span class="any"><${Text} text=${g.group} /></span>` : html`<span class="any"><${Text} text=${g.principal ?? ''} /></span>`);

/** The tab of a namespace. */
export function NamespaceRoles({ namespace }) {
  const path = `${nsPath(namespace)}/roles`;
  const state = usePolicy(path, 'namespace.roles-changed');
  return html`<div class="stack"><${Loaded} of=${state}>${(data) => html`<${Effective} namespace=${namespace} grants=${data.effective.grants} />
    <${Own} key=${namespace} namespace=${namespace} path=${path} data=${data} reload=${state.again} />`}<//><${Explain} key=${namespace} namespace=${namespace} /></div>`;
}

function Effective({ namespace, grants }) {
  const columns = [
    { head: 'Role', cell: (g) => html`<${Chip} tone=${g.role === 'admin' ? 'violet' : 'info'} icon="shield">${g.role}<//>` }, { head: 'Who', cell: (g) => html`<${Who} grant=${g} />` },
    { head: 'Keys', class: 'mono any', cell: (g) => g.keys ?? html`<span class="soft sans">all</span>` },
    { head: 'Comes from', cell: (g) => (g.from === namespace ? 'here' : html`<a class="mono" href=${nsHref(g.from, 'roles')}>${g.from}</a>`) },
  ];
  return html`<${Card} title="What holds here" flush>${grants.length ? html`<${Table} caption="Grants that hold, the nearest first" columns=${columns} rows=${grants} rowKey=${(g) => `${g.from}${g.role}${g.principal}${g.group}${g.keys}`} />`
    : html`<p class="pad soft">No roles are given here or above. Who has an API key may do what the key was granted.</p>`}<//>`;
}

const bare = ({ role, principal, group, keys }) => ({ role, ...(group !== undefined ? { group: group.trim() } : { principal: (principal ?? '').trim() }), ...(keys?.trim() && { keys: keys.trim() }) });
const wanted = (inherit, grants) => ({ ...(inherit === false && { inherit: false }), grants: grants.map(bare) });

function Own({ namespace, path, data, reload }) {
  const { role, may } = useRole(namespace);
  const why = role && !may('admin') ? lacking('admin', namespace) : '';
  const [edit, setEdit] = useState(); // {grants, inherit, began}
  const [saving, setSaving] = useState(false);
  const form = useEditing(Boolean(edit));
  const grants = edit?.grants ?? data.own.grants ?? [];
  const inherit = edit ? edit.inherit : data.own.inherit !== false;
  const begin = () => setEdit({ grants: (data.own.grants ?? []).map((g) => ({ ...g })), inherit: data.own.inherit !== false, began: data });
  const set = (i, change) => setEdit((e) => ({ ...e, grants: e.grants.map((g, k) => (k === i ? { ...g, ...change } : g)) }));
  const before = wanted(edit?.began.own.inherit, edit?.began.own.grants ?? []);
  const after = wanted(inherit, grants);
  const faults = grants.map((g) => (!(g.group ?? g.principal ?? '').trim() ? 'Say who.' : ''));
  const stop = faults.some(Boolean) ? 'A grant lacks its principal or group.' : JSON.stringify(before) === JSON.stringify(after) ? 'Nothing is changed yet.' : '';
  const moved = edit && !saving && edit.began.etag !== data.etag;
  return html`<${Card} title="Own grants" actions=${edit ? html`<${Button} onClick=${() => setEdit(undefined)}>Cancel<//><${Button} main why=${stop} onClick=${() => setSaving(true)}>Look at the change …<//>` : html`<${Button} icon="pencil" data-key="e" why=${why} onClick=${begin}>Edit<//>`}>
    <div class="stack tight" ref=${form}>${moved && html`<${Moved} onTake=${begin} />`}
      ${edit ? html`<ul class="stack tight" aria-label="Grants">${grants.map((g, i) => html`<li key=${i}><${Row} grant=${g} number=${i + 1} fault=${faults[i]} set=${(c) => set(i, c)} remove=${() => setEdit((e) => ({ ...e, grants: e.grants.filter((_, k) => k !== i) }))} /></li>`)}</ul>
        <div><${Button} small icon="plus" onClick=${() => setEdit((e) => ({ ...e, grants: [...e.grants, { role: 'viewer', principal: '' }] }))}>Add a grant<//></div>
        ${namespace !== '/' && html`<${Check} label="Grants of the namespaces above hold here, too" hint="Without it only what is listed here holds, here and below." checked=${inherit} onInput=${(on) => setEdit((e) => ({ ...e, inherit: on }))} />`}`
    : html`${grants.length ? html`<ul class="stack tight">${grants.map((g) => html`<li class="row"><${Chip} icon="shield">${g.role}<//><${Who} grant=${g} />${g.keys && html`<span class="soft">on <code>${g.keys}</code></span>`}</li>`)}</ul>` : html`<p class="soft">This namespace gives no roles of its own.</p>`}
        ${!inherit && html`<p><${Chip} tone="warn">not inherited<//> Grants of the namespaces above do not hold here.</p>`}<${Changed} own=${data.own} />`}</div>
    ${saving && html`<${SavePolicy} title=${`Change the roles of ${namespace}`} path=${path} old=${before} now=${after} body=${after} etag=${edit.began.etag} verb="Save the roles" onClose=${() => setSaving(false)} saved=${() => reload().then(() => { setEdit(undefined); setSaving(false); })} conflict=${reload}>
      ${lostSelf(before, after) && html`<${Note} tone="warn"><p>You take away a role of yours here. Unless another grant gives it, you cannot undo this yourself.</p><//>`}
      <p class="soft small">It holds at once. Whoever loses rights loses running streams within a second.</p><//>`}<//>`;
}

const lostSelf = (before, after) => { const mine = (p) => p.grants.filter((g) => g.principal === me.value?.principal).map((g) => JSON.stringify(g)); const left = new Set(mine(after)); return mine(before).some((g) => !left.has(g)); };

function Row({ grant: g, number, fault, set, remove }) {
  const group = g.group !== undefined;
  return html`<div class="grant" role="group" aria-label=${`Grant ${number}`}><${Select} label="Role" value=${g.role} options=${roles} onInput=${(role) => set({ role })} />
    <${Select} label="To" value=${group ? 'group' : 'principal'} options=${[['principal', 'person or service'], ['group', 'group']]} onInput=${(k) => set(k === 'group' ? { group: g.principal ?? '', principal: undefined } : { principal: g.group ?? '', group: undefined })} />
    <${Input} label=${group ? 'Group' : 'Principal'} error=${fault} value=${(group ? g.group : g.principal) ?? ''} onInput=${(v) => set(group ? { group: v } : { principal: v })} />
    <${Input} label="Keys" mono placeholder="all, or db/*" value=${g.keys ?? ''} onInput=${(v) => set({ keys: v })} /><${Button} quiet danger icon="trash-2" label=${`Remove grant ${number}`} onClick=${remove} /></div>`;
}

// Who may do what here, and why.
function Explain({ namespace }) {
  const [ask, setAsk] = useState({ principal: '', group: '', key: '' });
  const [said, setSaid] = useState();
  const [error, setError] = useState();
  useEffect(() => { setSaid(undefined); setError(undefined); }, [namespace]);
  const submit = (e) => {
    e.preventDefault();
    setError(undefined);
    const group = ask.group.split(',').map((g) => g.trim()).filter(Boolean);
    get('/api/v1/access/explain', { namespace, principal: ask.principal.trim(), key: ask.key.trim(), group: ask.principal.trim() ? group : [] }).then(setSaid, (p) => { setSaid(undefined); setError(p); });
  };
  const input = (name, label, rest) => html`<${Input} label=${label} value=${ask[name]} onInput=${(v) => setAsk((a) => ({ ...a, [name]: v }))} ...${rest} />`;
  return html`<${Card} title="Who may do what, and why"><div class="stack"><form class="filters" onSubmit=${submit}>${input('principal', 'Principal', { placeholder: 'yourself' })}${input('group', 'In groups', { placeholder: 'none' })}${input('key', 'Key', { mono: true, placeholder: 'the namespace as a whole' })}
      <button class="btn" type="submit">Explain</button></form>
    <${Failure} error=${error} />${said && html`<div role="status"><${Said} said=${said} /></div>`}</div><//>`;
}

function Said({ said }) {
  const columns = [
    { head: 'Role', cell: (r) => r.role }, { head: 'Given by', cell: (r) => (r.source === 'key' ? html`API key ${r.keyId && html`<code>${r.keyId}</code>`}` : 'role of the namespace') },
    { head: 'On', class: 'mono', cell: (r) => html`${r.namespace}${r.keys ? ` · ${r.keys}` : ''}` }, { head: 'To', cell: (r) => html`<${Who} grant=${r} />` },
    { head: 'Counts', cell: (r) => (r.counts ? html`<${Chip} tone="good">yes<//>` : html`<${Chip} tone="warn">no<//> ${r.why ?? ''}`) },
  ];
  return html`<div class="stack tight"><p><strong><${Text} text=${said.principal} /></strong> is <strong>${said.role === 'none' ? 'nothing' : said.role}</strong> ${said.key ? html`for <code><${Text} text=${said.key} /></code> in` : 'in'} <code>${said.namespace}</code>.</p>
    ${said.reasons.length ? html`<${Table} caption="What bears on it" columns=${columns} rows=${said.reasons} rowKey=${(r) => JSON.stringify(r)} />` : html`<p class="soft">Nothing gives a role there.</p>`}</div>`;
}
