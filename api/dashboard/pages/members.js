// The members of the cluster: how they are, and the changes of membership, each with what it means before it is done.
import { html, useState } from '../lib/ui.js';
import { write } from '../lib/api.js';
import { count, plural } from '../lib/format.js';
import { can, lacking } from '../lib/session.js';
import { Button, Chip, Failure, Loading, Note } from '../parts/icon.js';
import { Card, Facts, Head } from '../parts/table.js';
import { Check, Input } from '../parts/form.js';
import { Confirm, Menu, ask, toast } from '../parts/dialog.js';
import { MemberTable, Problems, useCluster, verdict } from './overview.js';

const path = '/api/v1/cluster';

function Add({ onClose }) {
  const [id, setId] = useState('');
  const [address, setAddress] = useState('');
  const [learner, setLearner] = useState(true);
  const why = !id.trim() ? 'Give the node’s ID' : !/^[^\s]+:\d+$/.test(address.trim()) ? 'Give HOST:PORT' : '';
  return html`<${Confirm} title="Add a member" verb="Add" why=${why} onClose=${onClose} act=${() => write('POST', `${path}/members`, { id: id.trim(), address: address.trim(), learner })}>
    <p>Start the node first, with an ID never used, an empty data directory and neither <code>--peers</code> nor <code>--join</code>: it waits to be added. With <code>--join</code> a node adds itself.</p>
    <${Input} label="ID" mono value=${id} onInput=${setId} placeholder="n4" /><${Input} label="Address" mono value=${address} onInput=${setAddress} placeholder="10.0.0.4:6100" hint="As the other members reach it" />
    <${Check} label="As a learner first" checked=${learner} onInput=${setLearner} hint="It gets everything and does not vote, so a slow start costs nothing. Make it a voter once its lag is small." /><//>`;
}

// What the cluster would be without a member, in words.
function without(cluster, member) {
  if (!member.voter) return 'It does not vote: the cluster loses nothing but a copy.';
  const voters = cluster.quorum.voters - 1;
  const alive = cluster.quorum.alive - (member.role ? 1 : 0);
  const needed = Math.floor(voters / 2) + 1;
  return `${plural(voters, 'voter')} remain, ${alive} of them up; a majority is then ${needed}, so ${Math.max(0, alive - needed)} more may fail.`;
}

function Remove({ cluster, member, onClose }) {
  return html`<${Confirm} title=${`Remove ${member.id}`} verb="Remove" danger word=${member.id} onClose=${onClose} act=${() => write('DELETE', `${path}/members/${encodeURIComponent(member.id)}`)}>
    <p>${without(cluster, member)}</p><p class="soft">The node stops taking part. Its data stays on its disk until you delete it; to come back it must join anew with an empty data directory.</p>
    ${member.id === cluster.leaderId && html`<${Note} tone="warn">It leads: another member is chosen when it goes. Hand leadership over first to keep that short.<//>`}<//>`;
}

function Transfer({ member, onClose }) {
  return html`<${Confirm} title=${`Let ${member.id} lead`} verb="Hand over" onClose=${onClose} act=${() => write('POST', `${path}/transfer-leader`, { to: member.id })}>
    <p>Writes pause for some tens of milliseconds; nothing is lost. It lags by ${plural(member.lag, 'event')}.</p><//>`;
}

function Promote({ member, onClose }) {
  return html`<${Confirm} title=${`Let ${member.id} vote`} verb="Make it a voter" onClose=${onClose} act=${() => write('POST', `${path}/members`, { id: member.id })}>
    <p>It counts for the majority from then on. It lags by ${plural(member.lag, 'event')}${member.lag > 1000 ? ': better wait until that is small' : ''}.</p><//>`;
}

/** The members. */
export function Members() {
  if (!can('admin')) return html`<div class="page"><${Head} title="Members" /><${Note} tone="info">${lacking('admin', '/')}<//></div>`;
  return html`<${All} />`;
}

function All() {
  const { data: cluster, error, again } = useCluster(2_000);
  if (!cluster) return html`<div class="page"><${Head} title="Members" />${error ? html`<${Failure} error=${error} again=${again} />` : html`<${Loading} />`}</div>`;
  const done = (text) => (ok) => { if (ok) { toast(text); again(); } };
  const lost = cluster.leaderId ? '' : 'No leader is known: membership cannot change now';
  const actions = (m) => html`<${Menu} quiet small label=${`Change ${m.id}`} items=${[
    m.id !== cluster.leaderId && m.voter && { icon: 'zap', text: 'Let it lead', why: lost || (m.role ? '' : 'It does not answer'), onClick: () => ask(Transfer, { member: m }).then(done(`${m.id} was asked to lead`)) },
    !m.voter && { icon: 'check', text: 'Let it vote', why: lost || (m.role ? '' : 'It does not answer'), onClick: () => ask(Promote, { member: m }).then(done(`${m.id} votes`)) },
    { icon: 'trash-2', text: 'Remove', danger: true, why: lost || (cluster.members.length === 1 ? 'It is the only one' : ''), onClick: () => ask(Remove, { cluster, member: m }).then(done(`${m.id} was removed`)) },
  ]} />`;
  const v = verdict(cluster);
  return html`<div class="page"><${Head} title="Members" actions=${html`<${Button} icon="plus" main why=${lost} onClick=${() => ask(Add, {}).then(done('The member was added'))}>Add a member<//>`}>
      <div class="row"><${Chip} tone=${v.tone}>${v.title}<//><span class="soft">${v.text}</span></div></${Head}>
    <${Problems} problems=${cluster.problems} />
    <${Card} title="Members" flush><${MemberTable} members=${cluster.members} leaderId=${cluster.leaderId} actions=${actions} /><//>
    <div class="cols"><${Card} title="Cluster"><${Facts} of=${[['ID', html`<code>${cluster.id}</code>`], ['Position', html`<code>${cluster.position}</code>`], ['Raft index', count(cluster.raftIndex)], ['Oldest event kept', count(cluster.oldest)],
    ['Feature level', cluster.featureLevel], ['Voters', `${cluster.quorum.voters}, ${cluster.quorum.alive} up, ${cluster.quorum.needed} needed`]]} /><//><${Details} members=${cluster.members} /><${Snapshot} id=${cluster.nodeId} /></div></div>`;
}

function Details({ members }) {
  const rows = members.filter((m) => m.trouble || Math.abs(m.clockSkewMs ?? 0) > 500 || m.certificateExpires);
  if (rows.length === 0) return null;
  return html`<${Card} title="Clocks and certificates"><${Facts} of=${rows.map((m) => [m.id, [m.trouble, m.clockSkewMs !== undefined && `clock ${m.clockSkewMs} ms off`, m.certificateExpires && `certificate until ${new Date(m.certificateExpires).toLocaleDateString()}`].filter(Boolean).join(' · ')])} /><//>`;
}

function Snapshot({ id }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState();
  const take = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const { data } = await write('POST', `${path}/snapshot`);
      toast(`${data.nodeId} is durable up to event ${count(data.index)}`);
    } catch (e) { setError(e); }
    setBusy(false);
  };
  return html`<${Card} title="Snapshot"><div class="stack tight"><p class="soft">Makes the state of ${id} durable now, so that its next start is quick. It does so by itself, too.</p>
    <div><${Button} icon="save" busy=${busy} onClick=${take}>Take one now<//></div><${Failure} error=${error} /></div><//>`;
}
