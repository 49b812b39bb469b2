// A namespace as it was, beside what it is now; asked for as one slides, so the last answer stays until the next is there.
import { useCallback, useEffect, useRef, useState } from './ui.js';
import { call, get, node, nsPath, pages } from './api.js';
import { useFollow } from './live.js';

const rest = 90; // ms that a slider rests before it is asked
const marksMost = 5; // pages of 1,000 changes that a slider knows
const marksKept = 10_000; // changes that it keeps while it is open
const rowsMost = 20_000; // entries of one time that are loaded

const numbered = (at) => /^\d+(-[0-9a-f]{8})?$/.test(at);

async function entriesAt(namespace, at, signal) {
  const rows = [];
  for await (const page of pages(`${nsPath(namespace)}/config`, { at }, { signal })) {
    rows.push(...page);
    if (rows.length >= rowsMost) return { rows, cut: true };
  }
  return { rows, cut: false };
}

async function differences(namespace, at, signal) {
  if (!at) return { changes: [], equal: 0 };
  try {
    return await get('/api/v1/diff', { from: `${namespace}@${at}`, to: namespace }, { signal });
  } catch (problem) {
    if (problem.status === 413) return { changes: [], equal: 0, tooMany: problem.message };
    throw problem;
  }
}

/** The entries of a namespace at a time ('' is now) and what changed since: {data: {at, rows, cut, changes, equal, tooMany}, error, loading, again}. */
export function useAsOf(namespace, at, turn) {
  const [state, setState] = useState({ loading: true });
  const [asked, setAsked] = useState(0);
  const first = useRef(true);
  useEffect(() => {
    const abort = new AbortController();
    setState((s) => ({ ...s, loading: true }));
    const timer = setTimeout(() => {
      Promise.all([entriesAt(namespace, at, abort.signal), differences(namespace, at, abort.signal)]).then(
        ([entries, diff]) => setState({ data: { at, ...entries, ...diff }, loading: false }),
        (error) => { if (!abort.signal.aborted) setState({ error, loading: false }); },
      );
    }, first.current ? 0 : rest);
    first.current = false;
    return () => { clearTimeout(timer); abort.abort(); };
  }, [namespace, at, turn, asked]);
  return { ...state, again: () => setAsked((n) => n + 1) };
}

const markOf = (e) => ({ index: e.index, time: e.timestamp ?? e.time, action: e.action ?? e.type, actor: e.actor, namespace: e.namespace, key: e.key });

/** The changes of a namespace's values, oldest first, kept true: {marks, more (there are older ones), oldest, turn (grows with each change)}. */
export function useMarks(namespace, below) {
  const [state, setState] = useState({ marks: undefined, turn: 0 });
  const [asked, setAsked] = useState(0);
  const from = useRef('');
  const load = useCallback(async (signal) => {
    const found = [];
    const query = { namespace, exact: !below, action: 'config.*', limit: 1000 };
    let answer = await call('GET', '/api/v1/audit', { query, signal });
    for (let n = 1; ; n++) {
      found.push(...answer.data.map(markOf));
      if (!answer.next || n === marksMost) break;
      answer = await call('GET', answer.next, { signal });
    }
    const oldest = Number.parseInt(answer.headers.get('X-Confman-Oldest'), 10);
    setState((s) => ({ marks: merge(found.reverse(), s.late ?? []), more: Boolean(answer.next), oldest, turn: s.turn }));
  }, [namespace, below]);

  useEffect(() => {
    const abort = new AbortController();
    from.current = node.value.position || 'now';
    setState((s) => ({ ...s, marks: undefined, late: [] }));
    load(abort.signal).catch((error) => { if (!abort.signal.aborted) setState((s) => ({ ...s, error })); });
    return () => abort.abort();
  }, [load, asked]);

  const on = (event) => {
    if (!below && event.namespace !== namespace) return;
    setState((s) => {
      const turn = event.namespace === namespace ? s.turn + 1 : s.turn;
      return s.marks ? { ...s, marks: merge(s.marks, [markOf(event)]), turn } : { ...s, late: [...(s.late ?? []), markOf(event)], turn };
    });
  };
  const anew = () => { setAsked((n) => n + 1); setState((s) => ({ ...s, turn: s.turn + 1 })); };
  useFollow(state.late || state.marks ? { namespace, events: 'config', values: 'none' } : null, { after: from.current || 'now', on, anew });
  return state;
}

function merge(marks, late) {
  const last = marks.at(-1)?.index ?? 0;
  const add = late.filter((m) => m.index > last);
  return add.length ? [...marks, ...add].slice(-marksKept) : marks;
}

/** How many of the changes had happened at a time: where a slider stands. All of them when it is now. */
export function ordinal(marks, at) {
  if (!at) return marks.length;
  const until = numbered(at) ? Number.parseInt(at, 10) : undefined;
  const time = until === undefined ? new Date(at).getTime() : 0;
  let [low, high] = [0, marks.length];
  while (low < high) {
    const mid = (low + high) >> 1;
    const past = until !== undefined ? marks[mid].index <= until : new Date(marks[mid].time).getTime() <= time;
    if (past) low = mid + 1;
    else high = mid;
  }
  return low;
}

/** What a rollback to `at` is asked for. */
export const target = (at) => (numbered(at) ? { toIndex: Number.parseInt(at, 10) } : { toTime: at });
