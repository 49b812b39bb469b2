// The page's side of the browser's stream: watches, and how the stream is.
import { signal, useEffect, useRef } from './ui.js';
import { Hub } from './hub.js';

/** How the stream is: state (idle, connecting, open, waiting), since (ms) and, when it waits, why. */
export const live = signal({ state: 'idle', since: Date.now() });

/** The newest position that any watch of this page has proved to have reached. */
export const head = signal('');

const subscriptions = new Map(); // ID → {filter, after, onFrame, onError}
let port, number = 0, silent, owner = '';
let tries = globalThis.SharedWorker ? 3 : 0; // of a shared worker, before this tab has a stream of its own
const tab = `confman-tab-${Array.from(crypto.getRandomValues(new Uint32Array(2))).join('-')}`;

navigator.locks?.request(tab, () => new Promise(() => {})); // held until this tab is gone

function shareHub() {
  const worker = new SharedWorker(new URL('./worker.js', import.meta.url), { type: 'module', name: `confman ${owner}` });
  const failed = (left) => { if (port === worker.port) { tries = left; lost(worker.port); } };
  worker.onerror = () => failed(0);
  silent = setTimeout(() => failed(tries - 1), 4_000); // it may be one that was just ending
  return worker.port;
}

function ownHub() {
  const channel = new MessageChannel();
  new Hub(location.origin).attach(channel.port2);
  return channel.port1;
}

function open() {
  if (port) return port;
  const mine = port = tries > 0 ? shareHub() : ownHub();
  port.onmessage = ({ data }) => {
    if (port === mine) data.forEach((message) => receive(message, mine));
  };
  port.postMessage({ op: 'hello', lock: tab });
  return port;
}

// A hub that is gone, for browsers end workers as well, is followed by another: each watch goes on where it stands.
function lost(gone) {
  if (port !== gone) return;
  clearTimeout(silent);
  gone.postMessage({ op: 'bye' });
  port = undefined;
  resume();
}

function resume() {
  for (const [id, { filter, after }] of subscriptions) open().postMessage({ op: 'watch', id, filter, after });
}

function receive({ status, lock, id, frame, position, error }, from) {
  if (lock) {
    clearTimeout(silent);
    if (tries > 0) navigator.locks?.request(lock, () => lost(from)); // had when the hub is gone
  }
  if (status) {
    if (status.state !== live.value.state) live.value = { ...status, since: Date.now() };
    else live.value = { ...live.value, ...status };
    return;
  }
  const subscription = subscriptions.get(id);
  if (!subscription) return;
  if (error) {
    subscriptions.delete(id);
    if (error.reason === 'other-history') head.value = '';
    subscription.onError?.(error);
    return;
  }
  subscription.after = position;
  if (/^\d+-/.test(position) && Number.parseInt(position, 10) >= (Number.parseInt(head.value, 10) || 0)) head.value = position;
  subscription.onFrame(frame);
}

// Follows what a filter selects ({namespace, key, prefix, events, values}), from `after` on. Every event comes once, in order, also
// through cuts; `onError` is told {reason, status, message} when the watch cannot go on. Returns how to stop.
function watch(filter, { after = 'now', onFrame, onError }) {
  const id = `s${++number}`;
  subscriptions.set(id, { filter, after, onFrame, onError });
  open().postMessage({ op: 'watch', id, filter, after });
  return () => {
    if (subscriptions.delete(id)) port?.postMessage({ op: 'unwatch', id });
  };
}

/** Tries to connect now rather than at the next turn. */
export const retry = () => port?.postMessage({ op: 'retry' });

/** Says whose the stream is from now on. Tabs of the same person share one; what is open as somebody else ends. */
export function belongTo(who) {
  if (who === owner) return;
  close();
  owner = who;
}

/** Ends the stream of this tab. */
export function close() {
  subscriptions.clear();
  port?.postMessage({ op: 'bye' });
  port = undefined;
  live.value = { state: 'idle', since: Date.now() };
}

addEventListener('pagehide', () => {
  port?.postMessage({ op: 'bye' });
  port = undefined;
});

addEventListener('pageshow', (e) => {
  if (!e.persisted) return; // only a page that comes back has watches to go on with
  resume();
});

const final = new Set(['revoked', 'expired', 'forbidden', 'invalid']); // the end of a session is told elsewhere as well
const patience = { first: 1_000, most: 60_000 }; // ms

/**
 * Follows what a filter selects from `after` on, for as long as something is shown: `on` is told each event. Where the watch cannot go on there (what comes
 * next is no longer kept, or the history is another) it begins anew at now, and `anew` is told once it has: what is loaded from then on is true. `ended` is
 * told {reason, status, detail, message} when nothing more can come. Returns how to stop.
 */
export function follow(filter, { after = 'now', on, anew, ended }) {
  let stop, timer, tries = 0;
  const begin = (from, again) => {
    let first = again;
    stop = watch(filter, {
      after: from,
      onFrame: (frame) => {
        if (first) anew?.();
        first = false;
        if (frame.frame === 'event') on(frame.event);
        if (frame.frame !== 'resumed') tries = 0;
      },
      onError: (error) => {
        if (error.status === 401 || error.status === 400 || final.has(error.reason)) {
          ended?.(error);
          return;
        }
        timer = setTimeout(() => begin('now', true), tries === 0 ? 0 : Math.min(patience.first * 2 ** tries, patience.most));
        tries++;
      },
    });
  };
  begin(after, false);
  return () => {
    clearTimeout(timer);
    stop();
  };
}

/** follow for as long as a component shows; a filter of null, or no `after`, follows nothing. */
export function useFollow(filter, { after = 'now', on, anew, ended }) {
  const last = useRef();
  last.current = { on, anew, ended };
  const key = filter && after ? JSON.stringify([filter, after]) : '';
  useEffect(() => {
    if (!key) return undefined;
    return follow(filter, { after, on: (event) => last.current.on(event), anew: () => last.current.anew?.(), ended: (error) => last.current.ended?.(error) });
  }, [key]);
}
