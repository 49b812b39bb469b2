// The editor of values and schemas: CodeMirror, loaded when one edits, in a shadow root so that its styles need no permission of the page's policy.
import { html, useEffect, useRef, useState } from '../lib/ui.js';

let library;

// Loads the editor.
const load = () => (library ??= import('../vendor/codemirror.js'));

function theme(cm) {
  const { tags: t } = cm;
  return [
    cm.EditorView.theme({
      '&': { color: 'var(--ink)', backgroundColor: 'var(--surface)', fontSize: '.8125rem', maxHeight: '60vh' },
      '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.5' },
      '.cm-content': { caretColor: 'var(--ink)', minHeight: '7rem', padding: '.5rem 0' },
      '.cm-cursor': { borderLeftColor: 'var(--ink)' },
      '.cm-gutters': { backgroundColor: 'var(--sunken)', color: 'var(--soft)', border: '0' },
      '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in srgb, var(--accent) 7%, transparent)' },
      '&.cm-focused': { outline: 'none' },
      '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'color-mix(in srgb, var(--accent) 26%, transparent) !important' },
      '.cm-tooltip, .cm-panels': { backgroundColor: 'var(--raised)', color: 'var(--ink)', border: '1px solid var(--line)' },
      '.cm-panels input, .cm-panels button': { backgroundColor: 'var(--surface)', color: 'var(--ink)', backgroundImage: 'none', border: '1px solid var(--line-strong)' },
      '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent-wash)', color: 'var(--accent)' },
      '.cm-searchMatch': { backgroundColor: 'light-dark(#ffe58a, #6b5200)' },
      '.cm-specialChar': { color: 'var(--amber)', backgroundColor: 'var(--amber-wash)' },
      '.cm-deletedChunk': { backgroundColor: 'var(--red-wash)' }, '.cm-changedLine, .cm-insertedLine': { backgroundColor: 'var(--green-wash)' },
      '.cm-diagnostic': { fontFamily: 'var(--sans)' },
    }),
    cm.syntaxHighlighting(cm.HighlightStyle.define([
      { tag: [t.propertyName, t.definition(t.propertyName)], color: 'var(--violet)' }, { tag: t.string, color: 'var(--green)' },
      { tag: t.number, color: 'var(--accent)' }, { tag: [t.bool, t.null, t.keyword], color: 'var(--amber)' }, { tag: t.comment, color: 'var(--soft)' }, { tag: t.invalid, color: 'var(--red)' },
    ])),
  ];
}

// Bidirectional and zero-width characters are shown as what they are, not obeyed.
// eslint-disable-next-line no-control-regex
const special = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc]/g;

const longLine = /[^\n]{20000}/; // lines too long to be wrapped in time: they are scrolled

function extensions(cm, { language, readOnly, label, describedBy, complete, wide }) {
  return [
    cm.lineNumbers(), cm.highlightSpecialChars({ specialChars: special }), cm.history(), cm.foldGutter(), cm.drawSelection(), cm.indentOnInput(), cm.bracketMatching(), cm.closeBrackets(),
    complete ? cm.autocompletion({ override: [complete] }) : [], cm.highlightActiveLine(), cm.highlightActiveLineGutter(), cm.search({ top: true }),
    cm.keymap.of([...cm.closeBracketsKeymap, ...cm.defaultKeymap, ...cm.searchKeymap, ...cm.historyKeymap, ...cm.foldKeymap, ...cm.completionKeymap, ...cm.lintKeymap]),
    cm.indentUnit.of('  '), wide ? [] : cm.EditorView.lineWrapping, theme(cm), language === 'json' ? [cm.json(), cm.linter(cm.jsonParseLinter()), cm.lintGutter()] : language === 'yaml' ? cm.yaml() : [],
    cm.EditorState.readOnly.of(Boolean(readOnly)), cm.EditorView.contentAttributes.of({ 'aria-label': label, ...(describedBy && { 'aria-describedby': describedBy }) }),
  ];
}

/**
 * Edits `value`, a text. `language`: json, yaml or text. `onInput(text)` at each change; Ctrl-Enter calls `onSave`. Tab leaves the editor, as everywhere;
 * without the library it is a plain text area.
 */
export function Editor({ value, onInput, onSave, language = 'text', label, readOnly, invalid, complete, autofocus }) {
  const host = useRef();
  const view = useRef();
  const last = useRef();
  const said = useRef([]); // texts that were told and have not come back
  const [plain, setPlain] = useState(false);
  last.current = { onInput, onSave, value };

  useEffect(() => {
    let over = false;
    load().then((cm) => {
      if (over) return;
      const root = host.current.shadowRoot ?? host.current.attachShadow({ mode: 'open' });
      const save = cm.keymap.of([{ key: 'Mod-Enter', run: () => { last.current.onSave?.(); return true; } }]);
      const changed = cm.EditorView.updateListener.of((u) => {
        if (!u.docChanged) return;
        const text = u.state.doc.toString();
        said.current = [...said.current.slice(-99), text];
        last.current.onInput?.(text);
      });
      view.current = new cm.EditorView({
        parent: root, root,
        state: cm.EditorState.create({ doc: last.current.value, extensions: [save, changed, ...extensions(cm, { language, readOnly, label, complete, wide: longLine.test(last.current.value) })] }),
      });
      host.current.view = view.current; // for whoever looks from outside
      if (autofocus) view.current.focus();
    }, () => setPlain(true));
    return () => { over = true; view.current?.destroy(); view.current = undefined; };
  }, [language, readOnly]);

  useEffect(() => { // set from outside: another version, a resolved conflict; not what was typed here, which comes back a moment later
    const v = view.current;
    const own = said.current.lastIndexOf(value);
    if (own >= 0) { said.current = said.current.slice(own + 1); return; }
    if (v && v.state.doc.toString() !== value) v.dispatch({ changes: { from: 0, to: v.state.doc.length, insert: value } });
    said.current = [];
  }, [value]);

  if (plain) return html`<textarea class="input" rows="12" aria-label=${label} readonly=${readOnly} value=${value} onInput=${(e) => onInput(e.target.value)}></textarea>`;
  return html`<div ref=${host} class="editor ${invalid ? 'invalid' : ''}"></div>`;
}
