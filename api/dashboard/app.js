// Boots the dashboard: finds out who is signed in, follows the address, shows the page.
import { effect, html, render, useErrorBoundary } from './lib/ui.js';
import { guard } from './lib/guard.js';
import { go, listen, route } from './lib/route.js';
import { identity, me, refresh, session } from './lib/session.js';
import { follow as followRequests } from './lib/requests.js';
import { follow as followNamespaces } from './lib/namespaces.js';
import { forgetOthers } from './lib/unsaved.js';
import { closeAll } from './parts/dialog.js';
import { applyTheme, Shell } from './parts/shell.js';
import { Empty, Failure } from './parts/icon.js';
import { SignIn } from './pages/signin.js';
import { pages } from './pages/index.js';

function Page() {
  const [error, reset] = useErrorBoundary((e) => console.error(e));
  const { page, rest } = route.value;
  if (error) return html`<div class="page"><${Failure} error=${error} title="This page has failed" again=${reset} /></div>`;
  const Found = Object.hasOwn(pages, page) && pages[page];
  if (!Found) return html`<div class="page"><${Empty} icon="help-circle" title="There is no such page"><a href="/ui/overview">To the overview</a><//></div>`;
  return html`<${Found} key=${page} rest=${rest} />`;
}

function App() {
  if (!session.value) return html`<p class="boot" role="status">Loading Confman …</p>`;
  if (!session.value.signedIn || !me.value) return html`<${SignIn} />`;
  return html`<${Shell} key=${identity.value}><${Page} key=${route.value.page} /><//>`;
}

let who = '';
effect(() => {
  const now = identity.value;
  if (now === who) return;
  who = now;
  queueMicrotask(() => { closeAll(); forgetOthers(); followRequests(); followNamespaces(); });
});

guard();
applyTheme();
listen();
if (location.pathname === '/') go('/ui/overview', { replace: true });
const root = document.getElementById('app');
root.replaceChildren();
render(html`<${App} />`, root);
refresh();
