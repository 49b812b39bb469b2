// The audit trail of a filter: newest first, older by scrolling, newer as they come.
import { Component, html, useCallback, useEffect, useRef, useState } from '../lib/ui.js';
import { call, node } from '../lib/api.js';
import { useFollow } from '../lib/live.js';
import { withQuery } from '../lib/route.js';
import { soon } from '../lib/soon.js';
import { count, plural } from '../lib/format.js';
import { EventLine, fromAudit, watched } from './event.js';
import { EventDetail } from './event-detail.js';
import { Button, Empty, Failure, Loading } from './icon.js';

const pageOf = 50;
const freshMost = 200; // new events that one question brings; more and the list begins anew
const lookMost = 8; // pages without a row in a row, before one is asked whether to look further back
const gather = 120; // ms in which new events share one question
const most = 2_000; // rows beyond which those at the end go while nobody has scrolled: they come again by scrolling

// The state of a list that grows at both ends: {rows, next, error, loading, fresh}.
function useTrail(query, live) {
  const key = JSON.stringify(query);
  const [state, setState] = useState({ loading: true });
  const now = useRef({});
  now.current.state = state;

  const ask = useCallback((path, more) => {
    const abort = new AbortController();
    now.current.abort?.abort();
    now.current.abort = abort;
    return call('GET', path, { query: more, signal: abort.signal }).then((a) => ({ ...a, rows: a.data.map(fromAudit) }));
  }, []);
  const failed = (error) => { if (error.name !== 'AbortError') setState((s) => ({ ...s, error, loading: false })); };
  const from = useRef('');

  const begin = useCallback(() => {
    setState((s) => ({ ...s, loading: true, error: undefined }));
    return ask('/api/v1/audit', { ...query, limit: pageOf }).then(({ rows, next, headers, index }) => {
      setState({ rows, next, index, loading: false, empties: rows.length ? 0 : 1, oldest: Number.parseInt(headers.get('X-Confman-Oldest'), 10), fresh: new Set() });
    }).catch(failed);
  }, [key]);

  useEffect(() => {
    from.current = node.value.position || 'now';
    setState({ loading: true });
    begin();
    return () => { now.current.abort?.abort(); newer.stop(); };
  }, [key]);

  const older = useCallback((further) => {
    const { next, loading } = now.current.state;
    if (!next || loading) return;
    setState((s) => ({ ...s, loading: true, error: undefined, empties: further ? 0 : s.empties }));
    ask(next).then(({ rows, next: then }) => setState((s) => ({ ...s, rows: [...s.rows, ...rows], next: then, loading: false, empties: rows.length ? 0 : s.empties + 1 }))).catch(failed);
  }, []);

  // What is new is asked of the audit, with the same filter: rows that came live are the same as those that one loads.
  now.current.look = async () => {
    const { rows, loading, index = 0 } = now.current.state;
    if (loading) { setTimeout(newer, gather); return; }
    if (!rows) return;
    const a = await call('GET', '/api/v1/audit', { query: { ...query, after: Math.max(rows[0]?.index ?? 0, index), limit: freshMost } }).catch(() => undefined);
    if (a?.next) await begin();
    else if (a) setState((s) => grown(s, a.data.map(fromAudit), now.current.atTop, query));
  };
  const [newer] = useState(() => soon(gather, () => now.current.look()));

  const filter = live && from.current ? { namespace: query.namespace === '/' ? undefined : query.namespace, key: query.key, events: watched(query.action), values: 'none' } : null;
  useFollow(filter, { after: from.current || 'now', on: newer, anew: begin });
  return { ...state, older, begin, at: (top) => { now.current.atTop = top; } };
}

// The state with rows that are new. A list that is left open for days does not grow.
function grown(s, found, atTop, query) {
  if (!s.rows) return s;
  const known = s.rows[0]?.index ?? 0;
  const add = found.filter((r) => r.index > known);
  if (add.length === 0) return s;
  const rows = [...add, ...s.rows];
  const fresh = new Set([...add.map((r) => r.index), ...s.fresh]);
  if (!atTop || rows.length <= most) return { ...s, rows, fresh };
  const kept = rows.slice(0, most / 2);
  const last = kept.at(-1).index;
  return { ...s, rows: kept, next: withQuery('/api/v1/audit', { ...query, before: last, limit: pageOf }), fresh: new Set([...fresh].filter((i) => i >= last)) };
}

// Whether an element is in sight of whatever scrolls.
function useSeen(first) {
  const [seen, setSeen] = useState(first);
  const ref = useCallback((el) => {
    ref.watcher?.disconnect();
    if (!el) return;
    ref.watcher = new IntersectionObserver(([e]) => setSeen(e.isIntersecting), { rootMargin: '120px' });
    ref.watcher.observe(el);
  }, []);
  return [seen, ref];
}

/**
 * The events that a filter selects: {namespace, exact, key, actor, action, request, correlation, transaction, since, until}. `compact` leaves out comments and says less when
 * there are none. `open` is an index that is opened at first.
 */
export function Trail({ filter = {}, compact, open }) {
  const past = Boolean(filter.until && new Date(filter.until) < new Date());
  const trail = useTrail(clean(filter), !past);
  const [opened, setOpened] = useState(() => new Set(open ? [open] : []));
  const [atTop, top] = useSeen(true);
  const [atEnd, end] = useSeen(false);
  const held = useRef(); // the newest row while one reads further down
  trail.at(atTop);
  const { rows, next, loading, error, empties } = trail;
  if (rows && (atTop || held.current === undefined)) held.current = rows[0]?.index ?? 0;
  const waiting = rows && !atTop ? rows.findIndex((r) => r.index <= held.current) : 0;
  const shown = rows?.slice(Math.max(0, waiting === -1 ? 0 : waiting));
  const list = useRef();

  useEffect(() => { if (atEnd && next && !loading && !error && empties < lookMost) trail.older(); });
  const toTop = () => { held.current = undefined; list.current.parentElement.firstElementChild.scrollIntoView({ block: 'start' }); list.current.querySelector('button')?.focus({ preventScroll: true }); };
  const toggle = (index) => setOpened((s) => { const o = new Set(s); if (!o.delete(index)) o.add(index); return o; });

  if (!rows) return error ? html`<${Failure} error=${error} again=${trail.begin} />` : html`<${Loading} />`;
  if (rows.length === 0 && !next) return compact ? html`<p class="soft">Nothing has happened here.</p>` : html`<${Empty} icon="book-open" title="No such events"><p>Everything that changes Confman is kept here: values, reviews, roles, members. Nothing matches what you chose.</p><//>`;
  return html`<div class="trail"><div ref=${top} class="edge"></div>
    ${waiting > 0 && html`<div class="new-above"><${Button} small main icon="chevron-up" onClick=${toTop}>${count(waiting)} new<//></div>`}
    <ul class="events" ref=${list} aria-label="Events, newest first" aria-busy=${loading}>${shown.map((row) => html`<${Row} key=${row.index} row=${row} open=${opened.has(row.index)} toggle=${toggle} fresh=${trail.fresh.has(row.index)} compact=${compact} />`)}</ul>
    <div ref=${end} class="edge"></div>
    <${Failure} error=${error} again=${() => trail.older(true)} />
    ${next && (empties >= lookMost ? html`<div class="row trail-end"><${Button} small onClick=${() => trail.older(true)}>Look further back<//><span class="soft small">Nothing matched in the last part of the history.</span></div>` : html`<${Loading}>Older events …<//>`)}
    ${!next && !compact && html`<p class="soft small trail-end">${plural(shown.length, 'event')}. ${trail.oldest > 1 ? `The audit begins at event ${count(trail.oldest)}.` : 'That is all since the cluster began.'}</p>`}</div>`;
}

const clean = (filter) => Object.fromEntries(Object.entries(filter).filter(([, v]) => v !== undefined && v !== null && v !== '' && v !== false));

// A row is drawn anew only when it changes: lists grow to thousands.
class Row extends Component {
  shouldComponentUpdate(next) {
    return ['row', 'open', 'fresh'].some((name) => next[name] !== this.props[name]);
  }

  render({ row, open, toggle, fresh, compact }) {
    return html`<li class=${fresh ? 'fresh' : ''}><button type="button" class="event" aria-expanded=${open} onClick=${() => toggle(row.index)}><${EventLine} row=${row} comment=${!compact} /></button>
      ${open && html`<${EventDetail} row=${row} />`}</li>`;
  }
}
