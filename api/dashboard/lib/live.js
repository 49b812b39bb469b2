// The page's side of the browser's stream: watches, and how the stream is.
import { signal, useEffect, useRef } from './ui.js';
import { Hub } from './hub.js';

/** How the stream is: state (idle, connecting, open, waiting), since (ms) and, when it waits, why. */
export const live = signal({ state: 'idle', since: Date.now() });

/** The newest position that any watch of this page has proved to have reached. */
export const head = signal('');

const subscriptions = new Map(); // ID → {filter, after, onFrame, onError}
let port, number = 0;
const tab = `confman-tab-${Array.from(crypto.getRandomValues(new Uint32Array(2))).join('-')}`;

function open() {
  if (port) return port;
  if (globalThis.SharedWorker) {
    const worker = new SharedWorker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'confman' });
    worker.onerror = (e) => console.error('confman: the stream worker failed', e.message);
    port = worker.port;
  } else {
    const channel = new MessageChannel();
    new Hub(location.origin).attach(channel.port2);
    port = channel.port1;
  }
  port.onmessage = ({ data }) => data.forEach(receive);
  let lock;
  if (navigator.locks) {
    lock = tab;
    navigator.locks.request(tab, () => new Promise(() => {})); // held until this tab is gone
  }
  port.postMessage({ op: 'hello', lock });
  return port;
}

function receive({ status, id, frame, position, error }) {
  if (status) {
    if (status.state !== live.value.state) live.value = { ...status, since: Date.now() };
    else live.value = { ...live.value, ...status };
    return;
  }
  const subscription = subscriptions.get(id);
  if (!subscription) return;
  if (error) {
    subscriptions.delete(id);
    subscription.onError?.(error);
    return;
  }
  subscription.after = position;
  if (/^\d+-/.test(position) && Number.parseInt(position, 10) >= (Number.parseInt(head.value, 10) || 0)) head.value = position;
  subscription.onFrame(frame);
}

/**
 * Follows what a filter selects ({namespace, key, prefix, events, values}), from `after` on. Every event comes once, in order, also
 * through cuts; `onError` is told {reason, status, message} when the watch cannot go on. Returns how to stop.
 */
export function watch(filter, { after = 'now', onFrame, onError }) {
  const id = `s${++number}`;
  subscriptions.set(id, { filter, after, onFrame, onError });
  open().postMessage({ op: 'watch', id, filter, after });
  return () => {
    if (subscriptions.delete(id)) port?.postMessage({ op: 'unwatch', id });
  };
}

/** Tries to connect now rather than at the next turn. */
export const retry = () => port?.postMessage({ op: 'retry' });

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
  for (const [id, { filter, after }] of subscriptions) open().postMessage({ op: 'watch', id, filter, after });
});

/** watch for as long as a component shows; a filter of null watches nothing. What cannot go on ends, and onError is told. */
export function useWatch(filter, { after = 'now', onFrame, onError }) {
  const last = useRef();
  last.current = { onFrame, onError };
  const key = filter && after ? JSON.stringify([filter, after]) : '';
  useEffect(() => {
    if (!key) return undefined;
    return watch(filter, { after, onFrame: (frame) => last.current.onFrame(frame), onError: (e) => last.current.onError?.(e) });
  }, [key]);
}
