// Why a key has the value that it has, told in words, and who would hear of a change.
import { html } from '../lib/ui.js';
import { get, keyPath } from '../lib/api.js';
import { keyHref, nsHref, withQuery } from '../lib/route.js';
import { useData } from '../lib/data.js';
import { plural } from '../lib/format.js';
import { Button, Chip, Empty, Icon, Loaded } from './icon.js';
import { Card, Facts, Table } from './table.js';
import { Time } from './time.js';
import { Text } from './value.js';

const explain = (namespace, key, at) => (signal) => get(keyPath(namespace, 'explain', key), { at }, { signal });

/** The tab that explains. `fresh` changes when the key did. */
export function Why({ namespace, keyName, at, fresh }) {
  const state = useData(`${namespace}\n${keyName}\n${at}\n${fresh}`, explain(namespace, keyName, at), { filter: at ? undefined : { namespace, events: 'namespace' } });
  return html`<${Loaded} of=${state}>${(x) => html`<div class="cols"><div class="stack"><${Where} of=${x} namespace=${namespace} keyName=${keyName} /><${Rules} of=${x} /></div><${Cause} of=${x} /></div>`}<//>`;
}

function Where({ of: x, namespace, keyName }) {
  const say = (s) => {
    if (s.shadowed) return html`has it too (v${s.version}), but a nearer one answers`;
    if (s.found) return html`<strong>answers</strong> with v${s.version}`;
    return s.version ? html`deleted it with v${s.version}` : 'has no such key';
  };
  return html`<${Card} title="Where it was looked for"><ol class="timeline">${x.scope.map((s) => html`<li><${Icon} name=${s.found && !s.shadowed ? 'check-circle-2' : 'circle'} />
    <div class="any"><a class="mono" href=${s.namespace === namespace ? nsHref(namespace) : keyHref(s.namespace, keyName)}>${s.namespace}</a> ${say(s)}.</div></li>`)}
    ${x.scope.some((s) => s.ends) && html`<li><${Icon} name="x" /><div class="soft">The search ended there.</div></li>`}</ol><//>`;
}

const did = { 'config.created': 'created it', 'config.updated': 'changed it', 'config.deleted': 'deleted it', 'config.rolled-back': 'rolled it back' };

function Cause({ of: x }) {
  const { event, request, author, approvedBy = [], transaction = [], source } = x;
  if (!event) return html`<${Card} title="What made it so"><p class="soft">The event that made this version is no longer kept.</p><//>`;
  const names = (list) => list.map((n, i) => html`${i > 0 && ', '}<strong><${Text} text=${n} /></strong>`);
  return html`<${Card} title="What made it so"><div class="stack tight">
    <p><strong><${Text} text=${author ?? event.actor} /></strong> ${author ? 'wrote it, and a publish request published it' : did[event.action] ?? event.action} <${Time} at=${event.timestamp} relative />.</p>
    ${approvedBy.length > 0 && html`<p>Approved by ${names(approvedBy)}.</p>`}
    ${(event.comment || request?.comment) && html`<p>“<${Text} text=${(event.comment || request.comment).slice(0, 1000)} />”</p>`}
    ${source && html`<p>It brought back ${source.version ? `v${source.version}` : 'the time before there was such a key'}, as of event ${source.index}.</p>`}
    ${transaction.length > 0 && html`<p>In the same transaction ${plural(transaction.length, 'other change')} ${transaction.length === 1 ? 'was' : 'were'} made: <a href=${withQuery('/ui/audit', { transaction: event.transaction })}>see all</a>.</p>`}
    <${Facts} of=${[
    ['Event', html`<a href=${withQuery('/ui/audit', { namespace: event.namespace, key: event.key })}>${event.index}</a> <span class="soft mono">${event.position}</span>`],
    ['Raft', html`<span class="soft">term ${event.raftTerm}, index ${event.raftIndex}</span>`],
    ['Request', event.request && html`<a href=${`/ui/requests/${event.request}`}>${request?.comment ? html`<${Text} text=${request.comment.slice(0, 80)} />` : event.request}</a>`],
    ['Correlation', event.correlationId && html`<a class="mono" href=${withQuery('/ui/audit', { correlation: event.correlationId })}>${event.correlationId}</a>`],
    ['Versions', `${x.versions} so far`],
  ]} /></div><//>`;
}

function Rules({ of: x }) {
  const { schemas = [], settings: s = {} } = x;
  return html`<${Card} title="What holds for it"><${Facts} of=${[
    ['Schemas', schemas.length ? html`<ul>${schemas.map((one) => html`<li><a class="mono" href=${nsHref(one.namespace, 'schema')}>${one.namespace}</a> <span class="soft small">set <${Time} at=${one.at} relative />${one.by && html` by <${Text} text=${one.by} />`}</span></li>`)}</ul>` : 'None: any value is allowed'],
    ['Changes', s.requireApproval ? `Need ${plural(s.minApprovers ?? 1, 'approval')}` : 'Direct, by editors'],
    ['Rollbacks', s.rollbackRequiresApproval ? 'Need approval' : 'Direct, by publishers'],
    ['Bypass', s.allowBypass ? html`<${Chip} tone="warn">admins may publish without approvals<//>` : undefined],
    ['Freezes', s.freezes?.length > 0 && `${plural(s.freezes.length, 'freeze')} set`],
    ['Windows', s.windows?.length > 0 && `Changes only in ${plural(s.windows.length, 'window')} of the week`],
    ['Settings', x.entry && html`<a href=${nsHref(x.entry.from ?? x.namespace, 'settings')}>of ${x.entry.from ?? x.namespace}</a>`],
    ['As of', html`<span class="mono soft">${x.position}</span>`],
  ]} /><//>`;
}

/** The tab that says who would be told of a change now. */
export function Watchers({ namespace, keyName }) {
  const state = useData(`${namespace}\n${keyName}`, explain(namespace, keyName));
  const again = html`<${Button} small icon="refresh-cw" busy=${state.loading} onClick=${state.reload}>Look again<//>`;
  const columns = [
    { head: 'Who', cell: (w) => html`<${Text} text=${w.principal} />` }, { head: 'Since', cell: (w) => html`<${Time} at=${w.since} relative />` },
    { head: 'From', cell: (w) => html`<span class="mono"><${Text} text=${w.remote ?? ''} /></span>` }, { head: 'How', cell: (w) => w.encoding },
  ];
  return html`<${Loaded} of=${state}>${(x) => {
    const list = x.watchers ?? [];
    return html`<${Card} flush title=${`${plural(x.watcherCount, 'watch', 'watches')} on this node`} actions=${again}>
      ${list.length ? html`<${Table} caption="Watches that would be told of a change" columns=${columns} rows=${list} rowKey=${(w) => `${w.principal} ${w.remote} ${w.since}`} />`
    : html`<${Empty} icon="eye" title=${x.watcherCount ? 'You may not see whose they are' : 'Nobody here watches this key'}><p>Watches on this node that would be told of a change are listed here. Other nodes may have more.</p><//>`}
      ${list.length > 0 && html`<div class="foot soft small">${list.length < x.watcherCount ? `${list.length} of ${x.watcherCount} are listed. ` : ''}Open pages of the dashboard, such as this one, count too.</div>`}<//>`;
  }}<//>`;
}
