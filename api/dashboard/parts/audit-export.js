// The audit of a filter as a file: streamed into it, with what has come so far, up to a bound.
import { html, useEffect, useRef, useState } from '../lib/ui.js';
import { call } from '../lib/api.js';
import { bytes } from '../lib/format.js';
import { Button, Failure } from './icon.js';
import { Dialog, Menu } from './dialog.js';
import { saveAs } from './value.js';

const most = 512 << 20; // bytes that a browser is asked to hold
const kinds = { csv: ['text/csv', 'audit.csv'], ndjson: ['application/x-ndjson', 'audit.ndjson'] };

/** A menu that saves what a filter selects. */
export function Export({ filter }) {
  const [kind, setKind] = useState();
  return html`<${Menu} small icon="download" label="Export" items=${[
    { label: 'All events of this filter' }, { icon: 'file-text', text: 'As CSV', onClick: () => setKind('csv') }, { icon: 'file-json', text: 'As NDJSON', onClick: () => setKind('ndjson') }]}>Export<//>
    ${kind && html`<${Saving} kind=${kind} filter=${filter} onClose=${() => setKind(undefined)} />`}`;
}

function Saving({ kind, filter, onClose }) {
  const [state, setState] = useState({ got: 0 });
  const abort = useRef();
  useEffect(() => {
    abort.current = new AbortController();
    save(kind, filter, abort.current.signal, (got) => setState({ got })).then(
      (done) => setState(done),
      (error) => { if (!abort.current.signal.aborted) setState((s) => ({ ...s, error })); },
    );
    return () => abort.current.abort();
  }, []);
  return html`<${Dialog} title="Export the audit" onClose=${onClose} actions=${html`<${Button} onClick=${onClose}>${state.done || state.error ? 'Close' : 'Stop'}<//>`}>
    <p role="status">${state.done ? `Saved ${bytes(state.got)}: everything that is selected, up to event ${state.index}.` : `${bytes(state.got)} so far …`}</p>
    ${!state.done && !state.error && html`<progress class="progress" aria-label="Export"></progress>`}
    <${Failure} error=${state.error} title="The file was not saved: it would not be complete" /><//>`;
}

async function save(kind, filter, signal, progress) {
  const [accept, name] = kinds[kind];
  const { response, index } = await call('GET', '/api/v1/audit', { query: filter, accept, raw: true, signal });
  const parts = [];
  let got = 0;
  let told = 0;
  for (const reader = response.body.getReader(); ;) {
    const { value, done } = await reader.read();
    if (done) break;
    parts.push(new Blob([value])); // a browser keeps blobs where there is room
    got += value.length;
    if (got > most) {
      reader.cancel();
      throw new Error(`It is more than ${bytes(most)}. Narrow the time, or let a script ask GET /api/v1/audit.`);
    }
    if (Date.now() - told > 100) { told = Date.now(); progress(got); }
  }
  saveAs(new Blob(parts, { type: accept }), name);
  return { done: true, got, index };
}
