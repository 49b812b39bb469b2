// What every page knows of the cluster: loaded once somebody is signed in, and kept true for as long as that is so.
import { node } from './api.js';
import { follow } from './live.js';
import { me } from './session.js';
import { soon } from './soon.js';

const together = 150; // ms in which events share one load
const later = 3_000; // ms after which what failed in passing is tried again

/**
 * `load(signal)` takes it in, `forget()` lets it go, `filter` selects the events after which it is another. What it returns is for whenever somebody else
 * is signed in.
 */
export function known({ filter, load, forget }) {
  let end = () => {};
  return () => {
    end();
    forget();
    if (!me.value) return;
    const abort = new AbortController();
    let retry;
    const ask = soon(together, () => load(abort.signal).catch((problem) => { // the frame says how the node is
      if (problem.passing && !abort.signal.aborted) retry = setTimeout(ask, later);
    }));
    const stop = follow(filter, { after: node.value.position || 'now', on: ask, anew: ask });
    ask.now();
    end = () => {
      stop();
      ask.stop();
      clearTimeout(retry);
      abort.abort();
    };
  };
}
