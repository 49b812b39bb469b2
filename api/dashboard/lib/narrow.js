// Whether there is room.
import { useEffect, useState } from './ui.js';

const query = globalThis.matchMedia?.('(max-width: 46rem)');

/** Whether the page is as narrow as a telephone. */
export function useNarrow() {
  const [narrow, set] = useState(query?.matches ?? false);
  useEffect(() => {
    const on = () => set(query.matches);
    query?.addEventListener('change', on);
    return () => query?.removeEventListener('change', on);
  }, []);
  return narrow;
}
