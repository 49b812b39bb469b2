// What somebody has typed and not saved: kept for this tab, so that a reload or the end of a session loses nothing.
import { me } from './session.js';

/** Where what whoever is signed in types about a key is kept: {recall(), keep(what), forget()}. A browser keeps about 5 MB; what does not fit is not kept. */
export function unsaved(namespace, key) {
  const name = `unsaved:${me.value?.principal ?? ''}:${namespace}\n${key}`;
  return {
    recall() {
      try {
        return JSON.parse(sessionStorage.getItem(name) ?? 'null') ?? undefined;
      } catch {
        return undefined;
      }
    },
    keep(what) {
      try {
        sessionStorage.setItem(name, JSON.stringify(what));
      } catch {
        sessionStorage.removeItem(name);
      }
    },
    forget() { sessionStorage.removeItem(name); },
  };
}
