// What the one who is signed in may do, and why.
import { html, useState } from '../lib/ui.js';
import { get } from '../lib/api.js';
import { me, session } from '../lib/session.js';
import { nsHref } from '../lib/route.js';
import { Chip, Failure } from '../parts/icon.js';
import { Card, Facts, Head, Table } from '../parts/table.js';
import { Input } from '../parts/form.js';
import { Time } from '../parts/time.js';

// Grants as a table; also of keys.
function Grants({ grants }) {
  if (grants.length === 0) return html`<p class="soft">None.</p>`;
  return html`<${Table} caption="Grants" rows=${grants} rowKey=${(g) => `${g.namespace} ${g.role} ${g.keys ?? ''}`} columns=${[
    { head: 'Role', cell: (g) => html`<${Chip} tone="info" icon="shield">${g.role}<//>` },
    { head: 'Namespace, and all below', cell: (g) => html`<a class="mono" href=${nsHref(g.namespace === '*' ? '/' : g.namespace)}>${g.namespace}</a>` },
    { head: 'Keys', cell: (g) => (g.keys ? html`<code>${g.keys}</code>` : 'all') },
  ]} />`;
}

// Why a principal has a role somewhere, or has not.
function Reasons({ of: x }) {
  return html`<p>${x.principal} is <strong>${x.role === 'none' ? 'nothing' : x.role}</strong> ${x.key ? html`on the key <code>${x.key}</code> of` : 'on'} <code>${x.namespace}</code>.</p>
    ${x.reasons.length > 0 && html`<${Table} caption="Reasons" rows=${x.reasons} rowKey=${(r) => JSON.stringify(r)} columns=${[
    { head: 'Counts', cell: (r) => (r.counts ? html`<${Chip} tone="good">yes<//>` : html`<${Chip}>no<//>`) },
    { head: 'Role', cell: (r) => r.role },
    { head: 'From', cell: (r) => html`${r.source === 'key' ? 'API key' : 'roles of'} <code>${r.namespace}</code>${r.group && html` for group <code>${r.group}</code>`}${r.keys && html`, keys <code>${r.keys}</code>`}` },
    { head: 'Why not', cell: (r) => r.why ?? '' },
  ]} />`}`;
}

function Ask() {
  const [namespace, setNamespace] = useState('');
  const [key, setKey] = useState('');
  const [found, setFound] = useState();
  const [error, setError] = useState();
  const ask = async (e) => {
    e.preventDefault();
    setError(undefined);
    try { setFound(await get('/api/v1/access/explain', { namespace: namespace || '/', key })); } catch (problem) { setError(problem); setFound(undefined); }
  };
  return html`<${Card} title="Why may I, or may I not?"><form class="stack" onSubmit=${ask}><div class="filters"><${Input} label="Namespace" mono value=${namespace} onInput=${setNamespace} placeholder="/" />
    <${Input} label="Key, if about one" mono value=${key} onInput=${setKey} /><button class="btn">Explain</button></div><${Failure} error=${error} />${found && html`<div class="stack tight" role="status"><${Reasons} of=${found} /></div>`}</form><//>`;
}

/** Who one is. */
export function Me() {
  const { principal, keyId, groups, grants, expiresAt } = me.value;
  return html`<div class="page"><${Head} title=${principal} document="You" />
    <${Card} title="Signed in"><${Facts} of=${[['Principal', principal], ['By', session.value.via === 'oidc' ? 'your organisation' : html`API key <code>${keyId}</code>`], ['Groups', groups?.join(', ')],
    ['Until', (session.value.expiresAt ?? expiresAt) && html`<${Time} at=${session.value.expiresAt ?? expiresAt} />`], ['Node', session.value.nodeId]]} /><//>
    <${Card} title="Grants" flush><${Grants} grants=${grants} /><//><${Ask} /></div>`;
}
