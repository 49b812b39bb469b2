// A namespace's head: where it is, what it is for, and what can be done with it.
import { html, useState } from '../lib/ui.js';
import { all, nsPath, write } from '../lib/api.js';
import { go, nsHref, place, withQuery } from '../lib/route.js';
import { can, lacking, useRole } from '../lib/session.js';
import { above, children, find, tree } from '../lib/tree.js';
import { plural } from '../lib/format.js';
import { useData } from '../lib/data.js';
import { ask, Confirm, Menu, toast } from './dialog.js';
import { Button, Note } from './icon.js';
import { Head } from './table.js';
import { Area, Input } from './form.js';
import { Lines } from './diff.js';
import { Text, toClipboard } from './value.js';
import { exportItems } from './export.js';
import { TreeButton } from './tree.js';

/** The way down to a namespace; with `last` that itself is a link, too. */
export function Crumbs({ namespace, last }) {
  const ways = [...(namespace === '/' ? [] : above(namespace)), ...(last && namespace !== '/' ? [namespace] : [])];
  return html`<${TreeButton} /><a href="/ui/ns">All namespaces</a>${ways.map((path) => html`<span aria-hidden="true">/</span><a href=${nsHref(path)}>${path.split('/').at(-1)}</a>`)}`;
}

/** The head of a namespace's page. `about` is the namespace; `missing` when there is none of that name, but perhaps some below. */
export function NamespaceHead({ namespace, about, missing, tabs }) {
  const { may, role } = useRole(namespace);
  const admin = !role || may('admin') ? '' : lacking('admin', namespace);
  const editor = !role || may('editor') || can('editor', namespace) ? '' : lacking('editor', namespace);
  const root = namespace === '/';
  const copy = () => toClipboard(namespace).then(() => toast('The path is in the clipboard'), (e) => toast(e.message, { tone: 'bad' }));
  const menu = [
    { icon: 'copy', text: 'Copy path', onClick: copy },
    { icon: 'git-compare', text: 'Compare with …', href: withQuery('/ui/compare', { from: namespace }) },
    { icon: 'folder', text: 'New namespace below', why: admin, onClick: () => ask(NewNamespace, { below: namespace }) },
    { icon: 'edit-3', text: missing ? 'Create this namespace' : 'Edit description and owner', why: admin, onClick: () => ask(EditNamespace, { namespace, about }) },
    { label: 'Export' }, ...exportItems(namespace),
    !missing && { icon: 'trash-2', text: 'Delete namespace …', danger: true, why: admin, onClick: () => ask(DeleteNamespace, { namespace }) },
  ];
  const actions = !root && html`<${Button} main icon="plus" why=${editor} data-key="n" href=${nsHref(namespace, 'config', '', { new: 1 })}>New key<//><${Menu} label="More actions" items=${menu} />`;
  return html`<div class="stack tight">
    <${Head} mono title=${root ? 'Everything (/)' : namespace.split('/').at(-1)} document=${namespace} crumbs=${html`<${Crumbs} namespace=${namespace} />`} actions=${actions}>
      ${about?.description && html`<p class="any"><${Text} text=${about.description} /></p>`}
      <p class="soft small">${root ? 'What is set here holds in every namespace that does not say otherwise.'
    : role === 'none' ? 'You have no role here. Namespaces below it may be open to you.'
      : missing ? `${children(find(tree.value, namespace)).length ? 'No namespace of its own: the name only leads to others.' : 'There is no such namespace.'} A key that is set here makes it one.`
        : about ? html`Owned by <${Text} text=${about.owner} />` : ' '}</p>
    <//>${tabs}</div>`;
}

const segment = /^[A-Za-z0-9._-]{1,64}$/;
const reserved = ['config', 'drafts', 'history', 'rollback', 'explain', 'audit', 'roles', 'schema', 'settings', 'publish-requests', 'watch', '.', '..'];

function wrong(path) {
  if (!path) return '';
  const parts = path.split('/');
  const bad = parts.find((p) => !segment.test(p) || reserved.includes(p));
  if (bad === '') return 'A part between slashes is empty.';
  if (bad !== undefined) return reserved.includes(bad) ? `“${bad}” is reserved.` : 'Each part takes up to 64 letters, digits, dots, dashes and underscores.';
  if (parts.length > 16) return 'At most 16 parts.';
  if (path.length > 512) return 'At most 512 characters.';
  return find(tree.value, path)?.at ? 'There is a namespace of that name.' : '';
}

/** Asks for a new namespace below one, makes it and goes there. */
export function NewNamespace({ below, onClose }) {
  const [path, setPath] = useState(below === '/' ? '' : `${below}/`);
  const [description, setDescription] = useState('');
  const error = path.endsWith('/') ? '' : wrong(path);
  const ready = path && !path.endsWith('/') && !error;
  const why = !ready ? error || 'Say how it is called' : can('admin', path) ? '' : lacking('admin', path);
  const act = async () => {
    await write('PUT', nsPath(path), { ...(description && { description }) }, {});
    toast(`${path} is there.`);
    go(nsHref(path));
  };
  return html`<${Confirm} title="New namespace" verb="Create namespace" why=${why} act=${act} onClose=${onClose}>
    <${Input} label="Path" mono value=${path} onInput=${setPath} error=${error} hint="Parts are separated by slashes. It inherits from the namespaces above it." />
    <${Area} label="Description" rows="3" value=${description} onInput=${setDescription} hint="What it is for, for whoever comes later." />
    ${ready && html`<p class="soft small">Creates <code>${path}</code>; you will be its owner.</p>`}<//>`;
}

function EditNamespace({ namespace, about, onClose }) {
  const was = { description: about?.description ?? '', owner: about?.owner ?? '' };
  const [description, setDescription] = useState(was.description);
  const [owner, setOwner] = useState(was.owner);
  const changes = { ...(description !== was.description && { description }), ...(owner !== was.owner && { owner }) };
  const lines = (d, o) => `owner: ${o}\n${d}`;
  const why = about && Object.keys(changes).length === 0 ? 'Nothing has changed' : about && !owner.trim() ? 'There must be an owner' : '';
  const act = async () => {
    await write('PUT', nsPath(namespace), changes);
    toast(about ? `${namespace} is changed.` : `${namespace} is there.`);
  };
  return html`<${Confirm} title=${about ? 'Description and owner' : `Create ${namespace}`} verb=${about ? 'Save' : 'Create namespace'} why=${why} act=${act} onClose=${onClose}>
    <${Area} label="Description" rows="3" value=${description} onInput=${setDescription} />
    <${Input} label="Owner" value=${owner} onInput=${setOwner} hint="Whom to ask. It gives no rights." />
    ${about && !why && html`<${Lines} old=${lines(was.description, was.owner)} now=${lines(description, owner)} />`}<//>`;
}

function DeleteNamespace({ namespace, onClose }) {
  const state = useData(namespace, async (signal) => {
    const [entries, drafts] = await Promise.all([all(`${nsPath(namespace)}/config`, {}, { signal }), all(`${nsPath(namespace)}/drafts`, {}, { signal }).catch(() => [])]);
    return { entries: entries.length, drafts: drafts.length };
  }, { filter: { namespace, events: 'config,draft', values: 'none' } });
  const stay = children(find(tree.value, namespace)).length;
  const act = async () => {
    await write('DELETE', nsPath(namespace));
    toast(`${namespace} is deleted.`);
    if (place.value.namespace === namespace) go(nsHref(namespace.includes('/') ? namespace.slice(0, namespace.lastIndexOf('/')) : '/'));
  };
  const what = state.data && [state.data.entries > 0 && plural(state.data.entries, 'key'), state.data.drafts > 0 && plural(state.data.drafts, 'draft')].filter(Boolean).join(' and ');
  return html`<${Confirm} title=${`Delete ${namespace}`} verb="Delete namespace" danger word=${namespace} why=${state.data || state.error ? '' : 'Counting what goes with it'} act=${act} onClose=${onClose}>
    <${Note} tone="warn" title=${what ? `${what} ${state.data.entries + state.data.drafts === 1 ? 'goes' : 'go'} with it` : state.data ? 'It has no keys' : 'What is in it goes with it'}>
      <p>${state.data?.entries !== 0 && 'Whoever reads or watches these keys loses them at once. '}Its own roles, schema and settings end, too. History and audit stay, and each key can be brought back.</p>
      ${stay > 0 && html`<p>${stay === 1 ? 'The namespace' : 'The namespaces'} below stay${stay === 1 ? 's' : ''}.</p>`}<//><//>`;
}
