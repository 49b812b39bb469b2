// What a page shows, loaded once and kept true by a watch that begins where the load did.
import { useCallback, useEffect, useRef, useState } from './ui.js';
import { follow } from './live.js';
import { node } from './api.js';
import { beat, me } from './session.js';
import { soon } from './soon.js';

const together = 120; // ms in which events that ask for a reload share one
const later = 3_000; // ms after which what failed in passing is tried again

/**
 * Loads with `load(signal)` whenever `key` changes (null: nothing to load yet), and stays true: `filter` is watched from the position
 * of the load on. `on(event, {data, set, reload})` takes each event: by default it loads again. Returns {data, error, loading, position (from which the load
 * may be followed), set, reload (soon, for events), again (at once)}. While it loads again the old data stays, marked by `loading`; what failed in passing
 * is tried again.
 */
export function useData(key, load, { filter, on } = {}) {
  const [state, setState] = useState({ loading: key !== null });
  const current = useRef({});
  const c = Object.assign(current.current, { load, on, state });

  const run = useCallback((keep) => {
    c.abort?.abort();
    clearTimeout(c.retry);
    const abort = c.abort = new AbortController();
    const position = node.value.position || 'now';
    setState((s) => (keep ? { ...s, loading: true } : { loading: true }));
    c.running = c.load(abort.signal).then(
      (data) => { if (!abort.signal.aborted) setState({ data, loading: false, position }); },
      (error) => {
        if (abort.signal.aborted) return;
        setState((s) => ({ ...(error.status !== 403 && s), error, loading: false })); // what one may not see any more is taken away
        if (error.passing) c.retry = setTimeout(c.reload, later);
      },
    ).finally(() => { if (c.abort === abort) c.running = undefined; });
    return c.running;
  }, []);

  // What loads now may have been asked before the event: it is let come, and asked once more.
  const reload = c.reload ??= soon(together, async () => {
    const { abort, running } = c;
    await running;
    if (c.abort === abort && !abort?.signal.aborted) await run(true);
  });

  const set = useCallback((change) => setState((s) => ({ ...s, data: typeof change === 'function' ? change(s.data) : change })), []);

  useEffect(() => {
    if (key === null) return undefined;
    run(false);
    return () => {
      c.abort.abort();
      reload.stop();
      clearTimeout(c.retry);
    };
  }, [key]);

  // Other rights, another answer.
  const rights = JSON.stringify(me.value?.grants);
  const had = useRef(rights);
  useEffect(() => {
    if (rights === had.current) return;
    had.current = rights;
    if (key !== null && me.value) reload();
  }, [rights]);

  // The watch begins where the load was made, not where it ended: an event in between comes twice rather than never.
  const wanted = filter && key !== null ? JSON.stringify([key, filter, rights]) : '';
  useEffect(() => {
    if (!wanted) return undefined;
    return follow(filter, {
      after: node.value.position || 'now',
      anew: reload,
      ended: ({ reason }) => { if (reason === 'forbidden') beat().then(reload); },
      on: (event) => {
        c.on?.(event, { data: c.state.data, set, reload });
        if (!c.on || c.running) reload(); // what was set may be overtaken by an older answer
      },
    });
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
