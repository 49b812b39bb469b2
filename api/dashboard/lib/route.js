// The address is the state: what is shown follows from location alone.
import { signal, computed } from './ui.js';

const here = signal(read());

function read() {
  return { path: location.pathname, query: location.search, hash: location.hash };
}

// The collections that end a namespace in an address, as in the API.
const collections = ['config', 'drafts', 'history', 'explain', 'audit', 'roles', 'schema', 'settings', 'time'];

/** Where we are: {page, rest: decoded segments after it, params}. */
export const route = computed(() => {
  const segments = here.value.path.split('/').filter(Boolean).map(decode);
  const [page = 'overview', ...rest] = segments[0] === 'ui' ? segments.slice(1) : [];
  return { page, rest, params: new URLSearchParams(here.value.query) };
});

function decode(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** What is meant under /ui/ns: {namespace, collection, key}. No namespace is the root, "/". */
export const place = computed(() => {
  const { rest } = route.value;
  if (rest[0] === '/') return { namespace: '/', collection: rest[1] ?? '', key: rest.slice(2).join('/') };
  const cut = rest.findIndex((segment) => collections.includes(segment));
  if (cut < 0) return { namespace: rest.join('/') || '/', collection: '', key: '' };
  return { namespace: rest.slice(0, cut).join('/') || '/', collection: rest[cut], key: rest.slice(cut + 1).join('/') };
});

/** One parameter of the address, '' when absent. */
export const param = (name) => route.value.params.get(name) ?? '';

const encode = (path) => path.split('/').map(encodeURIComponent).join('/');

/** The address of a namespace, or of one of its collections, or of a key there. */
export function nsHref(namespace, collection = '', key = '', query) {
  const base = namespace === '/' ? (collection ? '/ui/ns/%2F' : '/ui/ns') : `/ui/ns/${encode(namespace)}`;
  return withQuery(base + (collection && `/${collection}`) + (key && `/${encode(key)}`), query);
}

/** The address of a key's page. */
export const keyHref = (namespace, key, query) => nsHref(namespace, 'config', key, query);

/** An address with parameters; empty ones are left out. */
export function withQuery(path, query) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined && value !== null && value !== '' && value !== false) params.set(name, value);
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

let leaving = null; // asked before the page is left; says why not to

/** Goes to an address of ours. `replace` leaves no entry in the browser's history. */
export function go(href, { replace = false, keepScroll = false } = {}) {
  const url = new URL(href, location.origin);
  const moved = url.pathname !== location.pathname;
  if (moved && leaving && !leaving()) return false;
  history[replace ? 'replaceState' : 'pushState'](null, '', url.pathname + url.search + url.hash);
  here.value = read();
  if (moved && !keepScroll) document.getElementById('main')?.scrollTo(0, 0);
  return true;
}

/** Changes parameters of the address; null or '' takes one away. */
export function setParams(changes, { replace = true } = {}) {
  const params = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === '' || value === false) params.delete(name);
    else params.set(name, value);
  }
  const text = params.toString();
  go(location.pathname + (text ? `?${text}` : ''), { replace, keepScroll: true });
}

/** Has unsaved work asked about before the page is left. Returns how to stop that. */
export function guardLeaving(ask) {
  leaving = ask;
  const before = (e) => e.preventDefault();
  addEventListener('beforeunload', before);
  return () => {
    leaving = null;
    removeEventListener('beforeunload', before);
  };
}

/** Follows the browser's buttons, and links to our own pages without loading them anew. */
export function listen() {
  let shown = location.href;
  addEventListener('popstate', () => {
    if (leaving && new URL(shown).pathname !== location.pathname && !leaving()) {
      history.pushState(null, '', shown);
      return;
    }
    here.value = read();
  });
  here.subscribe(() => { shown = location.href; });
  document.addEventListener('click', (e) => {
    const link = e.target.closest?.('a[href]');
    if (!link || e.defaultPrevented || e.button !== 0 || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return;
    if (link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
    if (link.pathname !== '/' && !link.pathname.startsWith('/ui')) return;
    e.preventDefault();
    go(link.href);
  });
}
