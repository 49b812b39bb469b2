// The namespaces as a tree. Names that only lead to others are in it, too; they are no namespaces themselves.
import { computed } from './ui.js';
import { namespaces } from './namespaces.js';

const branch = (name, path) => ({ name, path, at: undefined, below: undefined, sorted: undefined });

// Server order is by path, so the way down to the parent of one path is mostly that of the path before.
function build(list) {
  const root = branch('/', '/');
  for (const namespace of list) {
    let here = root;
    let from = 0;
    while (from <= namespace.path.length) {
      let to = namespace.path.indexOf('/', from);
      if (to < 0) to = namespace.path.length;
      const name = namespace.path.slice(from, to);
      here.below ??= new Map();
      let next = here.below.get(name);
      if (!next) here.below.set(name, next = branch(name, namespace.path.slice(0, to)));
      here = next;
      from = to + 1;
    }
    here.at = namespace;
  }
  return root;
}

/** The root of the tree: {name, path, at: the namespace if it is one, below: Map by name}; undefined until loaded. */
export const tree = computed(() => namespaces.value && build(namespaces.value));

/** What is directly below, by name. */
export function children(node) {
  if (!node?.below) return [];
  return node.sorted ??= [...node.below.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The branch of a path, or undefined. */
export function find(root, path) {
  let here = root;
  if (path !== '/') for (const name of path.split('/')) here = here?.below?.get(name);
  return here;
}

/** The paths above one, the nearest last; the root is not among them. */
export function above(path) {
  const parts = path.split('/');
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'));
}

/** The rows that are in sight when the branches in `open` are open: {node, level}. */
export function rows(root, open) {
  const found = [];
  const walk = (node, level) => {
    for (const child of children(node)) {
      found.push({ node: child, level });
      if (child.below && open.has(child.path)) walk(child, level + 1);
    }
  };
  if (root) walk(root, 1);
  return found;
}
