// The namespaces: the tree beside what one has chosen in it.
import { html, useEffect, useRef } from '../lib/ui.js';
import { nsHref, param, place } from '../lib/route.js';
import { can, lacking } from '../lib/session.js';
import { useData } from '../lib/data.js';
import { get } from '../lib/api.js';
import { Failure, Note } from '../parts/icon.js';
import { Tabs } from '../parts/table.js';
import { Tree } from '../parts/tree.js';
import { NamespaceHead } from '../parts/namespace.js';
import { Entries } from './entries.js';
import { Top } from './top.js';
import { Entry } from './entry.js';
import { NewKey } from './edit.js';
import { NamespaceDrafts } from './drafts.js';
import { Trail } from '../parts/trail.js';
import { NamespaceRoles } from './ns-roles.js';
import { NamespaceSchema } from './ns-schema.js';
import { NamespaceSettings } from './ns-settings.js';
import { NamespaceTime } from './ns-time.js';

/** The page `ns`: a namespace with its tabs, or a key in one. */
export function Browse() {
  const { namespace, collection, key } = place.value;
  const first = useRef(true);
  const content = useRef();
  useEffect(() => { // what had the focus may be gone with the page before
    if (!first.current && (document.activeElement === document.body || !document.activeElement)) content.current.focus({ preventScroll: true });
    first.current = false;
  }, [namespace, collection, key]);
  return html`<div class="page full"><div class="browse"><${Tree} /><div class="content" ref=${content} tabindex="-1"><${Content} /></div></div></div>`;
}

function Content() {
  const { namespace, collection, key } = place.value;
  if (collection === 'config' && key) return html`<${Entry} key=${`${namespace}\n${key}`} namespace=${namespace} keyName=${key} />`;
  if (collection === 'config' && param('new')) return html`<div class="page"><${NewKey} key=${namespace} namespace=${namespace} /></div>`;
  if (namespace === '/' && !collection) return html`<${Top} />`;
  return html`<${Namespace} key=${namespace} namespace=${namespace} collection=${collection} />`;
}

const tabs = (namespace) => [
  namespace !== '/' && ['', 'Entries'], namespace !== '/' && can('editor', namespace) && ['drafts', 'Drafts'], ['roles', 'Roles'], ['schema', 'Schema'], ['settings', 'Settings'],
  namespace !== '/' && ['audit', 'Audit'], namespace !== '/' && ['time', 'Time'],
].filter(Boolean);

function Namespace({ namespace, collection }) {
  const state = useData(namespace === '/' ? null : namespace, (signal) => get('/api/v1/namespaces', { prefix: namespace, limit: 1 }, { signal }).then(([first]) => ({ is: first?.path === namespace && first })), {
    filter: { namespace, events: 'namespace' }, on: (event, { reload }) => { if (event.namespace === namespace) reload(); },
  });
  const about = state.data?.is || undefined;
  const shown = collection === 'config' ? '' : collection;
  const root = namespace === '/';
  const items = tabs(namespace).map(([name, text]) => ({ href: nsHref(namespace, name), text, current: name === shown }));
  const missing = state.data?.is === false;
  const strip = html`<${Tabs} items=${items} label="Parts of the namespace" />`;
  if (!shown) return html`<${Entries} namespace=${namespace} about=${about} missing=${missing} tabs=${strip} />`;
  return html`<div class="page"><${NamespaceHead} namespace=${namespace} about=${about} missing=${missing} tabs=${strip} />
    <${Failure} error=${state.error} again=${state.again} />
    ${root && !can('viewer') ? html`<${Note}>${lacking('viewer', '/')}<//>` : html`<${Part} name=${shown} namespace=${namespace} />`}</div>`;
}

function Part({ name, namespace }) {
  switch (name) {
    case 'drafts': return html`<${NamespaceDrafts} namespace=${namespace} />`;
    case 'roles': return html`<${NamespaceRoles} namespace=${namespace} />`;
    case 'schema': return html`<${NamespaceSchema} namespace=${namespace} />`;
    case 'settings': return html`<${NamespaceSettings} namespace=${namespace} />`;
    case 'audit': return html`<${Trail} filter=${{ namespace, exact: true }} />`;
    case 'time': return html`<${NamespaceTime} namespace=${namespace} />`;
    default: return html`<p class="soft">There is no such part of a namespace.</p>`;
  }
}
