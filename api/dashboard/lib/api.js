// The public API, asked as anybody would: same origin, the session's cookie, nothing else.
import { signal } from './ui.js';

/** What a refused request says (RFC 9457), or that nothing answered: then status is 0. */
export class Problem extends Error {
  constructor(status, document = {}, headers) {
    super(document.detail || document.title || (status ? `the node answered ${status}` : 'this node does not answer'));
    this.name = 'Problem';
    this.status = status;
    this.kind = String(document.type ?? '').split('/').pop();
    this.title = document.title ?? '';
    this.errors = document.errors ?? [];
    this.document = document;
    this.retryAfterMs = 1_000 * (Number(headers?.get('Retry-After')) || 0);
  }

  /** Whether the write may have happened all the same. */
  get unknown() { return this.kind === 'outcome-unknown'; }

  /** Whether asking again may help by itself: an election, a busy node, a cable. */
  get passing() { return this.status === 0 || this.status === 503 || (this.status === 504 && !this.unknown); }
}

/** How this node is, as its last answer said: reachable, leaderKnown, staleMs, index, position, at (ms). */
export const node = signal({ reachable: true, leaderKnown: true, staleMs: 0, index: 0, position: '', at: Date.now() });

/** Called when an answer says that the session is over. */
export const ended = { session: () => {} };

const patience = 30_000; // ms that a read may take

let written = 0; // the index of our newest write: a read that comes after it shows it

/** The path of a namespace under /api/v1; the root is "/". */
export const nsPath = (namespace) => `/api/v1/namespaces/${namespace === '/' ? '%2F' : namespace.split('/').map(encodeURIComponent).join('/')}`;

/** The path of a key in one of a namespace's collections: config, history, explain, drafts, rollback. */
export const keyPath = (namespace, collection, key) => `${nsPath(namespace)}/${collection}/${key.split('/').map(encodeURIComponent).join('/')}`;

function address(path, query) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of [value].flat()) if (one !== undefined && one !== null && one !== '' && one !== false) params.append(name, one);
  }
  const text = params.toString();
  return text ? `${path}${path.includes('?') ? '&' : '?'}${text}` : path;
}

function note(headers) {
  const position = headers.get('X-Confman-Position') ?? node.value.position;
  const leaderKnown = headers.get('X-Confman-Leader-Known');
  node.value = {
    reachable: true, position, index: Number.parseInt(position, 10) || node.value.index, at: Date.now(),
    leaderKnown: leaderKnown === null ? node.value.leaderKnown : leaderKnown === 'true',
    staleMs: leaderKnown === null ? node.value.staleMs : Number(headers.get('X-Confman-Stale-Ms') ?? 0),
  };
}

/**
 * One request. Resolves to {status, data, headers, etag, next, index}; rejects with a Problem, or with the signal's reason.
 * `body` is sent as JSON. `raw` leaves the answer's body unread: `response` has it.
 */
export async function call(method, path, { query, body, headers = {}, signal: abort, accept = 'application/json', raw } = {}) {
  const sent = { Accept: accept, ...headers };
  if (body !== undefined) sent['Content-Type'] = 'application/json';
  if (method === 'GET' && written > node.value.index && path.startsWith('/api/')) sent['X-Confman-Min-Index'] = String(written);
  const silent = (error) => {
    if (abort?.aborted) throw error;
    node.value = { ...node.value, reachable: false };
    throw new Problem(0);
  };
  const until = method === 'GET' && !raw ? AbortSignal.any([AbortSignal.timeout(patience), ...(abort ? [abort] : [])]) : abort; // a cable that was cut says nothing
  const response = await fetch(address(path, query), {
    method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body), signal: until, cache: 'no-store', credentials: 'same-origin',
  }).catch(silent);
  if (path.startsWith('/api/')) note(response.headers);
  if (!response.ok && response.status !== 304) {
    const document = await response.json().catch(() => ({}));
    if (response.status === 401 && path.startsWith('/api/')) ended.session(document.detail);
    throw new Problem(response.status, document, response.headers);
  }
  const index = Number(response.headers.get('X-Confman-Index') ?? 0);
  if (method !== 'GET') written = Math.max(written, index);
  const answer = { status: response.status, headers: response.headers, etag: response.headers.get('ETag'), next: nextOf(response.headers.get('Link')), index, response };
  if (raw || response.status === 204 || response.status === 304) return answer;
  const text = await response.text().catch(silent);
  answer.data = accept === 'application/json' ? parse(text) : text;
  return answer;
}

/** A number that JavaScript cannot hold exactly, as it was written. */
export class Exact {
  constructor(text) { this.text = text; }
  toString() { return this.text; }
  toJSON() { return JSON.rawJSON ? JSON.rawJSON(this.text) : Number(this.text); }
}

/** JSON.parse that does not round: what would change is an Exact, where the browser tells. */
export function parse(text) {
  if (!/\d{16}|\d[eE]/.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_, value, context) => (typeof value === 'number' && context?.source && String(value) !== context.source ? new Exact(context.source) : value));
}

function nextOf(link) {
  return link?.match(/<([^>]*)>\s*;\s*rel="?next"?/)?.[1];
}

/** What GET answers. */
export const get = async (path, query, options = {}) => (await call('GET', path, { query, ...options })).data;

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

function token() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/**
 * One write. It bears an Idempotency-Key, so what passes (an election, a busy leader) is tried again for ten seconds and never done twice.
 */
export async function write(method, path, body, { query, ifMatch, ifNoneMatch, headers: more } = {}) {
  const headers = { 'Idempotency-Key': token(), ...more };
  if (ifMatch) headers['If-Match'] = ifMatch;
  if (ifNoneMatch) headers['If-None-Match'] = ifNoneMatch;
  const deadline = Date.now() + 10_000;
  for (let wait = 200; ; wait = Math.min(2 * wait, 2_000)) {
    try {
      return await call(method, path, { query, body, headers });
    } catch (problem) {
      const again = problem instanceof Problem && (problem.passing || problem.unknown);
      if (!again || Date.now() + wait > deadline) throw problem;
      await pause(Math.max(wait, problem.retryAfterMs));
    }
  }
}

/** All rows of a list, page after page, as an async iterator of arrays. */
export async function* pages(path, query, { signal: abort } = {}) {
  let answer = await call('GET', path, { query, signal: abort });
  yield answer.data;
  while (answer.next) {
    answer = await call('GET', answer.next, { signal: abort });
    yield answer.data;
  }
}

/** All rows of a list that is known to be small. */
export async function all(path, query, options) {
  const rows = [];
  for await (const page of pages(path, query, options)) rows.push(...page);
  return rows;
}
