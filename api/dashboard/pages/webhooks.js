// Webhooks: who is told of what, how the deliveries go, and telling again.
import { html, useState } from '../lib/ui.js';
import { all, get, write } from '../lib/api.js';
import { useData, useEvery } from '../lib/data.js';
import { go } from '../lib/route.js';
import { canAnywhere } from '../lib/session.js';
import { count, plural } from '../lib/format.js';
import { Button, Chip, Empty, Loaded, Note } from '../parts/icon.js';
import { Card, Facts, Head, Table } from '../parts/table.js';
import { Check, Input } from '../parts/form.js';
import { Confirm, Dialog, ask, toast } from '../parts/dialog.js';
import { Copy, Text } from '../parts/value.js';
import { Time } from '../parts/time.js';

const path = (id, more = '') => `/api/v1/webhooks/${encodeURIComponent(id)}${more}`;

const State = ({ of: w }) => (w.disabled ? html`<${Chip} tone=${w.reason ? 'bad' : ''} icon="pause" title=${w.reason}>${w.reason ? 'stopped by the cluster' : 'off'}<//>` : w.lag > 1_000 ? html`<${Chip} tone="warn">${count(w.lag)} behind<//>` : html`<${Chip} tone="good">on<//>`);

/** The secret of a webhook, once. */
function Secret({ secret, onClose }) {
  return html`<${Dialog} title="The webhook’s secret" onClose=${() => onClose(true)} actions=${html`<${Button} main onClick=${() => onClose(true)}>I have kept it<//>`}>
    <${Note} tone="warn" title="This is the only time it is shown"><p>The endpoint checks the signature of each delivery with it (Standard Webhooks).</p><//>
    <div class="row fixed"><code class="grow any value-block">${secret}</code><${Copy} text=${secret} label="Copy the secret" /></div><//>`;
}

function Edit({ webhook: w, onClose }) {
  const [url, setURL] = useState(w?.url ?? '');
  const [namespace, setNamespace] = useState(w?.namespace ?? '');
  const [kinds, setKinds] = useState((w?.events ?? ['config', 'publish-request']).join(', '));
  const [values, setValues] = useState(w?.values ?? false);
  const [description, setDescription] = useState(w?.description ?? '');
  const [secret, setSecret] = useState();
  const save = async () => {
    const body = { url: url.trim(), events: kinds.split(/[\s,]+/).filter(Boolean), values, description };
    if (!w) body.namespace = namespace.trim();
    const { data } = await write(w ? 'PUT' : 'POST', w ? path(w.id) : '/api/v1/webhooks', body);
    if (data.secret) setSecret(data.secret);
    else onClose(true);
  };
  if (secret) return html`<${Secret} secret=${secret} onClose=${onClose} />`;
  const why = !/^https?:\/\//.test(url.trim()) ? 'Give an absolute URL' : !w && !namespace.trim() ? 'Say for which namespace' : '';
  return html`<${Confirm} title=${w ? 'Change the webhook' : 'New webhook'} verb=${w ? 'Save' : 'Create'} why=${why} act=${save} onClose=${(done) => { if (!done) onClose(false); }}>
    <${Input} label="URL" type="url" mono value=${url} onInput=${setURL} placeholder="https://hooks.example.com/confman" />
    <${Input} label="Namespace, and all below" mono value=${namespace} onInput=${setNamespace} disabled=${Boolean(w)} hint=${w ? 'It stays for good.' : '/ for everything'} />
    <${Input} label="Events" mono value=${kinds} onInput=${setKinds} hint="Types, or first parts of them, separated by commas: config, publish-request.submitted" />
    <${Check} label="Send values along" checked=${values} onInput=${setValues} hint="Without it the endpoint is told which keys changed, and reads what it may." /><${Input} label="Description" value=${description} onInput=${setDescription} /><//>`;
}

function List() {
  const state = useData('webhooks', (signal) => all('/api/v1/webhooks', {}, { signal }), { filter: { events: 'webhook' } });
  const columns = [
    { head: 'Endpoint', cell: (w) => html`<a class="mono any" href=${`/ui/webhooks/${w.id}`}><${Text} text=${w.url} /></a>${w.description && html`<br /><span class="soft small any"><${Text} text=${w.description} /></span>`}` },
    { head: 'Namespace', cell: (w) => html`<code>${w.namespace}</code>` }, { head: 'Events', cell: (w) => html`<span class="row tight">${w.events.map((e) => html`<${Chip} mono>${e}<//>`)}</span>` },
    { head: 'State', cell: (w) => html`<${State} of=${w} />` }, { head: 'Changed', cell: (w) => html`<${Time} at=${w.updatedAt} relative />` },
  ];
  return html`<div class="page"><${Head} title="Webhooks" actions=${html`<${Button} main icon="plus" why=${canAnywhere('admin') ? '' : 'You need the role admin on a namespace.'} onClick=${() => ask(Edit, {}).then((ok) => ok && toast('Webhook added. It is told of what happens from now on'))}>New webhook<//>`} />
    <${Loaded} of=${state}>${(rows) => html`<${Card} title=${plural(rows.length, 'webhook')} flush>${rows.length ? html`<${Table} caption="Webhooks" columns=${columns} rows=${rows} rowKey=${(w) => w.id} />`
    : html`<${Empty} icon="webhook" title="No webhooks"><p>A webhook has an endpoint of yours told of events as they happen: signed, in order, each at least once, retried for a day.</p><//>`}<//>`}<//></div>`;
}

const tones = { delivered: 'good', retrying: 'warn', dead: 'bad' };

function Deliveries({ webhook: w }) {
  const state = useData(`deliveries ${w.id}`, (signal) => get(path(w.id, '/deliveries'), { limit: 200 }, { signal }));
  useEvery(5_000, state.reload);
  const resend = async (d) => {
    try {
      const { data } = await write('POST', path(w.id, '/resend'), { index: d.index });
      toast(data.state === 'delivered' ? `Event ${d.index} was delivered` : `Event ${d.index}: ${data.error ?? data.status}`, { tone: data.state === 'delivered' ? '' : 'bad' });
    } catch (e) { toast(e.message, { tone: 'bad' }); }
    state.reload();
  };
  const columns = [
    { head: 'Event', num: true, cell: (d) => html`<a href=${`/ui/audit?event=${d.index}`}>${count(d.index)}</a>` }, { head: 'Type', cell: (d) => html`<code>${d.type}</code>` },
    { head: 'State', cell: (d) => html`<${Chip} tone=${tones[d.state]}>${d.state === 'dead' ? 'given up' : d.state}<//>` }, { head: 'Attempts', num: true, cell: (d) => d.attempts },
    { head: 'Answer', cell: (d) => html`${d.status ?? ''} ${d.error && html`<span class="soft any"><${Text} text=${d.error} /></span>`} ${d.millis && html`<span class="soft">${d.millis} ms</span>`}` },
    { head: 'Last', cell: (d) => html`<${Time} at=${d.lastAt} relative />` }, { head: 'Next', cell: (d) => (d.nextAt ? html`<${Time} at=${d.nextAt} relative />` : '–') },
    { head: '', cell: (d) => html`<${Button} small icon="send" label=${`Send event ${d.index} again`} onClick=${() => resend(d)} />` },
  ];
  return html`<${Loaded} of=${state}>${(rows) => html`<${Card} title="Deliveries" flush actions=${html`<span class="soft small">as the leader remembers them</span>`}>${rows.length ? html`<${Table} caption="Deliveries" columns=${columns} rows=${rows} rowKey=${(d) => d.id} />`
    : html`<${Empty} icon="send" title="Nothing was delivered yet"><p>What happens from now on in <code>${w.namespace}</code> comes here.</p><//>`}<//>`}<//>`;
}

function One({ id }) {
  const state = useData(`webhook ${id}`, (signal) => get(path(id), {}, { signal }), { filter: { events: 'webhook' } });
  const turn = (w) => write('PUT', path(w.id), { disabled: !w.disabled }).then(() => { toast(w.disabled ? 'Turned on. It goes on where it stopped' : 'Turned off. Events wait until it is turned on again'); state.reload(); }, (e) => toast(e.message, { tone: 'bad' }));
  const Rotate = ({ onClose }) => {
    const [secret, setSecret] = useState();
    if (secret) return html`<${Secret} secret=${secret} onClose=${onClose} />`;
    return html`<${Confirm} title="A new secret" verb="Make it" onClose=${(done) => { if (!done) onClose(false); }} act=${async () => setSecret((await write('POST', path(id, '/rotate'))).data.secret)}><p>For 24 hours deliveries are signed with both, so that the endpoint can be changed meanwhile.</p><//>`;
  };
  const Delete = ({ onClose }) => html`<${Confirm} title="Delete the webhook" verb="Delete" danger onClose=${onClose} act=${() => write('DELETE', path(id))}><p>What its endpoint was not told yet, it never will be.</p><//>`;
  return html`<${Loaded} of=${state}>${(w) => html`<div class="page"><${Head} mono title=${html`<${Text} text=${w.url} />`} document="Webhook" crumbs=${html`<a href="/ui/webhooks">Webhooks</a>`} actions=${html`<${Button} icon="pencil" onClick=${() => ask(Edit, { webhook: w }).then((ok) => ok && state.reload())}>Change<//>
      <${Button} icon=${w.disabled ? 'play' : 'pause'} onClick=${() => turn(w)}>${w.disabled ? 'Turn on' : 'Turn off'}<//><${Button} icon="rotate-ccw" onClick=${() => ask(Rotate, {})}>New secret<//>
      <${Button} danger icon="trash-2" onClick=${() => ask(Delete, {}).then((ok) => { if (ok) { toast('Webhook deleted'); go('/ui/webhooks'); } })}>Delete<//>`} />
    ${w.reason && html`<${Note} tone="bad" title="The cluster turned it off"><p><${Text} text=${w.reason} /></p><//>`}
    <${Card} title="What it is"><${Facts} of=${[['State', html`<${State} of=${w} />`], ['Namespace', html`<code>${w.namespace}</code>`], ['Events', w.events.join(', ')], ['Values', w.values ? 'sent along' : 'left out'], ['Description', w.description && html`<${Text} text=${w.description} />`],
    ['Delivered up to', `event ${count(w.cursor)}, ${plural(w.lag, 'event')} behind this node`], ['Made', html`<${Time} at=${w.createdAt} /> by ${w.createdBy}`]]} /><//>
    <${Deliveries} webhook=${w} /></div>`}<//>`;
}

/** All webhooks, or one of them. */
export function Webhooks({ rest: [id] }) {
  return id ? html`<${One} id=${id} />` : html`<${List} />`;
}
