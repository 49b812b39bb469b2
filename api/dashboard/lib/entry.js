// One entry, asked for so that its absence is an answer and no error.
import { get, nsPath } from './api.js';

/** The entry of a key, now or `at`, with `resolve` also from above; undefined when there is none that the caller may read. */
export async function entryOf(namespace, key, { at, resolve, signal } = {}) {
  const [first] = await get(`${nsPath(namespace)}/config`, { prefix: key, limit: 1, at, resolve }, { signal });
  return first?.key === key ? first : undefined;
}
