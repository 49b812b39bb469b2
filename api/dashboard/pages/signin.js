// The first page: sign in with an API key, or at the issuer.
import { html, useEffect, useState } from '../lib/ui.js';
import { refresh, session, signIn } from '../lib/session.js';
import { withQuery } from '../lib/route.js';
import { Button, Failure, Note } from '../parts/icon.js';
import { Input } from '../parts/form.js';

// Where one comes back to: this address, or as much of it as the node takes.
const back = () => [location.pathname + location.search, location.pathname].find((to) => to.length <= 1_024) ?? '/';

/** Shown instead of any page while nobody is signed in; the address stays, so one comes back to it. */
export function SignIn() {
  const [key, setKey] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState();
  const { login, secure, why, unreachable } = session.value;
  useEffect(() => { document.title = 'Sign in · Confman'; }, []);
  useEffect(() => {
    if (!unreachable) return undefined;
    const timer = setInterval(refresh, 2_000);
    return () => clearInterval(timer);
  }, [unreachable]);
  const submit = async (e) => {
    e.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await signIn(key.trim());
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return html`<main class="signin"><section class="card stack" aria-labelledby="signin-title">
    <div class="row fixed"><img src="/dashboard/favicon.svg" alt="" width="36" height="36" /><h1 id="signin-title">Sign in to Confman</h1></div>
    ${why && !error && html`<${Note} tone=${unreachable ? 'warn' : 'info'}>${why}<//>`}
    ${secure === false && html`<${Note} tone="warn">This connection is not encrypted. Use https, or a tunnel: <code>ssh -L 6100:localhost:6100 HOST</code><//>`}
    <form class="stack" onSubmit=${submit}>
      <${Input} label="API key" type="password" mono value=${key} onInput=${setKey} autocomplete="current-password" autofocus required placeholder="cfm_…"
        hint="confman dev prints one; others: confman key create. It is sent once and not kept in this browser." />
      <${Failure} error=${error} title=${error?.status === 401 ? 'That key is not good' : undefined} />
      <div class="row"><button class="btn main-act" disabled=${busy || !key.trim()}>${busy ? 'Signing in …' : 'Sign in'}</button>
      ${login && html`<${Button} href=${withQuery('/auth/login', { return: back() })} target="_self" icon="user">Sign in with your organisation<//>`}</div>
    </form></section></main>`;
}
