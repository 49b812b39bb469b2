// A namespace's entries as a file, made here from what the node answers; numbers stay as they are written.
import { call, nsPath, pages } from '../lib/api.js';
import { quoted, textOf } from '../lib/text.js';
import { toast } from './dialog.js';
import { saveAs } from './value.js';

const fileName = (namespace, end) => `${namespace.replaceAll('/', '.')}.${end}`;

// The pages' own text, joined: nothing in it is read, so nothing is rounded.
async function json(namespace) {
  const parts = [];
  let answer = await call('GET', `${nsPath(namespace)}/config`, { query: { resolve: true }, raw: true });
  for (;;) {
    const inner = (await answer.response.text()).trim().slice(1, -1).trim();
    if (inner) parts.push(inner);
    if (!answer.next) break;
    answer = await call('GET', answer.next, { raw: true });
  }
  return new Blob(['[\n', parts.join(',\n'), '\n]\n'], { type: 'application/json' });
}

async function rows(namespace, each) {
  const lines = [];
  for await (const page of pages(`${nsPath(namespace)}/config`, { resolve: true })) for (const entry of page) lines.push(each(entry));
  return lines;
}

const ndjson = async (namespace) => new Blob([(await rows(namespace, (entry) => `${JSON.stringify(entry)}\n`)).join('')], { type: 'application/x-ndjson' });

const variable = (key) => key.toUpperCase().replace(/[^A-Z0-9]+/g, '_').replace(/^(\d)/, '_$1');

async function env(namespace) {
  const lines = await rows(namespace, ({ key, value, type }) => (type === 'erased' ? `# ${key} is erased\n` : `${variable(key)}=${quoted(textOf(value))}\n`));
  return new Blob([`# ${namespace}\n`, ...lines], { type: 'text/plain' });
}

async function save(namespace, make, end) {
  try {
    saveAs(await make(namespace), fileName(namespace, end));
  } catch (error) {
    toast(`Not exported: ${error.message}`, { tone: 'bad' });
  }
}

/** What a menu offers for export. */
export const exportItems = (namespace) => [['As JSON', json, 'json'], ['As NDJSON, an entry a line', ndjson, 'ndjson'], ['As environment variables', env, 'env']]
  .map(([text, make, end]) => ({ icon: 'download', text, onClick: () => save(namespace, make, end) }));
