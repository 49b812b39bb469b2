// The frame around every page: where one can go, how the node and the stream are, who one is.
import { html, signal, useEffect, useState } from '../lib/ui.js';
import { node } from '../lib/api.js';
import { live, head, retry } from '../lib/live.js';
import { count, duration } from '../lib/format.js';
import { go, route } from '../lib/route.js';
import { beat, can, canAnywhere, me, session, signOut } from '../lib/session.js';
import { waiting } from '../lib/requests.js';
import { useEvery } from '../lib/data.js';
import { typing } from '../lib/rows.js';
import { Button, Icon } from './icon.js';
import { Dialog, Menu, Toasts, toast } from './dialog.js';
import { Palette, shown as palette } from './palette.js';

const railOpen = signal(false);
const helpOpen = signal(false);

const items = () => [
  ['overview', '/ui/overview', 'layout-dashboard', 'Overview'],
  ['ns', '/ui/ns', 'folder', 'Browse'],
  ['search', '/ui/search', 'search', 'Search'],
  canAnywhere('editor') && ['drafts', '/ui/drafts', 'edit-3', 'Drafts'],
  ['requests', '/ui/requests', 'git-pull-request', 'Requests', waiting.value.length],
  ['compare', '/ui/compare', 'git-compare', 'Compare'],
  'History',
  ['audit', '/ui/audit', 'book-open', 'Audit trail'],
  ['feed', '/ui/feed', 'radio', 'Live feed'],
  'Administration',
  ['keys', '/ui/keys', 'key-round', 'API keys'],
  canAnywhere('admin') && ['webhooks', '/ui/webhooks', 'webhook', 'Webhooks'],
  can('admin') && ['members', '/ui/members', 'server', 'Members'],
  can('admin') && ['backup', '/ui/backup', 'archive', 'Backup'],
].filter(Boolean);

function Rail() {
  const at = route.value.page;
  useEffect(() => { railOpen.value = false; }, [route.value]);
  return html`<nav class="rail ${railOpen.value ? 'shown' : ''}" id="rail" aria-label="Main">
    <a class="brand" href="/ui/overview"><img src="/dashboard/favicon.svg" alt="" />confman</a>
    <ul>${items().map((item) => (typeof item === 'string' ? html`<li class="group">${item}</li>`
    : html`<li><a href=${item[1]} aria-current=${at === item[0] ? 'page' : undefined}><${Icon} name=${item[2]} />${item[3]}
        ${item[4] > 0 && html`<span class="badge" title="Wait for your review">${item[4]}<span class="out"> wait for your review</span></span>`}</a></li>`))}</ul>
    <${Standing} /></nav>`;
}

// Where the page stands in the history, and how it knows.
function Standing() {
  const { state } = live.value;
  const [tone, text] = !node.value.reachable ? ['off', 'no answer'] : state === 'open' ? ['live', 'live'] : state === 'idle' ? ['wait', 'idle'] : ['wait', 'reconnecting'];
  const position = Number.parseInt(head.value, 10) > node.value.index ? head.value : node.value.position;
  return html`<div class="foot"><span class="row tight"><span class="pulse ${tone}"></span><span id="stream-state">${text}</span>${session.value?.nodeId && html`<span>· node ${session.value.nodeId}</span>`}</span>
    <span class="mono" id="position" title="Position in the history: event index and chain">${position || '–'}</span>
    ${session.value?.version && html`<span class="clip" title=${session.value.version}>Confman ${session.value.version}</span>`}</div>`;
}

function Bar() {
  return html`<div class="bar">
    <${Button} quiet icon="menu" class="only-narrow" label="Menu" aria-expanded=${railOpen.value} aria-controls="rail" onClick=${() => { railOpen.value = !railOpen.value; }} />
    <button type="button" class="find" onClick=${() => { palette.value = true; }}><${Icon} name="search" /><span class="clip">Go to …</span><kbd>Ctrl K</kbd></button>
    <span class="grow not-narrow"></span>
    <${Button} quiet icon="help-circle" label="Keyboard shortcuts" onClick=${() => { helpOpen.value = true; }} />
    <${Theme} />
    <${Menu} quiet icon="user" label=${`Signed in as ${me.value?.principal ?? ''}`} items=${[
    { label: me.value?.principal }, session.value?.keyName && { label: `API key ${session.value.keyName}` },
    { icon: 'shield', text: 'What may I do?', href: '/ui/me' }, { icon: 'log-out', text: 'Sign out', onClick: () => signOut().catch((e) => toast(`Not signed out: ${e.message}`, { tone: 'bad' })) }]} />
  </div>`;
}

const themes = { '': ['monitor', 'As the system'], light: ['sun', 'Light'], dark: ['moon', 'Dark'] };

/** Shows the page in the theme that was chosen here before. */
export function applyTheme(theme = localStorage.getItem('theme') ?? '') {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  dispatchEvent(new Event('themechange'));
}

function Theme() {
  const [theme, setTheme] = useState(localStorage.getItem('theme') ?? '');
  const choose = (next) => { localStorage.setItem('theme', next); applyTheme(next); setTheme(next); };
  return html`<${Menu} quiet icon=${themes[theme]?.[0] ?? 'monitor'} label="Theme" items=${Object.entries(themes).map(([name, [icon, text]]) => ({ icon, text, onClick: () => choose(name) }))} />`;
}

// What is not as it should be: the node, its leader, the stream.
function Banner() {
  const [, turn] = useState(0);
  useEvery(1_000, () => { if (live.value.state !== 'open' || !node.value.leaderKnown || !node.value.reachable) turn((n) => n + 1); });
  const dropped = Date.now() - live.value.since;
  const position = Number.parseInt(head.value, 10) || node.value.index;
  if (!node.value.reachable) {
    return html`<div class="banner bad" role="alert"><${Icon} name="wifi-off" /><span class="grow">This node does not answer since ${duration(Date.now() - node.value.at)}. What you see is as of event ${count(position)}; nothing can be changed here. Other nodes may be fine: open the dashboard there.</span>
      <${Button} small icon="refresh-cw" onClick=${() => { beat(); retry(); }}>Try now<//></div>`;
  }
  if (!node.value.leaderKnown) {
    const stale = node.value.staleMs + (Date.now() - node.value.at);
    return html`<div class="banner warn" role="alert"><${Icon} name="alert-triangle" /><span class="grow"><strong>No leader is known here</strong> since ${duration(stale)}: an election is under way, or too few members are up. Reads go on and may be that old; writes wait for a leader and are then refused.</span>
      <a class="btn small" href="/ui/overview">See the cluster</a></div>`;
  }
  if (live.value.state === 'waiting' && dropped > 700) {
    return html`<div class="banner warn" role="status"><${Icon} name="wifi-off" /><span class="grow">Live updates stopped ${duration(dropped)} ago. What you see is as of event ${count(position)}. It goes on exactly there when the stream is back.</span>
      <${Button} small icon="refresh-cw" onClick=${retry}>Connect now<//></div>`;
  }
  if (session.value?.secure === false) {
    return html`<div class="banner warn" role="note"><${Icon} name="alert-triangle" /><span class="grow">This connection is not encrypted: whoever is between you and ${location.host} reads along.</span></div>`;
  }
  return null;
}

const shortcuts = [
  ['Ctrl K', 'Go to anything'], ['/', 'Search keys and values'], ['g o', 'Overview'], ['g b', 'Browse'], ['g r', 'Requests'], ['g d', 'Drafts'], ['g a', 'Audit trail'], ['g l', 'Live feed'],
  ['j / k', 'Next and previous row of a list'], ['e', 'Edit, on a key’s page'], ['n', 'New key, in a namespace'], ['f', 'Filter the keys of a namespace'], ['Ctrl Enter', 'Review the change, in the editor'], ['Esc', 'Close what lies over the page'], ['?', 'This list'],
];

function Help() {
  return html`<${Dialog} title="Keyboard shortcuts" onClose=${() => { helpOpen.value = false; }}><dl class="facts">${shortcuts.map(([keys, what]) => html`<dt>${keys.split(' ').map((k) => (k === '/' && keys.length > 1 ? ' / ' : html`<kbd>${k}</kbd> `))}</dt><dd>${what}</dd>`)}</dl><//>`;
}

const jumps = { o: '/ui/overview', b: '/ui/ns', r: '/ui/requests', d: '/ui/drafts', a: '/ui/audit', l: '/ui/feed' };

// Keys that work on every page. A page's own come by `data-key`: the first element in sight that bears the key is clicked.
function useKeys() {
  useEffect(() => {
    let began = 0;
    const down = (e) => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'k') { e.preventDefault(); palette.value = !palette.value; return; }
      if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || typing(e.target)) return;
      if (Date.now() - began < 1_200 && jumps[e.key]) { e.preventDefault(); began = 0; go(jumps[e.key]); return; }
      began = e.key === 'g' ? Date.now() : 0;
      if (e.key === '/') { e.preventDefault(); go('/ui/search'); }
      if (e.key === '?') { e.preventDefault(); helpOpen.value = true; }
      const own = document.querySelector(`main [data-key="${CSS.escape(e.key)}"]`);
      if (own && e.key.length === 1) { e.preventDefault(); own.click(); }
    };
    addEventListener('keydown', down);
    return () => removeEventListener('keydown', down);
  }, []);
}

/** The frame, with a page in it. */
export function Shell({ children }) {
  useKeys();
  useEffect(() => () => { palette.value = false; helpOpen.value = false; }, []);
  useEvery(4_000, beat);
  return html`<a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.getElementById('main').focus(); }}>To the content</a>
    <div class="frame"><${Rail} /><div style=${{ gridArea: 'bar' }}><${Bar} /><${Banner} /></div>
      <main class="main" id="main" tabindex="-1">${children}</main></div>
    ${palette.value && html`<${Palette} />`}${helpOpen.value && html`<${Help} />`}<${Toasts} />`;
}
