// Who is signed in, and what that person may do.
import { computed, signal, useEffect, useState } from './ui.js';
import { call, ended, get, node, Problem } from './api.js';
import { belongTo, close, useFollow } from './live.js';

/** What GET /auth/session says; undefined until it has. */
export const session = signal(undefined);

/** What GET /api/v1/whoami says; undefined while nobody is signed in. */
export const me = signal(undefined);

const tabs = globalThis.BroadcastChannel ? new BroadcastChannel('confman') : { postMessage() {} };
tabs.onmessage = ({ data }) => { if (data === 'signed-in' || data === 'signed-out') refresh(); };

/** Finds out who is signed in. */
export async function refresh() {
  try {
    const said = await get('/auth/session');
    if (said.signedIn) await identify();
    else leave();
    session.value = said;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status !== 401) session.value = session.value ?? { signedIn: false, unreachable: true, why: problem.message };
  }
}

/** What tells one signed-in person from another, '' when nobody is. */
export const identity = computed(() => (me.value ? `${me.value.keyId ?? ''} ${me.value.principal}` : ''));

async function identify() {
  const now = await get('/api/v1/whoami');
  belongTo(`${now.keyId ?? ''} ${now.principal}`); // who signed in elsewhere in this browser is not who began this stream
  if (JSON.stringify(now) !== JSON.stringify(me.value)) me.value = now;
}

/** Asks how the node is, and who we still are. */
export async function beat() {
  if (!session.value?.signedIn) return;
  try {
    await identify();
  } catch { /* node and session have been told */ }
}

/** Signs in with an API key, which is sent once and not kept. */
export async function signIn(key) {
  const { data } = await call('POST', '/auth/session', { body: { key } });
  await identify();
  session.value = data;
  tabs.postMessage('signed-in');
}

/** Signs out here, in all tabs, and ends the streams. */
export async function signOut() {
  close();
  await call('POST', '/auth/logout');
  leave();
  session.value = { ...session.value, signedIn: false, why: undefined };
  tabs.postMessage('signed-out');
}

function leave() {
  close();
  me.value = undefined;
}

ended.session = (why) => {
  if (!session.value?.signedIn) return;
  leave();
  session.value = { ...session.value, signedIn: false, why: why || 'Your session has ended.' };
};

const order = ['viewer', 'editor', 'publisher', 'admin'];
const atLeast = (role, wanted) => order.indexOf(role) >= order.indexOf(wanted);
const within = (namespace, above) => above === '/' || above === '*' || namespace === above || namespace.startsWith(`${above}/`);

function covers(keys, key) {
  if (!keys) return true;
  return keys.endsWith('*') ? key.startsWith(keys.slice(0, -1)) : key === keys;
}

/** Whether a role is likely held on a namespace or, with a key, there: what to offer. The node decides. */
export function can(role, namespace = '/', key = undefined) {
  return (me.value?.grants ?? []).some((g) => atLeast(g.role, role) && within(namespace, g.namespace) && (key === undefined ? !g.keys : covers(g.keys, key)));
}

/** Whether a role is held anywhere at all. */
export const canAnywhere = (role) => (me.value?.grants ?? []).some((g) => atLeast(g.role, role));

/** The role that the node says one has there, '' until it has said; it follows changes of roles. */
export function useRole(namespace, key = '') {
  const [role, setRole] = useState('');
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    get('/api/v1/access/explain', { namespace, key }, { signal: abort.signal }).then((x) => setRole(x.role), () => {});
    return () => abort.abort();
  }, [namespace, key, asked, me.value]);
  const [after] = useState(() => node.value.position || 'now'); // before the first question
  const again = () => setAsked((n) => n + 1);
  useFollow({ events: 'namespace.roles-changed', values: 'none' }, { after, on: again, anew: again });
  return { role, may: (wanted) => atLeast(role, wanted) };
}

/** Why something cannot be done, in words for a tooltip. */
export const lacking = (role, namespace) => `You need the role ${role} on ${namespace === '/' ? 'everything (/)' : namespace}.`;
