// What one takes along from a key: its value, its path, and how to read it by other ways.
import { html } from '../lib/ui.js';
import { call, keyPath } from '../lib/api.js';
import { Menu, toast } from './dialog.js';
import { quoted, textOf } from '../lib/text.js';
import { param, withQuery } from '../lib/route.js';
import { toClipboard } from './value.js';

async function copy(what, text) {
  try {
    await toClipboard(await text());
    toast(`${what} is in the clipboard`);
  } catch (error) {
    toast(`Not copied: ${error.message}`, { tone: 'bad' });
  }
}

// The bare text, as the node writes it.
async function bare(namespace, key, entry) {
  if (entry.type === 'string' || entry.type === 'binary' || entry.type === 'secret-ref') return textOf(entry.value);
  return (await call('GET', keyPath(namespace, 'config', key), { query: { resolve: true, at: param('at') }, accept: 'text/plain' })).data;
}

/** A menu of copies. */
export function CopyMenu({ namespace, keyName, entry }) {
  const at = param('at');
  const inherited = entry.from && entry.from !== namespace;
  const url = location.origin + withQuery(keyPath(namespace, 'config', keyName), { resolve: inherited, at });
  const dash = [namespace, keyName].some((name) => name.startsWith('-')) ? '-- ' : ''; // or the command takes the name for a flag
  const cli = `confman get ${inherited ? '--resolve ' : ''}${at ? `--at ${quoted(at)} ` : ''}${dash}${quoted(namespace)} ${quoted(keyName)}`;
  const items = [
    entry.type !== 'erased' && { icon: 'copy', text: 'Copy value', onClick: () => copy('The value', () => bare(namespace, keyName, entry)) },
    { icon: 'hash', text: 'Copy path', onClick: () => copy('The path', () => `${namespace}/${keyName}`) },
    { icon: 'link', text: 'Copy link', onClick: () => copy('The link', () => location.href) },
    { icon: 'file-text', text: 'Copy curl command', onClick: () => copy('The command', () => `curl -sS -H "X-Api-Key: $CONFMAN_API_KEY" ${quoted(url)}`) },
    { icon: 'chevron-right', text: 'Copy confman command', onClick: () => copy('The command', () => cli) },
  ];
  return html`<${Menu} icon="copy" label="Copy" items=${items}>Copy<//>`;
}
