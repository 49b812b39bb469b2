(() => {
  // What a person sees of a page, by roles and accessible names; near enough to the accessibility tree for pages of real elements.
  const roles = {
    button: 'button, [role=button], summary', link: 'a[href]', heading: 'h1, h2, h3, h4', checkbox: 'input[type=checkbox]', textbox: 'input:not([type=checkbox]), textarea, [role=textbox], [role=combobox]',
    menuitem: '[role=menuitem]', option: '[role=option], option', treeitem: '[role=treeitem]', row: '[role=row], tr', dialog: 'dialog[open]', alert: '[role=alert]', tab: '[role=tab], nav.tabs a', region: '[role=region], section', combobox: 'select, [role=combobox]', switch: '[role=switch]', slider: 'input[type=range], [role=slider]', radio: 'input[type=radio], [role=radio]',
  };
  const words = (s) => (s ?? '').replace(/\s+/g, ' ').trim();
  const name = (el) => {
    const by = el.getAttribute('aria-labelledby');
    if (by) return words(by.split(/\s+/).map((id) => document.getElementById(id)?.textContent).join(' '));
    if (el.getAttribute('aria-label')) return words(el.getAttribute('aria-label'));
    if (el.labels?.length) return words([...el.labels].map((l) => l.textContent).join(' '));
    return words(el.textContent) || words(el.title);
  };
  const seen = (el) => el.getClientRects().length > 0 && getComputedStyle(el).visibility !== 'hidden';
  const matches = (el, wanted) => (wanted[0] === '=' ? name(el) === wanted.slice(1) : name(el).toLowerCase().startsWith(wanted.toLowerCase()));
  const scope = () => [...document.querySelectorAll('dialog[open]')].at(-1); // what is modal hides the rest
  const find = (role, wanted) => {
    const top = scope();
    const all = [...(top ? [top] : []), ...(top ?? document).querySelectorAll(roles[role] ?? role), ...document.querySelectorAll('[popover]:popover-open [role=menuitem]')];
    return all.find((el) => (role !== 'menuitem' || el.closest('[popover]')) && (roles[role] ?? role) && el.matches(roles[role] ?? role) && seen(el) && matches(el, wanted));
  };
  const usable = (el) => el && !el.disabled && el.getAttribute('aria-disabled') !== 'true';
  return {
    has: (role, wanted) => Boolean(find(role, wanted)),
    ready: (role, wanted) => Boolean(usable(find(role, wanted))),
    click: (role, wanted) => { const el = find(role, wanted); el.scrollIntoView({ block: 'center' }); el.click(); return true; },
    sees: (text) => words(document.body.innerText).includes(words(text)),
    focus: (label) => {
      const el = find('textbox', label) ?? find('combobox', label);
      if (!usable(el)) return false;
      el.focus();
      el.select?.();
      return document.activeElement === el;
    },
    name,
  };
})()
