// The live feed: everything as it happens.
import { html, useEffect, useRef, useState } from '../lib/ui.js';
import { node } from '../lib/api.js';
import { useFollow } from '../lib/live.js';
import { count, plural } from '../lib/format.js';
import { param, setParams, withQuery } from '../lib/route.js';
import { namespaces } from '../lib/namespaces.js';
import { fromEvent, groups, watched } from '../parts/event.js';
import { EventDialog } from '../parts/event-detail.js';
import { Select, Slow } from '../parts/form.js';
import { Button, Chip, Empty, Note } from '../parts/icon.js';
import { StreamList, useStream } from '../parts/stream.js';
import { Card, Head } from '../parts/table.js';

const keep = 2_000; // rows that are kept
const held = 5_000; // events that wait while it is paused
const over = 10; // seconds that the rate is counted over

/** The page. */
export function Feed() {
  const filter = { namespace: param('namespace'), action: param('action') };
  return html`<div class="page fill"><${Head} title="Live feed" actions=${html`<${Button} icon="book-open" href=${withQuery('/ui/audit', filter)}>Audit trail<//>`}>
    <p class="soft">What happens, as it happens. The newest ${count(keep)} events are kept here; the audit trail has them all.</p><//>
    <div class="filters"><${Filters} filter=${filter} /></div><${Stream} key=${JSON.stringify(filter)} filter=${filter} /></div>`;
}

function Filters({ filter }) {
  return html`<${Slow} label="Namespace and below" mono list="feed-namespaces" placeholder="all" value=${filter.namespace} set=${(namespace) => setParams({ namespace })} />
    <datalist id="feed-namespaces">${(namespaces.value ?? []).slice(0, 500).map((n) => html`<option value=${n.path}></option>`)}</datalist>
    <${Select} label="What" value=${filter.action} options=${groups.map(([v, t]) => [v, t])} onInput=${(v) => setParams({ action: v })} />`;
}

// Events per second over the last seconds.
function useRate() {
  const seconds = useRef({ at: 0, counts: new Array(over).fill(0) });
  const [rate, setRate] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => {
      const { counts } = seconds.current;
      setRate(counts.reduce((a, b) => a + b, 0) / over);
      counts.shift();
      counts.push(0);
    }, 1_000);
    return () => clearInterval(timer);
  }, []);
  return [rate, () => { seconds.current.counts[over - 1]++; }];
}

function Stream({ filter }) {
  const stream = useStream(keep);
  const [after] = useState(() => node.value.position || 'now');
  const [paused, setPaused] = useState(false);
  const [error, setError] = useState();
  const [gap, setGap] = useState(false);
  const [opened, setOpened] = useState();
  const [rate, note] = useRate();
  const waiting = useRef({ rows: [], lost: 0 });
  const [, tick] = useState(0);
  useEffect(() => {
    if (!paused) return undefined;
    const timer = setInterval(() => tick((n) => n + 1), 250);
    return () => clearInterval(timer);
  }, [paused]);

  const receive = (event) => {
    note();
    const row = fromEvent(event);
    if (!paused) { stream.push(row); return; }
    const w = waiting.current;
    if (w.rows.length >= held) w.lost++;
    else w.rows.push(row);
  };
  useFollow({ namespace: filter.namespace || undefined, events: watched(filter.action) }, { after, on: receive, ended: setError, anew: () => setGap(true) });

  const resume = () => {
    stream.push(...waiting.current.rows);
    waiting.current = { rows: [], lost: 0 };
    setPaused(false);
  };
  const { rows, lost } = waiting.current;
  return html`<div class="row"><${Button} icon=${paused ? 'play' : 'pause'} data-key="p" pressed=${paused} onClick=${() => (paused ? resume() : setPaused(true))}>${paused ? 'Go on' : 'Pause'}<//>
      <${Button} quiet icon="x" onClick=${stream.clear}>Clear<//>
      <span class="row grow figures-line" aria-live="off"><${Chip} icon="activity">${rate >= 10 ? count(Math.round(rate)) : rate.toFixed(1)} events/s<//><span class="soft small">${plural(stream.total, 'event')} since you came</span>
        ${paused && html`<${Chip} tone="warn">${count(rows.length)} waiting<//>`}</span></div>
    ${lost > 0 && html`<${Note} tone="warn"><p>${count(held)} events wait, and ${count(lost)} more came that are not kept here: <a href=${withQuery('/ui/audit', filter)}>the audit trail has them</a>.</p><//>`}
    ${gap && html`<${Note} tone="warn"><p>This page was away for longer than the node keeps events for it, so some are not here: <a href=${withQuery('/ui/audit', filter)}>the audit trail has them</a>.</p><//>`}
    ${error && html`<${Note} tone="bad" title="The feed has ended" role="alert"><p>${error.detail || error.message}</p><//>`}
    <${Card} title="Events" flush class="fill">${stream.rows.length === 0 ? html`<${Empty} icon="radio" title=${paused ? 'Paused' : 'Waiting for the next event'}><p>Nothing has happened since you came. Leave it open: it fills by itself.</p><//>`
    : html`<${StreamList} stream=${stream} rows=${stream.rows} label="Events, newest first" onOpen=${setOpened} />`}<//>
    ${opened && html`<${EventDialog} row=${opened} onClose=${() => setOpened(undefined)} />`}`;
}
