/**
 * Confman for browsers and Node 18 or later: follow configuration as it changes, every event exactly once and
 * in order, through cuts, restarts and failovers. One file, no dependencies; docs/javascript.md shows its use.
 *
 *   import { watch } from '/confman.js';
 *   for await (const frame of watch({ getTicket, namespace: 'app' })) {
 *     if (frame.frame === 'event') console.log(frame.event.key, frame.event.data.value);
 *   }
 */

/**
 * @typedef {object} Filter what to watch
 * @property {string|string[]} [namespace] subtrees; none: all that the caller may see
 * @property {string} [key] only this key
 * @property {string} [prefix] only keys that begin with this
 * @property {string} [events] 'config' (default), 'all', or a list: 'config.updated,namespace'
 * @property {'none'} [values] leave values out
 *
 * @typedef {object} Where where to connect, and as whom: one of apiKey, ticket and getTicket
 * @property {string} [url] of a node; in a browser the page's origin is the default
 * @property {string[]} [urls] of several nodes, tried in turn from the first
 * @property {string} [apiKey] a secret: not for pages that others see
 * @property {string} [ticket] from POST /api/v1/watch/tickets; it is for one filter
 * @property {() => Promise<string|Ticket>} [getTicket] asks your own server for one, and again when that has expired
 * @property {'sse'|'websocket'} [transport] default 'sse'
 * @property {number} [idleMs] silence after which a connection is given up; default 20000
 * @property {(status: Status) => void} [onState] told at each change
 * @property {typeof fetch} [fetch] instead of the global one
 * @property {(url: string, protocol: string, headers: object) => WebSocket} [webSocket] opens one; for Node before 22
 *
 * @typedef {object} Span from where, and until when
 * @property {string} [after] a position, or 'now' (default), 'start', 'snapshot'
 * @property {boolean} [resnapshot] where the position is lost, go on with a new snapshot instead of an error
 * @property {AbortSignal} [signal] ends the watch, without an error
 * @property {(status: Status) => void} [onState] told at each change
 *
 * @typedef {Filter & Where & Span} Options
 *
 * @typedef {object} Status
 * @property {'connecting'|'open'|'waiting'|'closed'} state
 * @property {string} [url] of the node that serves the watch, when open
 * @property {Error} [error] why it waits or has closed
 * @property {number} [delayMs] how long it waits before it connects again
 *
 * @typedef {object} Frame one message of a watch; which members it has depends on `frame`
 * @property {'resumed'|'snapshot'|'entry'|'snapshot-end'|'event'|'progress'} frame
 * @property {Event} [event]
 * @property {number} [prev] index of the event before this one on this watch
 * @property {boolean} [more] the next event belongs to the same transaction
 * @property {Entry} [entry] between snapshot, which means: forget what you have, and snapshot-end
 * @property {number} [entries] of the snapshot
 * @property {string} [position] of snapshot, snapshot-end and progress: nothing up to there was missed
 * @property {string} [after] of resumed
 * @property {string} [head] of resumed: where the node stands
 * @property {number} [staleMs] how long ago the node last heard from a leader
 * @property {boolean} [leaderKnown]
 *
 * @typedef {{index: number, position: string, id: string, type: string, time: string, actor: string, namespace?: string,
 *   key?: string, data?: any, transaction?: string, request?: string, correlationId?: string}} Event
 *   data of config events: value, type (absent: deleted), version, previous, source (of a rollback), description, tags
 * @typedef {{namespace: string, key: string, value: any, type: string, version: number, index: number,
 *   updatedAt: string, updatedBy: string, createdAt?: string, createdBy?: string, description?: string, tags?: string[],
 *   comment?: string}} Entry
 * @typedef {{ticket: string, expiresAt: string, url: string}} Ticket
 * @typedef {{namespace: string, key: string, old?: Entry, new?: Entry}} Change
 */

const backoff = { first: 100, most: 5_000, restMost: 30_000 }; // ms
const queueMost = 1_000; // frames of a watch that wait for a slow reader of a WebSocket
const passing = new Set([408, 429, 500, 502, 503, 504]); // statuses that another node or moment may mend
const passingReasons = new Set(['behind', 'stuck', 'shutdown', 'unavailable', 'internal']);
const lostReasons = new Set(['compacted', 'other-history']);

/**
 * What the server refused for good. `reason`: compacted, other-history, revoked, expired, forbidden …;
 * `status` of HTTP, undefined when a running watch was ended; `oldest`: where a watch could begin, with
 * compacted; `problem`: the document (RFC 9457), when there was one.
 */
export class ConfmanError extends Error {
  /** @param {{status?: number, reason: string, detail?: string, oldest?: string, newest?: string, problem?: object}} what */
  constructor({ status, reason, detail, oldest, newest, problem }) {
    super(`confman: ${reason}${status ? ` (${status})` : ''}${detail ? `: ${detail}` : ''}`);
    this.name = 'ConfmanError';
    this.status = status;
    this.reason = reason;
    this.oldest = oldest;
    this.newest = newest;
    this.problem = problem;
    this.retryAfterMs = 0;
  }

  /** @param {Response} response */
  static async of(response) {
    const problem = await response.json().catch(() => ({}));
    const reason = String(problem.type ?? '').split('/').pop() || 'http';
    const { detail = response.statusText, oldest, newest } = problem;
    const error = new ConfmanError({ status: response.status, reason, detail, oldest, newest, problem });
    error.retryAfterMs = 1_000 * (Number(response.headers.get('Retry-After')) || 0);
    return error;
  }
}

/** Whether another node or another moment may mend it. */
const mayPass = (e) => !(e instanceof ConfmanError) || (e.status ? passing.has(e.status) : passingReasons.has(e.reason));

/** Calls back; an exception of the callback is its owner's, not ours. */
function tell(callback, value) {
  try {
    callback?.(value);
  } catch (error) {
    queueMicrotask(() => { throw error; });
  }
}

/** The promise, or an error where the signal or, if ms is given, too long a silence comes first. */
async function within(ms, signal, promise) {
  let timer, stop;
  const end = new Promise((_, reject) => {
    timer = ms && setTimeout(() => reject(new Error(`nothing was heard for ${ms} ms`)), ms);
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([promise, end]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** Waits, at most until the signal. */
const pause = (ms, signal) => within(ms + 1, signal, new Promise(() => {})).catch(() => {});

/** Full jitter: anything from nothing to a bound that doubles each time, or the server's wish if that is more. */
function jitter(attempts, wishMs = 0) {
  const bound = Math.max(backoff.first * 2 ** Math.min(attempts, 10), wishMs);
  return Math.random() * Math.min(bound, backoff.most);
}

const indexOf = (position) => Number.parseInt(position, 10); // NaN for now, start, snapshot

/** Where a watch stands. It takes a frame only if nothing is missing before it and it was not there already. */
class Cursor {
  phase = 'opening'; // of the connection: opening, entries, live
  constructor(after = 'now') { this.resume = after; } // what the next connection asks for

  /** Takes a frame, or throws what is wrong with it. */
  take(frame) {
    const kind = frame.frame;
    if (kind === 'goaway') throw new Error(`the node says goodbye: ${frame.reason}`);
    if (kind === 'reset') throw new ConfmanError(frame);
    if (!this.#fits(kind, frame)) throw new Error(`the stream is not whole: ${JSON.stringify(frame).slice(0, 200)} after ${this.resume}`);
    const position = frame.event?.position ?? frame.position ?? frame.after;
    if (kind === 'snapshot') [this.phase, this.entries, this.resume] = ['entries', 0, 'snapshot'];
    if (kind === 'entry') this.entries++;
    if (kind === 'resumed' || kind === 'snapshot-end') [this.phase, this.last] = ['live', indexOf(position)];
    if (kind === 'event') this.last = frame.event.index;
    if (this.phase === 'live') this.resume = position ?? this.resume;
    this.further = this.phase === 'live' && kind !== 'resumed';
  }

  #fits(kind, { event, position, after, entries = 0, prev = 0 }) {
    const asked = indexOf(this.resume);
    switch (kind) {
      case 'resumed': return this.phase === 'opening' && (asked === indexOf(after) || ['now', 'start'].includes(this.resume));
      case 'snapshot': return this.phase === 'opening' && this.resume === 'snapshot';
      case 'entry': return this.phase === 'entries';
      case 'snapshot-end': return this.phase === 'entries' && this.entries === entries;
      case 'event': return this.phase === 'live' && prev === this.last && event.index > asked;
      case 'progress': return this.phase === 'live' && indexOf(position) >= asked;
    }
    return true; // of a later server
  }
}

/** The nodes, and what lets us in. */
class Gate {
  /** @param {Where & Filter} o */
  constructor(o) {
    const urls = o.urls ?? [o.url ?? globalThis.location?.origin];
    if (urls.length === 0 || urls[0] === undefined) throw new TypeError('confman: url or urls is needed');
    this.urls = urls.map((url) => new URL(url).href.replace(/\/+$/, ''));
    this.idleMs = o.idleMs ?? 20_000;
    this.fetch = o.fetch ?? ((...args) => fetch(...args)); // called as a method it would be refused
    this.credentials = o.apiKey && !o.ticket && !o.getTicket ? { 'X-Api-Key': o.apiKey } : {};
    this.ticket = o.ticket;
    this.getTicket = o.getTicket;
    this.turn = -1;
  }

  /** The next node's URL. */
  next() { return this.url = this.urls[this.turn = (this.turn + 1) % this.urls.length]; }

  async query() {
    if (!this.ticket && this.getTicket) {
      const got = await this.getTicket();
      this.ticket = got.ticket ?? got;
      this.worked = false;
    }
    return this.ticket ? { ticket: this.ticket } : {};
  }

  /** After an error: whether a new ticket may mend it. One that never worked is not worth another. */
  renew(error) {
    const gone = error.status === 401 || error.reason === 'expired';
    if (!gone || !this.getTicket || !this.worked) return false;
    this.ticket = undefined;
    return true;
  }

  /** GET /api/v1/watch as a stream of server-sent events. */
  async open(base, query, signal) {
    const headers = { Accept: 'text/event-stream', ...this.credentials };
    const response = await this.fetch(watchURL(base, query), { headers, cache: 'no-store', signal });
    if (!response.ok) throw await ConfmanError.of(response);
    const media = response.headers.get('Content-Type');
    if (!media?.startsWith('text/event-stream')) throw new Error(`${base} answered with ${media}, which is no stream of events`);
    this.worked = true;
    return response;
  }
}

const filterOf = ({ namespace, key, prefix, events, values }) => ({ namespace, key, prefix, events, values });

function watchURL(base, query) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one !== undefined) params.append(name, one);
  }
  return `${base}/api/v1/watch?${params}`;
}

/** Frames by server-sent events, over fetch: an EventSource can neither send a key nor say why it failed. */
class EventStream extends Gate {
  async *frames(filter, cursor, signal) {
    const cut = new AbortController();
    try {
      const base = this.next();
      const query = await within(this.idleMs, signal, this.query());
      const response = await within(this.idleMs, signal, this.open(base, { ...filter, after: cursor.resume, ...query }, cut.signal));
      const reader = response.body.getReader();
      const text = new TextDecoder();
      for (let rest = ''; ;) {
        const { value, done } = await within(this.idleMs, signal, reader.read());
        if (done) return;
        rest = yield* this.#parse(rest + text.decode(value, { stream: true }), cursor, rest.length);
      }
    } finally {
      cut.abort();
    }
  }

  /** Yields the frames of whole blocks and returns the rest (HTML standard, 9.2.6). */
  *#parse(text, cursor, seen) {
    let from = 0;
    for (let end; (end = text.indexOf('\n\n', Math.max(from, seen - 1))) >= 0; from = end + 2) {
      const data = [];
      for (const line of text.slice(from, end).split('\n')) {
        if (line.startsWith('data:')) data.push(line.slice(5));
        if (line.startsWith('retry:')) this.retryMs = Number(line.slice(6)) || 0;
      }
      if (data.length === 0) continue; // a comment
      const frame = JSON.parse(data.join('\n'));
      cursor.take(frame);
      yield frame;
    }
    return text.slice(from);
  }
}

/** One watch. Iterate it once; nothing is opened before. */
class Watch {
  #cursor; #source; #filter; #end = new AbortController(); #frames; #o;

  /** @param {Filter & Span} o @param {AbortSignal} [above] ends it too */
  constructor(o, source, above) {
    [this.#o, this.#source, this.#filter, this.#cursor] = [o, source, filterOf(o), new Cursor(o.after)];
    this.#frames = this.#run();
    const end = () => this.close();
    for (const signal of [o.signal, above]) {
      signal?.addEventListener('abort', end, { signal: this.#end.signal });
      if (signal?.aborted) end();
    }
  }

  /** Where to go on with `after`: that of the frame handed out last. */
  get position() { return this.#cursor.resume; }

  /** Ends the iteration, without an error. */
  close() { this.#end.abort(new Error('closed')); }

  [Symbol.asyncIterator]() { return this.#frames; }

  /** @returns {AsyncGenerator<Frame, void, void>} */
  async *#run() {
    const signal = this.#end.signal;
    let [attempts, error] = [0, undefined];
    try {
      while (!signal.aborted) {
        error = undefined;
        this.#report({ state: 'connecting' });
        try {
          this.#cursor.phase = 'opening';
          let first = true;
          for await (const frame of this.#source.frames(this.#filter, this.#cursor, signal)) {
            if (signal.aborted) return;
            if (first) this.#report({ state: 'open', url: this.#source.url });
            first = false;
            if (this.#cursor.further) attempts = 0;
            yield frame;
          }
          error = new Error('the connection was cut');
        } catch (e) {
          error = e;
          if (!signal.aborted && !this.#goesOn(error)) throw error;
        }
        if (signal.aborted) return;
        const delayMs = this.#delay(attempts++, error);
        this.#report({ state: 'waiting', error, delayMs });
        await pause(delayMs, signal);
      }
    } finally {
      this.#report({ state: 'closed', error: signal.aborted ? undefined : error });
      this.close();
    }
  }

  #goesOn(error) {
    if (this.#o.resnapshot && lostReasons.has(error.reason)) {
      this.#cursor.resume = 'snapshot';
      return true;
    }
    return mayPass(error) || this.#source.renew(error);
  }

  #delay(attempts, error) {
    const rest = this.#source.urls.length > 1 ? 0 : error.retryAfterMs ?? 0; // another node need not wait
    return Math.max(jitter(attempts, this.#source.retryMs), Math.min(rest, backoff.restMost));
  }

  #report(status) { tell(this.#o.onState, status); }
}

/** The frames of one watch of a WebSocket that nobody has taken yet. */
class Queue {
  frames = [];

  push(frame) { this.frames.push(frame); this.wake?.(); }
  end(error) { [this.ended, this.error] = [true, this.error ?? error]; this.wake?.(); }

  async next() {
    while (this.frames.length === 0 && !this.ended) await new Promise((resolve) => { this.wake = resolve; });
    if (this.frames.length > 0) return this.frames.shift();
    if (this.error) throw this.error;
  }
}

const socketOpen = 1; // WebSocket.OPEN, of whichever implementation

/** One WebSocket and the watches that it carries; it closes with the last of them. */
class Socket {
  queues = new Map();
  count = 0;
  ended = false;

  constructor(ws, idleMs) {
    [this.ws, this.idleMs] = [ws, idleMs];
    ws.onmessage = ({ data }) => this.#message(data);
    this.opened = new Promise((resolve, reject) => {
      ws.onopen = resolve;
      ws.onerror = () => this.end(new Error('the WebSocket was refused or cut')); // close need not follow
      ws.onclose = ({ code, reason }) => this.end(new Error(`the connection was cut (${code} ${reason})`));
      this.refuse = reject;
    });
    this.opened.catch(() => {}); // its watches are told
    this.#heard();
  }

  /** Opens a watch and returns its ID. */
  watch(queue, query) {
    const id = `w${++this.count}`;
    this.queues.set(id, queue);
    if (!this.send({ op: 'watch', id, ...query })) throw new Error('the connection was cut');
    return id;
  }

  leave(id) {
    if (this.queues.delete(id)) this.send({ op: 'unwatch', id });
    if (this.queues.size === 0) this.end(new Error('no watch is left'));
  }

  end(error) {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    this.refuse(error);
    for (const queue of this.queues.values()) queue.end(error);
    this.ws.close();
  }

  /** Whether it could be sent: a WebSocket that is being closed says so before its close event, and browsers log what is sent then. */
  send(message) {
    if (this.ended || this.ws.readyState > socketOpen) return false;
    this.ws.send(JSON.stringify(message));
    return true;
  }

  #message(data) {
    if (this.ended) return; // what was on its way
    this.#heard();
    let frame;
    try {
      frame = JSON.parse(data);
    } catch (error) {
      return this.end(error);
    }
    const meant = frame.watch === undefined ? [...this.queues.keys()] : [frame.watch];
    for (const id of meant) {
      const queue = this.queues.get(id);
      queue?.push(frame);
      if (frame.frame === 'event' && queue?.frames.length >= queueMost) { // read on from the last of them once they are taken
        queue.end();
        this.leave(id);
      }
    }
  }

  #heard() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.end(new Error(`nothing was heard for ${this.idleMs} ms`)), this.idleMs);
  }
}

/** Several watches over one WebSocket, opened when there is one and opened again after a cut. */
class Connection extends Gate {
  #o; #socket; #dialing; #cut; #users = 0; #attempts = 0; #end = new AbortController();

  /** @param {Where & Filter} o */
  constructor(o) {
    const bearsHeaders = o.webSocket || globalThis.process?.versions?.node; // that of a browser does not
    super(o.apiKey && !bearsHeaders ? { ...o, apiKey: undefined, getTicket: () => ticket(o) } : o);
    if (!o.webSocket && !globalThis.WebSocket) throw new TypeError('confman: there is no WebSocket here; give the option webSocket');
    this.#o = o;
  }

  /** @param {Filter & Span} [o] */
  watch(o = {}) { return new Watch({ onState: this.#o.onState, ...o }, this, this.#end.signal); }

  /** Ends all watches, without an error. */
  close() { this.#end.abort(new Error('closed')); }

  async *frames(filter, cursor, signal) {
    let socket, id;
    const queue = new Queue();
    const stop = () => queue.end();
    signal.addEventListener('abort', stop);
    this.#users++;
    try {
      socket = await within(0, signal, this.#open());
      id = socket.watch(queue, { ...filter, after: cursor.resume });
      for (let frame; (frame = await queue.next());) {
        cursor.take(frame);
        if (cursor.further) this.#attempts = 1; // a dial from here on waits a little
        yield frame;
      }
    } catch (error) {
      if (mayPass(error) || error.reason === 'expired') socket?.end(error); // all go to another node
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      socket?.leave(id);
      if (--this.#users === 0) this.#cut?.abort(new Error('no watch is left'));
    }
  }

  /** The socket, the same for all who wait for it. */
  async #open() {
    if (this.#socket?.ended === false) return this.#socket;
    this.#dialing ??= this.#dial().finally(() => { this.#dialing = undefined; });
    return this.#dialing;
  }

  async #dial() {
    const { signal } = this.#cut = new AbortController();
    if (this.#attempts++ > 0) await pause(jitter(this.#attempts - 2), signal);
    const base = this.next();
    const query = await within(this.idleMs, signal, this.query());
    const ws = this.#connect(watchURL(base.replace(/^http/, 'ws'), query.ticket ? { ...query, id: 'w0' } : {}));
    const socket = new Socket(ws, this.idleMs);
    try {
      await within(this.idleMs, signal, socket.opened);
    } catch (error) {
      socket.end(error);
      await within(this.idleMs, signal, this.open(base, query, signal)); // throws why: a WebSocket is not told
      throw error;
    } finally {
      this.#cut.abort();
    }
    if (query.ticket) socket.send({ op: 'unwatch', id: 'w0' }); // a ticket opens a watch by itself, at now
    this.worked = true;
    return this.#socket = socket;
  }

  #connect(url) {
    const [protocol, headers] = ['confman.watch.v1', this.credentials];
    if (this.#o.webSocket) return this.#o.webSocket(url, protocol, headers);
    return new WebSocket(url, headers['X-Api-Key'] ? { protocols: [protocol], headers } : protocol);
  }
}

const idOf = ({ namespace, key }) => `${namespace}\n${key}`; // neither has a line break in it

/** The entries of a namespace as they are now: a snapshot, kept up to date. Transactions show whole or not at all. */
class View {
  #entries = new Map(); #coming; #pending = []; #watch; #status = { state: 'connecting' }; #namespace;

  /** @param {Options & {onchange?: (changes: Change[]) => void}} o */
  constructor(o) {
    [this.#namespace] = [o.namespace].flat();
    /** Told of the changes of each transaction, once they show. */
    this.onchange = o.onchange;
    const onState = (s) => { Object.assign(this.#status, { url: undefined, error: undefined }, s); tell(o.onState, s); };
    this.#watch = watch({ ...o, events: 'config', after: 'snapshot', resnapshot: true, onState });
    /** Resolves to the view when it has its entries; rejects when it ends before. */
    this.ready = new Promise((...settle) => { [this.resolve, this.reject] = settle; });
    /** Resolves when the view was closed; rejects when it cannot go on. */
    this.done = this.#run();
    this.done.then(() => this.reject(new Error('closed')), this.reject);
    this.ready.catch(() => {}); // for those who look at the status instead
  }

  /** @param {string} key @param {string} [namespace] the first that is watched @returns {Entry|undefined} */
  get(key, namespace = this.#namespace) { return this.#entries.get(idOf({ namespace, key })); }

  /** @returns {IterableIterator<Entry>} */
  entries() { return this.#entries.values(); }

  get size() { return this.#entries.size; }

  /** How well it knows that it is up to date. @returns {Status & {position: string, staleMs?: number, leaderKnown?: boolean}} */
  get status() { return { ...this.#status, position: this.#watch.position }; }

  close() { this.#watch.close(); }

  async #run() {
    for await (const frame of this.#watch) {
      const { staleMs = this.#status.staleMs, leaderKnown = this.#status.leaderKnown } = frame;
      Object.assign(this.#status, { staleMs, leaderKnown });
      switch (frame.frame) {
        case 'snapshot':
          this.#coming = new Map([...this.#entries.keys()].map((id) => [id, undefined]));
          this.#pending = [];
          break;
        case 'entry':
          this.#coming.set(idOf(frame.entry), frame.entry);
          break;
        case 'snapshot-end':
          this.#show(this.#coming);
          this.#coming = undefined;
          this.resolve(this);
          break;
        case 'event':
          this.#pending.push(frame.event);
          if (!frame.more) this.#show(this.#pending.splice(0).map((event) => this.#changed(event)));
      }
    }
  }

  /** Shows other entries, by ID; undefined: deleted. */
  #show(entries) {
    const changes = [];
    for (const [id, entry] of entries) {
      const old = this.#entries.get(id);
      if (old?.index === entry?.index && old?.updatedAt === entry?.updatedAt) continue;
      if (entry) this.#entries.set(id, entry);
      else this.#entries.delete(id);
      const { namespace, key } = entry ?? old;
      changes.push({ namespace, key, old, new: entry });
    }
    if (changes.length > 0) tell(this.onchange, changes);
  }

  #changed(event) {
    const { namespace, key, index, time, actor, data } = event;
    if (data.type === undefined) return [idOf(event), undefined];
    const { value, type, version, description, tags, comment } = data; // also of config.rolled-back: all that the entry has from then on
    const old = this.#entries.get(idOf(event)) ?? { createdAt: time, createdBy: actor };
    return [idOf(event), { ...old, namespace, key, value, type, version, description, tags, comment, index, updatedAt: time, updatedBy: actor }];
  }
}

/**
 * Follows what happens: an async iterable of frames, with `position` and `close()`. It connects again by itself,
 * on the next node, for as long as that may help; what cannot be mended ends the iteration with a ConfmanError.
 * @param {Options} options
 */
export function watch(options) {
  return options.transport === 'websocket' ? new Connection(options).watch(options) : new Watch(options, new EventStream(options));
}

/**
 * Several watches over one WebSocket: `connection(where).watch(filter)`, each as `watch` returns it.
 * @param {Where & Filter} options the filter is that of the ticket, when one is made from an apiKey
 */
export function connection(options) { return new Connection(options); }

/**
 * The entries of a namespace, live: `get`, `entries`, `size`, `status`, `onchange`, `ready`, `done`, `close`.
 * @param {Options & {onchange?: (changes: Change[]) => void}} options
 */
export function view(options) { return new View(options); }

/**
 * A ticket for one filter, from an API key: for the server of a page, which hands it on.
 * @param {Where & Filter & {signal?: AbortSignal}} options @returns {Promise<Ticket>}
 */
export async function ticket(options) {
  const gate = new Gate(options);
  const headers = { 'Content-Type': 'application/json', 'X-Api-Key': options.apiKey };
  const request = { method: 'POST', headers, body: JSON.stringify(filterOf(options)), signal: options.signal };
  let error;
  for (const base of gate.urls) {
    try {
      const response = await gate.fetch(`${base}/api/v1/watch/tickets`, request);
      if (!response.ok) throw await ConfmanError.of(response);
      const made = await response.json();
      return { ...made, url: base + made.url };
    } catch (e) {
      error = e;
      if (!mayPass(e) || options.signal?.aborted) throw e;
    }
  }
  throw error;
}
