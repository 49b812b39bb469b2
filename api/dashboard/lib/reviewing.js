// What a publish request is waiting for, and what whoever is signed in may do about it, in words.
import { plural, when } from './format.js';
import { isAuthor } from './requests.js';
import { can, me } from './session.js';
import { plain } from './text.js';

/** Whether it is not decided yet. */
export const isOpen = (r) => r.state === 'pending_review' || r.state === 'scheduled';

/** How far a request is, by the key that lacks most: {have, need}; undefined when nothing is known to be missing. */
export function progress(r) {
  if (!isOpen(r)) return undefined;
  const worst = (r.missing ?? []).reduce((a, b) => (!a || b.need - b.have > a.need - a.have ? b : a), undefined);
  if (worst) return { have: worst.have, need: worst.need };
  const need = Math.max(0, ...r.changes.map((c) => c.minApprovers ?? 0));
  return { have: need, need };
}

/** Approvals that are missing, in sentences: keys that lack the same are told together. */
export function lacks(r) {
  const groups = new Map();
  for (const m of r.missing ?? []) {
    const id = `${m.namespace}\n${m.have}\n${m.need}`;
    const group = groups.get(id) ?? { ...m, keys: [] };
    group.keys.push(m.key);
    groups.set(id, group);
  }
  return [...groups.values()];
}

const openKeys = (r, role) => r.changes.filter((c) => can(role, c.namespace, c.key));

/** Why whoever is signed in cannot approve or reject, '' when they can. `role` is what the node says of the first key. */
export function whyNotReview(r, verb = 'approve') {
  const who = me.value?.principal;
  if (!isOpen(r)) return 'It is decided already.';
  if (isAuthor(r, who)) return r.submittedBy === who ? 'You submitted this: another publisher must review it.' : 'You wrote part of this: another publisher must review it.';
  if (openKeys(r, 'publisher').length === 0) return `You need the role publisher on one of its keys to ${verb}.`;
  if (verb === 'reject') return '';
  if (r.state === 'scheduled') return 'It has all its approvals and waits for its time.';
  return r.reviews.some((x) => x.reviewer === who && x.decision === 'approved' && x.counts && !x.why) ? 'You have approved this already.' : '';
}

/** Why it cannot be withdrawn by whoever is signed in. */
export function whyNotWithdraw(r) {
  if (!isOpen(r)) return 'It is decided already.';
  if (r.submittedBy === me.value?.principal) return '';
  return openKeys(r, 'admin').length === r.changes.length && !r.partial ? '' : `Only ${plain(r.submittedBy)}, or an admin of all its keys, can withdraw it.`;
}

/** Whether whoever is signed in is admin of all keys. */
export const isAdminOfAll = (r) => !r.partial && openKeys(r, 'admin').length === r.changes.length;

/** Whether one more approval of whoever is signed in would be the last. */
export const isLast = (r) => (r.missing ?? []).every((m) => m.need - m.have <= 1 && can('publisher', m.namespace, m.key));

/** What an act has come to, for a toast. */
export function outcome(r) {
  if (r.state === 'published') return `Published as event ${r.resolution.index}`;
  if (r.state === 'scheduled') return `Approved. Scheduled for ${when(r.dueAt ?? r.publishAt)}`;
  if (r.state === 'rejected') return 'Rejected. Its changes are drafts again';
  if (r.state === 'withdrawn') return 'Withdrawn. Its changes are drafts again';
  const p = progress(r);
  return `Approved. ${plural(p.need - p.have, 'more approval')} needed`;
}

/** What changed between two looks at a request, in what would be replaced: [{namespace, key, old, now, oldVersion, newVersion}]. */
export function movedSince(before, now) {
  const versions = new Map(before.changes.map((c) => [`${c.namespace}\n${c.key}`, c]));
  return now.changes.filter((c) => (versions.get(`${c.namespace}\n${c.key}`)?.previous?.version ?? 0) !== (c.previous?.version ?? 0))
    .map((c) => { const b = versions.get(`${c.namespace}\n${c.key}`); return { change: c, old: b?.previous, now: c.previous }; });
}
