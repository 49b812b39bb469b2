// A window of the past, played again: at its own pace, faster, or as fast as it comes.
import { html, useEffect, useRef, useState } from '../lib/ui.js';
import { lines } from '../lib/lines.js';
import { count, localInput, plural, when } from '../lib/format.js';
import { param, setParams } from '../lib/route.js';
import { fromEvent, groups, watched } from './event.js';
import { EventDialog } from './event-detail.js';
import { Input, Select } from './form.js';
import { Button, Empty, Failure, Note } from './icon.js';
import { StreamList, useStream } from './stream.js';
import { Card } from './table.js';

const keep = 2_000;
const speeds = [['1', 'Its own pace'], ['10', '10 ×'], ['100', '100 ×'], ['1000', '1,000 ×'], ['max', 'As fast as it comes']];
const hour = 3_600_000;

/** Chooses a window and plays it. */
export function Replay() {
  const query = { namespace: param('namespace'), events: watched(param('action')), from: param('since'), to: param('until') };
  return html`<${Window} query=${query} /><${Player} key=${JSON.stringify(query)} query=${query} speed=${param('speed') || '10'} />`;
}

function Window({ query }) {
  const moment = (name, label, value) => html`<${Input} label=${label} type="datetime-local" value=${value ? localInput(value) : ''} onInput=${(v) => setParams({ [name]: v ? new Date(v).toISOString() : null })} />`;
  const last = (ms) => setParams({ since: new Date(Date.now() - ms).toISOString(), until: null });
  return html`<div class="filters">${moment('since', 'From', query.from)}${moment('until', 'To', query.to)}
    <${Input} label="Namespace and below" mono placeholder="all" value=${query.namespace} onChange=${(e) => setParams({ namespace: e.target.value.trim() })} onInput=${() => {}} />
    <${Select} label="What" value=${param('action')} options=${groups.map(([v, t]) => [v, t])} onInput=${(v) => setParams({ action: v })} />
    <${Button} quiet onClick=${() => last(hour)}>Last hour<//><${Button} quiet onClick=${() => last(24 * hour)}>Last 24 hours<//><${Button} quiet onClick=${() => setParams({ since: null, until: null })}>All that is kept<//></div>`;
}

const number = (position) => Number.parseInt(position, 10) || 0;

function Player({ query, speed }) {
  const stream = useStream(keep);
  const [state, setState] = useState({}); // playing, bounds {from, to}, ended, error
  const [opened, setOpened] = useState();
  const run = useRef({ next: undefined });
  const { bounds } = state;

  const stop = () => { run.current.abort?.abort(); run.current.abort = undefined; };
  useEffect(() => stop, []);

  // Plays from an event on; a frame says what is next, so that a pause goes on exactly there.
  const play = async (from, pace = speed) => {
    stop();
    if (from > Number(run.current.to)) { setState((s) => ({ ...s, playing: false, ended: true })); return; }
    const abort = run.current.abort = new AbortController();
    setState((s) => ({ ...s, playing: true, ended: false, error: undefined }));
    const window = { ...query, from: from ?? query.from, to: run.current.to ?? query.to, speed: pace, max_pause: '3s' };
    try {
      for await (const some of lines('/api/v1/audit/replay', { query: window, signal: abort.signal })) {
        if (abort.signal.aborted) return;
        for (const frame of some) take(frame);
      }
      if (!abort.signal.aborted) setState((s) => ({ ...s, playing: false, ended: true }));
    } catch (error) {
      if (!abort.signal.aborted) setState((s) => ({ ...s, playing: false, error }));
    }
  };
  const take = (frame) => {
    const r = run.current;
    if (frame.frame === 'replay-start') {
      if (!r.to) {
        r.to = String(number(frame.replay.to));
        setState((s) => ({ ...s, bounds: { from: number(frame.replay.from) + 1, to: number(frame.replay.to), begins: frame.replay.begins, ends: frame.replay.ends } }));
      }
    } else if (frame.frame === 'replay') {
      r.next = frame.event.index + 1;
      stream.push(fromEvent(frame.event));
    } else if (frame.frame === 'reset' || frame.frame === 'goaway') {
      throw new Error(frame.detail || `The replay was ended: ${frame.reason}.`);
    }
  };
  const pause = () => { stop(); setState((s) => ({ ...s, playing: false })); };
  const again = () => { stream.clear(); run.current.next = undefined; play(); };
  const seek = (index) => { stream.clear(); run.current.next = index; if (state.playing) play(index); else setState((s) => ({ ...s, ended: false })); };
  const pace = (v) => { setParams({ speed: v }); if (state.playing) play(run.current.next, v); };

  const here = run.current.next !== undefined ? Math.max(bounds?.from ?? 0, run.current.next - 1) : bounds?.from ?? 0;
  const last = stream.rows.at(-1);
  const onPlay = () => (state.playing ? pause() : state.ended ? again() : play(run.current.next));
  return html`<div class="row player"><${Button} main icon=${state.playing ? 'pause' : state.ended ? 'rotate-ccw' : 'play'} data-key="p" onClick=${onPlay}>${state.playing ? 'Pause' : state.ended ? 'Play again' : 'Play'}<//>
      <${Select} label="Speed" value=${speed} options=${speeds} onInput=${pace} />
      ${bounds && html`<label class="grow scrub"><span class="small soft" aria-live="off">Event ${count(here)} of ${count(bounds.from)}–${count(bounds.to)}${last ? ` · ${when(last.time)}` : ''}</span>
        <input type="range" aria-label="Position in the window" min=${bounds.from} max=${bounds.to} value=${here} onChange=${(e) => seek(Number(e.target.value))} /></label>`}</div>
    <${Failure} error=${state.error} again=${() => play(run.current.next)} />
    ${state.ended && html`<${Note} tone="good"><p>That was all: ${plural(stream.total, 'event')} played.</p><//>`}
    <${Card} title="Played" flush class="tall">${stream.rows.length ? html`<${StreamList} stream=${stream} rows=${stream.rows} label="Played events, newest first" onOpen=${setOpened} />`
    : html`<${Empty} icon="rewind" title="Nothing is played yet"><p>Choose a window and press Play: its events come again as they came, and pauses longer than 3 seconds are cut short. Nothing is changed by it.</p><//>`}<//>
    ${opened && html`<${EventDialog} row=${opened} onClose=${() => setOpened(undefined)} />`}`;
}
