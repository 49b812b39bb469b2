// The namespaces that the caller may see something in, known to every page.
import { signal } from './ui.js';
import { node, pages } from './api.js';
import { me } from './session.js';
import { watch } from './live.js';

/** By path; undefined until they are loaded. */
export const namespaces = signal(undefined);

let stop, timer, loading;

async function load() {
  loading?.abort();
  loading = new AbortController();
  const mine = loading;
  try {
    const rows = [];
    for await (const page of pages('/api/v1/namespaces', {}, { signal: mine.signal })) {
      rows.push(...page);
      if (!namespaces.value) namespaces.value = rows.slice(); // the first page at once
    }
    if (!mine.signal.aborted) namespaces.value = rows;
  } catch { /* the frame says how the node is */ }
}

/** Keeps `namespaces` true for as long as somebody is signed in. */
export function follow() {
  stop?.();
  loading?.abort();
  if (!me.value) { namespaces.value = undefined; return; }
  const after = node.value.position || 'now';
  load();
  const soon = () => { clearTimeout(timer); timer = setTimeout(load, 200); };
  const begin = (from) => {
    stop = watch({ events: 'namespace' }, {
      after: from,
      onFrame: ({ frame }) => { if (frame === 'event') soon(); },
      onError: ({ status, reason }) => { if (status !== 401 && reason !== 'revoked' && reason !== 'expired') { soon(); begin('now'); } },
    });
  };
  begin(after);
}
