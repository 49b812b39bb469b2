// What somebody has typed and not saved: kept for this tab, so that a reload or the end of a session loses nothing.
import { me } from './session.js';

const begin = 'unsaved:';
const mine = () => `${begin}${me.value?.principal ?? ''}\n`;

/** Lets go of what others typed in this tab, once somebody is signed in. */
export function forgetOthers() {
  if (!me.value) return;
  for (const name of Object.keys(sessionStorage)) if (name.startsWith(begin) && !name.startsWith(mine())) sessionStorage.removeItem(name);
}

/** Where what whoever is signed in types about a key is kept: {recall(), keep(what), forget()}. A browser keeps about 5 MB; what does not fit is not kept. */
export function unsaved(namespace, key) {
  const name = `${mine()}${namespace}\n${key}`;
  const others = () => me.value && !name.startsWith(mine()); // somebody else has signed in meanwhile
  return {
    recall() {
      try {
        return JSON.parse(sessionStorage.getItem(name) ?? 'null') ?? undefined;
      } catch {
        return undefined;
      }
    },
    keep(what) {
      if (others()) return;
      try {
        sessionStorage.setItem(name, JSON.stringify(what));
      } catch {
        sessionStorage.removeItem(name);
      }
    },
    forget() { sessionStorage.removeItem(name); },
  };
}
