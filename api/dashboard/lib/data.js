// What a page shows, loaded once and kept true by a watch that begins where the load ended.
import { useCallback, useEffect, useRef, useState } from './ui.js';
import { watch } from './live.js';
import { node } from './api.js';

const together = 120; // ms in which events that ask for a reload share one

/**
 * Loads with `load(signal)` whenever `key` changes (null: nothing to load yet), and stays true: `filter` is watched from the position
 * of the load on. `on(event, {data, set, reload})` takes each event: by default it loads again. Returns {data, error, loading, stale, reload, set}.
 * While it loads again the old data stays, marked by `loading`.
 */
export function useData(key, load, { filter, on } = {}) {
  const [state, setState] = useState({ loading: key !== null });
  const current = useRef({});
  Object.assign(current.current, { load, on, state });

  const run = useCallback((keep) => {
    const c = current.current;
    c.abort?.abort();
    const abort = c.abort = new AbortController();
    setState((s) => (keep ? { ...s, loading: true } : { loading: true }));
    return c.load(abort.signal).then(
      (data) => { if (!abort.signal.aborted) setState({ data, loading: false, position: node.value.position, loadedAt: Date.now() }); },
      (error) => { if (!abort.signal.aborted) setState((s) => ({ ...s, error, loading: false })); },
    );
  }, []);

  const reload = useCallback(() => {
    const c = current.current;
    clearTimeout(c.timer);
    c.timer = setTimeout(() => run(true), together);
  }, []);

  const set = useCallback((change) => setState((s) => ({ ...s, data: typeof change === 'function' ? change(s.data) : change })), []);

  useEffect(() => {
    current.current.began = false;
    if (key === null) return undefined;
    run(false);
    return () => {
      current.current.abort?.abort();
      clearTimeout(current.current.timer);
    };
  }, [key]);

  // The watch begins where the load was made, not where it ended: an event in between comes twice rather than never.
  const from = useRef('');
  const wanted = filter && key !== null ? JSON.stringify([key, filter]) : '';
  useEffect(() => {
    if (!wanted) return undefined;
    from.current = node.value.position || 'now';
    let stop = () => {};
    const begin = (after) => {
      stop = watch(filter, {
        after,
        onFrame: (frame) => {
          if (frame.frame !== 'event') return;
          const c = current.current;
          if (c.on) c.on(frame.event, { data: c.state.data, set, reload });
          else reload();
        },
        onError: (error) => {
          if (error.status === 401 || error.reason === 'revoked' || error.reason === 'expired') return; // the session's end is told elsewhere
          if (error.reason === 'forbidden') return; // nothing more to see
          reload();
          begin('now');
        },
      });
    };
    begin(from.current);
    return () => stop();
  }, [wanted]);

  return { ...state, reload, set, again: () => run(true) };
}

/** A value that changes every `ms` while the page is visible: for what is no event, such as how the members are. */
export function useEvery(ms, callback) {
  const last = useRef();
  last.current = callback;
  useEffect(() => {
    const tick = () => { if (document.visibilityState === 'visible') last.current(); };
    const timer = setInterval(tick, ms);
    document.addEventListener('visibilitychange', tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', tick);
    };
  }, [ms]);
}
