// j and k: from row to row of a list, or from part to part of a page.
import { useEffect, useRef } from './ui.js';

/** Whether somebody types there: then letters are no shortcuts. */
export const typing = (target) => target.closest?.('input, textarea, select, [contenteditable=true], .editor, dialog');

/** Moves focus among the elements with data-row below the element that bears the returned ref. */
export function useRows() {
  const box = useRef();
  useEffect(() => {
    const down = (e) => {
      if ((e.key !== 'j' && e.key !== 'k') || e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || typing(e.target) || !box.current) return;
      const rows = [...box.current.querySelectorAll('[data-row]')];
      if (rows.length === 0) return;
      const at = rows.findIndex((r) => r.contains(document.activeElement));
      const to = rows[at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + (e.key === 'j' ? 1 : -1)))];
      e.preventDefault();
      to.focus({ preventScroll: true });
      to.scrollIntoView({ block: 'nearest' });
    };
    addEventListener('keydown', down);
    return () => removeEventListener('keydown', down);
  }, []);
  return box;
}
