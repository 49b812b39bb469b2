// The page for 3 a.m.: is the cluster well, and if not, what is wrong and what to do.
import { html, useEffect, useMemo, useState } from '../lib/ui.js';
import { get, node } from '../lib/api.js';
import { useEvery } from '../lib/data.js';
import { bytes, count, duration, plural } from '../lib/format.js';
import { can, me, session } from '../lib/session.js';
import { open, waiting } from '../lib/requests.js';
import { Chip, Empty, Failure, Icon, Loading, Note } from '../parts/icon.js';
import { Card, Head, Table } from '../parts/table.js';
import { Copy, Text } from '../parts/value.js';
import { Time } from '../parts/time.js';
import { Chart } from '../parts/chart.js';
import { RequestLine } from '../parts/requestline.js';

/** How the members are is no event: it is asked for again every `ms` while the page is visible. */
export function useCluster(ms = 2_000) {
  const [state, setState] = useState({});
  const ask = () => get('/api/v1/cluster').then((data) => setState({ data, at: Date.now() }), (error) => setState((s) => ({ ...s, error })));
  useEffect(() => { ask(); }, []);
  useEvery(ms, ask);
  return { ...state, again: ask };
}

/** The figures of the last hour by node, topped up as they are made. */
function useFigures() {
  const [figures, setFigures] = useState();
  const ask = async () => {
    const newest = figures && figures.nodes.flatMap((n) => n.samples.slice(-1)).map((s) => s.time).sort().at(0);
    try {
      const more = await get('/api/v1/cluster/figures', { since: newest });
      setFigures((old) => merge(old, more));
    } catch { /* the charts stay as they are */ }
  };
  useEffect(() => { ask(); }, []);
  useEvery(10_000, ask);
  return figures;
}

const hour = 3_600_000;

// New samples behind those that are there, without what is older than an hour.
function merge(old, more) {
  if (!old) return more;
  const begin = Date.now() - hour;
  const nodes = new Map(old.nodes.map((n) => [n.node, n.samples]));
  for (const { node: id, samples } of more.nodes) {
    const had = nodes.get(id) ?? [];
    const last = had.at(-1)?.time ?? '';
    nodes.set(id, [...had, ...samples.filter((s) => s.time > last)].filter((s) => Date.parse(s.time) > begin));
  }
  return { ...more, nodes: [...nodes].map(([id, samples]) => ({ node: id, samples })).sort((a, b) => a.node.localeCompare(b.node)) };
}

/** What a cluster's answer amounts to: {state, tone, title, text}. */
export function verdict({ leader, quorum, members, problems }) {
  const silent = members.filter((m) => !m.role);
  if (!leader && quorum.alive < quorum.needed) {
    return { state: 'no quorum', tone: 'bad', title: 'No quorum', text: `${quorum.alive} of ${plural(quorum.voters, 'voter')} up, ${quorum.needed} are needed. Reads go on from what this node has; nothing can be written.` };
  }
  if (!leader) return { state: 'election', tone: 'warn', title: 'Election under way', text: 'The members are choosing a leader, which takes less than a second as a rule. Writes wait.' };
  if (silent.length > 0) return { state: 'degraded', tone: 'warn', title: 'Degraded', text: `${silent.map((m) => m.id).join(', ')} ${silent.length === 1 ? 'does' : 'do'} not answer. Reads and writes go on; ${spare(quorum)}.` };
  if (problems.length > 0) return { state: 'degraded', tone: problems[0].severity === 'critical' ? 'bad' : 'warn', title: 'Needs attention', text: `Reads and writes go on. ${plural(problems.length, 'thing')} to look at below.` };
  return { state: 'healthy', tone: 'good', title: 'Healthy', text: members.length === 1 ? 'One member, and it is up. If it fails, nothing answers: three can lose one.' : `All ${members.length} members are up; ${spare(quorum)}.` };
}

function spare({ alive, needed }) {
  const n = alive - needed;
  return n > 0 ? `${plural(n, 'more member')} may fail` : 'no further member may fail';
}

const signs = { good: 'check-circle-2', warn: 'alert-triangle', bad: 'x-circle' };

function State({ cluster }) {
  const v = verdict(cluster);
  const seen = !node.value.reachable;
  return html`<section class="card state ${v.tone} ${seen ? 'stale' : ''}" aria-label="State of the cluster"><${Icon} name=${signs[v.tone]} />
    <div class="grow"><p class="title" id="cluster-state">${v.title}</p><p class="soft">${v.text}</p></div>
    <dl class="row"><div><dt>Leader</dt><dd>${cluster.leaderId ?? 'none'}</dd></div><div><dt>Term</dt><dd>${count(cluster.term)}</dd></div><div><dt>Event</dt><dd>${count(cluster.eventIndex)}</dd></div></dl></section>`;
}

/** What is wrong, worst first, each with what to do about it. */
export function Problems({ problems }) {
  if (problems.length === 0) return null;
  return html`<${Card} title="What to look at" flush><ul class="problems">${problems.map((p) => html`<li class="row fixed">
    <${Chip} tone=${p.severity === 'critical' ? 'bad' : 'warn'}>${p.severity}<//><div class="grow stack tight any"><p><strong>${p.member ? `${p.member}: ` : ''}</strong><${Text} text=${p.what} /></p>
    <p class="soft"><${Text} text=${p.do} /> <${Copy} text=${p.do} label="Copy what to do" /></p></div></li>`)}</ul><//>`;
}

const roles = { leader: 'info', follower: '', learner: 'violet', candidate: 'warn' };

/** The members as a table; `actions(member)` adds a cell. */
export function MemberTable({ members, leaderId, actions }) {
  const columns = [
    { head: 'Node', cell: (m) => html`<strong>${m.id}</strong> ${m.id === session.value?.nodeId && html`<span class="soft small">this one</span>`}<br /><a class="soft small mono" href=${m.url}>${m.address}</a>` },
    { head: 'Role', cell: (m) => (m.role ? html`<${Chip} tone=${roles[m.role]} icon=${m.id === leaderId ? 'zap' : undefined}>${m.role}<//>` : html`<${Chip} tone="bad">no answer<//>`) },
    { head: 'Applied', num: true, cell: (m) => (m.role ? count(m.appliedIndex) : '–') },
    { head: 'Lag', num: true, cell: (m) => (m.role ? html`<span class=${m.lag > 1000 ? 'amber' : ''}>${count(m.lag)}</span>` : '–') },
    { head: 'Last contact', num: true, cell: (m) => (m.id === leaderId || m.lastContactMs === undefined ? '–' : duration(m.lastContactMs)) },
    { head: 'Disk', cell: (m) => html`<${Disk} disk=${m.disk} />` },
    { head: 'Snapshot', cell: (m) => (m.snapshotAt ? html`<${Time} at=${m.snapshotAt} relative />` : '–') },
    { head: 'Up since', cell: (m) => (m.startedAt ? html`<${Time} at=${m.startedAt} relative />` : '–') },
    { head: 'Version', cell: (m) => html`<span class="mono small clip" title=${m.version}>${m.version ?? '–'}</span>` },
    actions && { head: '', cell: actions },
  ].filter(Boolean);
  return html`<${Table} caption="Members" columns=${columns} rows=${members} rowKey=${(m) => m.id} />`;
}

function Disk({ disk }) {
  if (!disk) return '–';
  const used = disk.total ? Math.round(100 * (1 - disk.free / disk.total)) : 0;
  const tone = { soft: 'warn', hard: 'bad', critical: 'bad' }[disk.level];
  return html`<span class="nowrap" title=${`${bytes(disk.used)} of it ours; ${bytes(disk.total)} in all`}>${tone ? html`<${Chip} tone=${tone}>${disk.level}: ${bytes(disk.free)} free<//>` : html`${bytes(disk.free)} free`} <span class="soft small">${used} %</span></span>`;
}

// One series per node over the times of the first that has them.
function byNode(figures, member, tones = ['accent', 'violet', 'amber', 'green', 'red']) {
  const times = [...new Set(figures.nodes.flatMap((n) => n.samples.map((s) => Math.round(Date.parse(s.time) / 10_000) * 10_000)))].sort((a, b) => a - b);
  const series = figures.nodes.map(({ node: name, samples }, i) => {
    const at = new Map(samples.map((s) => [Math.round(Date.parse(s.time) / 10_000) * 10_000, s[member] ?? null]));
    return { name, tone: tones[i % tones.length], values: times.map((t) => at.get(t) ?? null) };
  });
  return { times, series };
}

function Charts({ figures }) {
  const marks = (figures.leaderChanges ?? []).map((c) => Date.parse(c.time));
  const seconds = Number.parseFloat(figures.interval) || 10;
  const charts = useMemo(() => {
    const rate = byNode({ nodes: figures.nodes.slice(0, 1) }, 'events');
    rate.series = rate.series.map((s) => ({ ...s, name: 'events a second', fill: true, values: s.values.map((v) => (v === null ? null : v / seconds)) }));
    const writes = byNode(figures, 'commitP99Ms');
    const half = byNode(figures, 'commitP50Ms');
    const worst = (of) => of.times.map((_, i) => of.series.reduce((m, s) => (s.values[i] === null ? m : Math.max(m ?? 0, s.values[i])), null));
    return { rate, latency: { times: writes.times, series: [{ name: 'p99', tone: 'amber', values: worst(writes) }, { name: 'median', tone: 'accent', values: worst(half) }] }, watchers: byNode(figures, 'watchers'), lag: byNode(figures, 'lag') };
  }, [figures]);
  const few = charts.rate.times.length < 2;
  const title = (text, what) => html`<div class="head"><h2 class="grow">${text}</h2><span class="soft small">${what}</span></div>`;
  const one = (text, what, c, unit) => html`<section class="card" aria-label=${text}>${title(text, what)}<div class="body">${few ? html`<p class="soft">Figures come every ${figures.interval}.</p>` : html`<${Chart} label=${`${text}, last hour`} ...${c} unit=${unit} marks=${marks} />`}</div></section>`;
  return html`<div class="cols charts">
    ${one('Events', 'a second, last hour', charts.rate, (n) => (n < 10 ? n.toFixed(1) : count(Math.round(n))))}
    ${one('Commit latency', 'of writes, last hour', charts.latency, (n) => `${n < 10 ? n.toFixed(1) : Math.round(n)} ms`)}
    ${one('Watchers', 'by node', charts.watchers)}
    ${one('Lag', 'events behind, by node', charts.lag)}
  </div>`;
}

function Now({ figures, cluster }) {
  const last = figures?.nodes.map((n) => n.samples.at(-1)).filter(Boolean) ?? [];
  const sum = (member) => last.reduce((n, s) => n + (s[member] ?? 0), 0);
  const most = (member) => last.reduce((m, s) => (s[member] === undefined ? m : Math.max(m ?? 0, s[member])), undefined);
  const rate = last.length ? Math.max(...last.map((s) => s.events ?? 0)) / (Number.parseFloat(figures.interval) || 10) : undefined;
  const p99 = most('commitP99Ms');
  return html`<dl class="figures">
    <div><dt>Events</dt><dd>${rate === undefined ? '–' : rate < 10 ? rate.toFixed(1) : count(Math.round(rate))} <small>/s</small></dd></div>
    <div><dt>Commit, median</dt><dd>${most('commitP50Ms')?.toFixed(1) ?? '–'} <small>ms</small></dd></div>
    <div><dt>Commit, p99</dt><dd>${p99?.toFixed(1) ?? '–'} <small>ms</small></dd></div>
    <div><dt>Watchers</dt><dd>${last.length ? count(sum('watchers')) : '–'}</dd></div>
    <div><dt>Members up</dt><dd>${cluster.members.filter((m) => m.role).length} <small>of ${cluster.members.length}</small></dd></div>
    <div><dt>Open requests</dt><dd>${open.value ? count(open.value.length) : '–'}</dd></div>
  </dl>`;
}

function LeaderChanges({ figures }) {
  const changes = [...(figures?.leaderChanges ?? [])].reverse();
  return html`<${Card} title="Leader changes" actions=${html`<span class="soft small">last hour</span>`}>${changes.length === 0 ? html`<p class="soft">None: the leader has stayed.</p>`
    : html`<ol class="timeline">${changes.slice(0, 12).map((c) => html`<li><${Icon} name="zap" /><span>${c.leader ? html`<strong>${c.leader}</strong> leads` : 'no leader'} <span class="soft">· term ${count(c.term)} · <${Time} at=${c.time} relative /></span></span></li>`)}</ol>`}<//>`;
}

function Waiting() {
  if (waiting.value.length === 0) return null;
  return html`<${Card} title="Waits for your review" flush><ul class="lines">${waiting.value.slice(0, 5).map((r) => html`<li><${RequestLine} request=${r} /></li>`)}</ul><//>`;
}

function ForAdmins() {
  const state = useCluster();
  const figures = useFigures();
  if (!state.data) return state.error ? html`<${Failure} error=${state.error} again=${state.again} />` : html`<${Loading} />`;
  const cluster = state.data;
  return html`<${State} cluster=${cluster} />
    <${Problems} problems=${cluster.problems} />
    <${Now} figures=${figures} cluster=${cluster} />
    <${Waiting} />
    <${Card} title="Members" flush stale=${Boolean(state.error)} actions=${html`<a class="btn small" href="/ui/members">Manage</a>`}><${MemberTable} members=${cluster.members} leaderId=${cluster.leaderId} /><//>
    ${figures && html`<${Charts} figures=${figures} />`}
    ${figures?.silent?.length > 0 && html`<${Note} tone="warn">No figures from ${figures.silent.join(', ')}.<//>`}
    <${LeaderChanges} figures=${figures} />`;
}

// Whoever is no admin of everything sees how this node is.
function ForOthers() {
  const { leaderKnown, staleMs, index } = node.value;
  return html`<section class="card state ${leaderKnown ? 'good' : 'warn'}" aria-label="State of the cluster"><${Icon} name=${leaderKnown ? 'check-circle-2' : 'alert-triangle'} />
      <div class="grow"><p class="title" id="cluster-state">${leaderKnown ? 'Healthy, as this node sees it' : 'No leader is known here'}</p>
      <p class="soft">${leaderKnown ? `It heard from the leader ${staleMs < 1000 ? 'just now' : `${duration(staleMs)} ago`}.` : 'Reads go on; writes wait.'} Members and figures are shown to admins of /.</p></div>
      <dl class="row"><div><dt>Event</dt><dd>${count(index)}</dd></div></dl></section>
    <${Waiting} />
    ${waiting.value.length === 0 && html`<${Empty} icon="check" title="Nothing waits for you"><p>You are ${me.value.principal}. <a href="/ui/ns">Browse what you may see</a>, or press <kbd>Ctrl</kbd> <kbd>K</kbd>.</p><//>`}`;
}

/** The overview. */
export function Overview() {
  return html`<div class="page"><${Head} title="Overview" />${can('admin') ? html`<${ForAdmins} />` : html`<${ForOthers} />`}</div>`;
}
