// A backup of everything, to a file.
import { html, useState } from '../lib/ui.js';
import { Problem, node } from '../lib/api.js';
import { count } from '../lib/format.js';
import { can, lacking } from '../lib/session.js';
import { Button, Failure, Note } from '../parts/icon.js';
import { Card, Head } from '../parts/table.js';
import { Input } from '../parts/form.js';
import { Copy } from '../parts/value.js';
import { toast } from '../parts/dialog.js';
import { withQuery } from '../lib/route.js';

// The browser saves it while it comes; whether the node is willing is asked before, so that no refusal is saved as a backup.
async function willing(url) {
  const abort = new AbortController();
  const response = await fetch(url, { signal: abort.signal, cache: 'no-store' }).catch(() => { throw new Problem(0); });
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})), response.headers);
  abort.abort();
}

/** The backup page. */
export function Backup() {
  const [at, setAt] = useState('');
  const [error, setError] = useState();
  const [busy, setBusy] = useState(false);
  const url = withQuery('/api/v1/cluster/backup', { at: at.trim() });
  const download = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await willing(url);
      Object.assign(document.createElement('a'), { href: url, download: `confman-${at.trim() || node.value.index}.backup` }).click();
      toast('The browser saves the backup. Check it before you rely on it: confman backup verify FILE');
    } catch (e) { setError(e); }
    setBusy(false);
  };
  const why = can('admin') ? '' : lacking('admin', '/');
  return html`<div class="page"><${Head} title="Backup" />
    <${Card} title="Download a backup"><div class="stack"><p>The whole history up to one event, consistent, made while the cluster works. It holds every value there is, also of the past: keep it as you keep those.</p>
      <${Input} label="As of" mono value=${at} onInput=${setAt} placeholder=${`now: event ${count(node.value.index)}`} hint="An event index, a position or an RFC 3339 time; empty is now." />
      <div class="row"><${Button} main icon="download" why=${why} busy=${busy} onClick=${download}>Download<//></div><${Failure} error=${error} /></div><//>
    <${Card} title="From the command line"><div class="stack tight"><p class="soft">Encrypted, resumable and verified while it is written:</p>
      ${['confman backup --output confman.backup', 'confman backup verify confman.backup', 'confman restore confman.backup --data DIR'].map((c) => html`<div class="row fixed"><code class="grow any">${c}</code><${Copy} text=${c} /></div>`)}</div><//>
    <${Note}>A browser that is cut off leaves a file that <code>confman backup verify</code> refuses, with the place where it ends.<//></div>`;
}
