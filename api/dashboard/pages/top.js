// The top of the tree: the namespaces that are in no other.
import { html, useMemo } from '../lib/ui.js';
import { nsHref } from '../lib/route.js';
import { can, canAnywhere, lacking } from '../lib/session.js';
import { children, tree } from '../lib/tree.js';
import { namespaces } from '../lib/namespaces.js';
import { count, plural } from '../lib/format.js';
import { ask } from '../parts/dialog.js';
import { Button, Empty, Icon, Loading } from '../parts/icon.js';
import { Head, Virtual } from '../parts/table.js';
import { TreeButton } from '../parts/tree.js';
import { NewNamespace } from '../parts/namespace.js';
import { Text } from '../parts/value.js';

const size = (node) => { let n = 0; for (const child of children(node)) n += (child.at ? 1 : 0) + size(child); return n; };

/** The page of no namespace in particular. */
export function Top() {
  const root = tree.value;
  const list = useMemo(() => children(root), [root]);
  const create = () => ask(NewNamespace, { below: '/' });
  const may = can('viewer') ? '' : lacking('viewer', '/');
  const actions = html`<${Button} icon="sliders-horizontal" why=${may} href=${nsHref('/', 'settings')}>Defaults<//><${Button} icon="users" why=${may} href=${nsHref('/', 'roles')}>Roles<//>
    <${Button} main icon="plus" why=${canAnywhere('admin') ? '' : lacking('admin', '/')} onClick=${create}>New namespace<//>`;
  return html`<div class="ns-top"><${Head} title="Browse" crumbs=${html`<${TreeButton} />`} actions=${actions}><p class="soft">${root ? `${plural(namespaces.value.length, 'namespace')} that you may see. Keys live in namespaces; what a namespace does not say it inherits from those above.` : ' '}</p><//></div>
    ${!root ? html`<${Loading} />` : list.length === 0 ? html`<${Empty} icon="folder" title="There is no namespace yet">
        <p>A namespace holds keys and says who may change them. ${can('admin') ? 'Create the first one.' : 'None is open to you: ask an admin for a role.'}</p><//>`
    : html`<${Virtual} class="entries" label="Namespaces at the top" height=${44} count=${list.length} render=${(i) => line(list[i])} />`}`;
}

function line(node) {
  const below = size(node);
  return {
    href: nsHref(node.path),
    content: html`<${Icon} name="folder" class="soft" /><span class="keyname top-name clip">${node.name}</span>
      <span class="grow clip soft"><${Text} text=${(node.at?.description ?? '').slice(0, 200)} /></span>
      ${below > 0 && html`<span class="soft small nowrap not-narrow">${count(below)} below</span>`}
      <span class="soft small clip top-owner not-narrow" title="Owner">${node.at ? html`<${Text} text=${node.at.owner} />` : ''}</span>`,
  };
}
