// Events in words: one form for what the audit answers and what a stream brings, and one line that says what happened.
import { html } from '../lib/ui.js';
import { parse } from '../lib/api.js';
import { textOf } from '../lib/text.js';
import { count, plural } from '../lib/format.js';
import { Icon } from './icon.js';
import { Time } from './time.js';
import { Text, Value } from './value.js';

const previewAt = 400; // characters of a value that a row of a stream keeps

/** Kinds of events to choose from: [value of `action`, text, value of a watch's `events`]. */
export const groups = [
  ['', 'Everything', 'all'], ['config.*', 'Changes of values', 'config'], ['draft.*', 'Drafts', 'draft'], ['publish-request.*', 'Requests and reviews', 'publish-request'],
  ['namespace.*', 'Namespaces and policies', 'namespace'], ['namespace.roles-changed,key.*', 'Who may do what', 'namespace.roles-changed,key'],
  ['webhook.*', 'Webhooks', 'webhook'], ['cluster.*,history.*,checkpoint.*', 'Cluster and history', 'cluster,history,checkpoint'],
];

/** What a watch must bring for an audit of these actions. */
export const watched = (action) => (action ? action.split(',').map((a) => a.replace(/\.?\*$/, '')).join(',') : 'all');

/** An audit's row, with the names that the parts below use. */
export const fromAudit = (e) => ({ ...e, time: e.timestamp, old: e.oldValue ?? undefined, now: e.newValue ?? undefined, whole: true });

const preview = (value, type) => {
  if (value === undefined) return undefined;
  if (type === 'binary') return 'binary';
  const text = textOf(value);
  return text.length > previewAt ? `${text.slice(0, previewAt)}…` : text;
};

/** A stream's event as a row. Its values are previews: the audit has them whole. */
export function fromEvent(e) {
  const data = e.data ?? {};
  const valued = e.type.startsWith('config.') || e.type.startsWith('draft.');
  return {
    index: e.index, position: e.position, time: e.time, id: e.id, action: e.type, actor: e.actor, namespace: e.namespace ?? '', key: e.key ?? null,
    request: e.request, correlationId: e.correlationId, transaction: e.transaction, comment: data.comment, version: data.version,
    old: valued ? preview(data.previous?.value, data.previous?.type) : undefined,
    now: valued ? preview(data.value, data.type) : preview(data),
  };
}

/** A side of a change as Diff takes it: [value, type]. Objects and lists are compared by place, everything else as text. */
export function side(text) {
  if (text === undefined || text === null) return [undefined, 'string'];
  if (/^\s*[[{]/.test(text) && text.length < 300_000) {
    try {
      return [parse(text), 'json'];
    } catch { /* text that only begins so */ }
  }
  return [text, 'string'];
}

const icons = {
  'config.created': 'plus', 'config.updated': 'pencil', 'config.deleted': 'trash-2', 'config.rolled-back': 'rotate-ccw', 'namespace.deleted': 'trash-2', 'namespace.roles-changed': 'users',
  'namespace.schema-changed': 'file-json', 'namespace.settings-changed': 'sliders-horizontal', 'publish-request.approved': 'user-check', 'publish-request.rejected': 'ban',
  'publish-request.published': 'check-circle-2', 'publish-request.bypassed': 'zap', 'publish-request.scheduled': 'clock', 'key.revoked': 'ban', 'history.erased': 'trash-2',
};
const kinds = { config: 'pencil', draft: 'edit-3', namespace: 'folder', 'publish-request': 'git-pull-request', key: 'key-round', webhook: 'webhook', cluster: 'server', history: 'history', checkpoint: 'shield-check' };

// The icon of a type of event.
const eventIcon = (action) => icons[action] ?? kinds[action.split('.')[0]] ?? 'activity';

const verbs = {
  'config.created': 'created', 'config.updated': 'changed', 'config.deleted': 'deleted', 'config.rolled-back': 'rolled back', 'draft.saved': 'drafted', 'draft.discarded': 'discarded the draft of',
  'namespace.created': 'created the namespace', 'namespace.updated': 'described the namespace', 'namespace.deleted': 'deleted the namespace', 'namespace.roles-changed': 'changed the roles of',
  'namespace.schema-changed': 'changed the schema of', 'namespace.settings-changed': 'changed the settings of', 'publish-request.submitted': 'asked for review in', 'publish-request.approved': 'approved a request in',
  'publish-request.rejected': 'rejected a request in', 'publish-request.withdrawn': 'withdrew a request in', 'publish-request.scheduled': 'had a request scheduled in', 'publish-request.published': 'published a request in',
  'publish-request.bypassed': 'published without the approvals in', 'key.created': 'created an API key', 'key.revoked': 'revoked an API key', 'webhook.created': 'created a webhook for', 'webhook.updated': 'changed a webhook of',
  'webhook.deleted': 'deleted a webhook of', 'webhook.advanced': 'noted how far a webhook has delivered for', 'webhook.dead-lettered': 'gave up a delivery of a webhook for', 'history.erased': 'erased values of',
  'history.trimmed': 'let go of the oldest history', 'history.checkpointed': 'signed a checkpoint', 'checkpoint.key-changed': 'changed the checkpoint key',
  'cluster.formed': 'formed the cluster', 'cluster.restored': 'restored the cluster from a backup', 'cluster.recovered': 'recovered the cluster', 'cluster.upgraded': 'upgraded the cluster',
};

const few = (text) => html`<${Value} value=${text} type="string" />`;

function Values({ row }) {
  if (row.erased) return html`<span class="value none">values erased</span>`;
  if (row.action === 'config.deleted') return row.old === undefined ? '' : html`<span class="soft">was </span>${few(row.old)}`;
  if (row.old !== undefined && row.now !== undefined) return html`${few(row.old)}<span class="soft" aria-hidden="true"> → </span><span class="out"> to </span>${few(row.now)}`;
  if (row.now !== undefined) return html`<span class="soft" aria-hidden="true">= </span>${few(row.now)}`;
  return '';
}

function facts(row) {
  if (row.now === undefined || row.now.length > 20_000) return {};
  try {
    return JSON.parse(row.now) ?? {};
  } catch {
    return {};
  }
}

// What events that are not about a value have to say in a few words.
function said(row) {
  const f = facts(row);
  switch (row.action) {
    case 'publish-request.submitted': return f.changes ? plural(f.changes.length, 'change') : '';
    case 'publish-request.published': case 'publish-request.bypassed': return f.changed !== undefined ? plural(f.changed, 'change') : '';
    case 'key.created': return [f.name, f.principal && `for ${f.principal}`].filter(Boolean).join(' ');
    case 'webhook.created': case 'webhook.updated': return f.url ?? '';
    case 'namespace.roles-changed': return f.grants ? plural(f.grants.length, 'grant') : 'no grants of its own';
    default: return '';
  }
}

/** What happened, in one line of text without links. */
export function Sentence({ row }) {
  const valued = row.key && (row.action.startsWith('config.') || row.action.startsWith('draft.'));
  return html`<span class="sentence"><strong><${Text} text=${row.actor} /></strong> <span>${verbs[row.action] ?? row.action}</span> ${row.namespace && !row.action.startsWith('key.')
    && html`<span class="mono event-ns clip"><${Text} text=${row.namespace} /></span>`} ${row.key && html`<span class="soft">·</span> <span class="mono event-key clip"><${Text} text=${row.key} /></span>`}
    ${valued ? html` <span class="event-values"><${Values} row=${row} /></span>` : html` <span class="soft event-key clip"><${Text} text=${said(row)} /></span>`}</span>`;
}

/** The content of an event's line: icon, sentence, comment, time, index. */
export function EventLine({ row, comment = true, clock }) {
  return html`<${Icon} name=${eventIcon(row.action)} class="soft" />
    <span class="event-text clip"><${Sentence} row=${row} />${comment && row.comment && html`<span class="event-comment soft clip">“<${Text} text=${row.comment.length > 240 ? `${row.comment.slice(0, 240)}…` : row.comment} />”</span>`}</span>
    <span class="event-when soft small"><${Time} at=${row.time} relative=${!clock} /></span><span class="event-index soft small mono">${count(row.index)}</span>`;
}
