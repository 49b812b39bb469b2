// The namespaces that the caller may see something in, known to every page.
import { signal } from './ui.js';
import { pages } from './api.js';
import { known } from './known.js';

/** By path; undefined until they are loaded. */
export const namespaces = signal(undefined);

async function load(signal) {
  const rows = [];
  for await (const page of pages('/api/v1/namespaces', {}, { signal })) {
    rows.push(...page);
    if (!namespaces.value) namespaces.value = rows.slice(); // the first page at once
  }
  namespaces.value = rows;
}

/** Keeps `namespaces` true for whoever is signed in now. */
export const follow = known({ filter: { events: 'namespace' }, load, forget: () => { namespaces.value = undefined; } });
