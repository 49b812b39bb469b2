// The last door before the page. Parts show text that others wrote by Text, which marks what cannot be seen; whatever a page forgets comes by
// here: text and names of elements reach the document without characters that hide or reorder what is around them.
import { options } from './ui.js';
import { plain, suspicious } from './text.js';

const names = ['title', 'aria-label', 'aria-valuetext', 'placeholder', 'data-label', 'alt'];

/** Has everything that is rendered from now on looked through. */
export function guard() {
  const before = options.vnode;
  options.vnode = (vnode) => {
    const { type, props } = vnode;
    if (type === null) {
      if (typeof props === 'string' && suspicious(props)) vnode.props = plain(props);
    } else if (typeof type === 'string') {
      for (const name of names) if (typeof props[name] === 'string' && suspicious(props[name])) props[name] = plain(props[name]);
    }
    before?.(vnode);
  };
}
