// Lists that are read a page at a time, as one asks for more.
import { useCallback, useEffect, useRef, useState } from './ui.js';
import { call, node } from './api.js';
import { soon } from './soon.js';

/**
 * Rows of a list; `more()` reads the next page, `next` says whether there is one. Nothing is read while `path` is null. `key` names what is asked: when it
 * changes the rows are read anew and the old ones stay until then. `fill`: pages with fewer rows are followed by the next, at most ten at once.
 * `again()` reads anew at once, `reload()` soon: for events, which are followed from `after` on.
 */
export function usePages(key, path, query, { fill = 1 } = {}) {
  const [state, setState] = useState({ loading: true, key });
  const running = useRef();
  const done = useRef();
  const after = useRef('');

  const read = useCallback(async (before, first, asked) => {
    running.current?.abort();
    const { signal } = running.current = new AbortController();
    setState((s) => ({ ...s, loading: true, error: undefined }));
    try {
      let rows = before;
      let from = first;
      let headers;
      for (let n = 0; n < 10 && (n === 0 || (from && rows.length - before.length < fill)); n++) {
        const answer = from ? await call('GET', from, { signal }) : await call('GET', path, { query, signal });
        rows = [...rows, ...answer.data];
        from = answer.next;
        headers = answer.headers;
      }
      if (!signal.aborted) setState({ rows, next: from, loading: false, key: asked, headers });
    } catch (error) {
      if (!signal.aborted) setState((s) => ({ ...s, error, loading: false, key: asked }));
    }
  }, [key, path]);

  const again = () => { done.current = read([], undefined, key); return done.current; };
  const latest = useRef();
  latest.current = again;
  const [reload] = useState(() => soon(120, async () => {
    const { signal } = running.current;
    await done.current;
    if (!signal.aborted) await latest.current();
  }));
  useEffect(() => {
    if (path === null) { setState({ loading: false, key }); return undefined; }
    after.current = node.value.position || 'now';
    again();
    return () => { reload.stop(); running.current.abort(); };
  }, [key, path]);

  const set = useCallback((change) => setState((s) => (s.rows ? { ...s, rows: change(s.rows) } : s)), []);
  const more = () => { if (state.next && !state.loading) done.current = read(state.rows, state.next, key); };
  return { ...state, stale: state.key !== key, after: after.current, more, set, again, reload };
}
