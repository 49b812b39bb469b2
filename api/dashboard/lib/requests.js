// The open publish requests, known to every page: the rail counts those that wait for whoever is signed in.
import { computed, signal } from './ui.js';
import { all } from './api.js';
import { can, me } from './session.js';
import { known } from './known.js';

/** The open requests that the caller may see, newest first; undefined until they are loaded. */
export const open = signal(undefined);

async function load(signal) {
  open.value = await all('/api/v1/publish-requests', { state: 'open', limit: 200 }, { signal });
}

/** Keeps `open` true for whoever is signed in now. */
export const follow = known({
  filter: { events: 'publish-request,namespace.settings-changed,namespace.roles-changed', values: 'none' }, load, forget: () => { open.value = undefined; },
});

/** Whether somebody wrote any of it: then the node does not take that person's approval. */
export const isAuthor = (request, principal) => request.submittedBy === principal || request.changes.some((c) => c.editedBy === principal);

// Whether a request waits for a review of whoever is signed in.
function waitsForMe(request) {
  const who = me.value?.principal;
  if (!who || request.state !== 'pending_review' || isAuthor(request, who)) return false;
  if (request.reviews.some((r) => r.reviewer === who && r.decision === 'approved' && r.counts)) return false;
  return request.changes.some((c) => can('publisher', c.namespace, c.key));
}

/** Those that wait for whoever is signed in. */
export const waiting = computed(() => (open.value ?? []).filter(waitsForMe));

/** Open requests that would change one of the same keys: {request, keys}. */
export function conflicts(request, among = open.value ?? []) {
  const mine = new Set(request.changes.map((c) => `${c.namespace}\n${c.key}`));
  return among.filter((r) => r.id !== request.id)
    .map((r) => ({ request: r, keys: r.changes.filter((c) => mine.has(`${c.namespace}\n${c.key}`)) }))
    .filter((r) => r.keys.length > 0);
}

/** Open requests that would change a key. */
export const about = (namespace, key) => (open.value ?? []).filter((r) => r.changes.some((c) => c.namespace === namespace && c.key === key));

/** What a state is called, and its tone. */
export const states = {
  pending_review: ['In review', 'info'], scheduled: ['Scheduled', 'violet'], published: ['Published', 'good'], rejected: ['Rejected', 'bad'], withdrawn: ['Withdrawn', ''],
};
