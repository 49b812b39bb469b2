export {EditorState, Compartment, StateEffect, StateField, RangeSetBuilder, Transaction, Annotation} from '@codemirror/state';
export {
  EditorView, Decoration, ViewPlugin, WidgetType, keymap, placeholder, lineNumbers, drawSelection, dropCursor, tooltips,
  highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, rectangularSelection, crosshairCursor,
} from '@codemirror/view';
export {history, historyKeymap, defaultKeymap, indentWithTab} from '@codemirror/commands';
export {
  HighlightStyle, syntaxHighlighting, bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit,
} from '@codemirror/language';
export {search, searchKeymap, highlightSelectionMatches} from '@codemirror/search';
export {autocompletion, completionKeymap, closeBrackets, closeBracketsKeymap} from '@codemirror/autocomplete';
export {linter, lintGutter, lintKeymap, setDiagnostics, forceLinting} from '@codemirror/lint';
export {json, jsonParseLinter} from '@codemirror/lang-json';
export {yaml} from '@codemirror/lang-yaml';
export {MergeView, unifiedMergeView, goToNextChunk, goToPreviousChunk} from '@codemirror/merge';
export {tags} from '@lezer/highlight';
