// What components are made of: one door to the vendored library.
export {
  h, Fragment, render, createContext, Component, options, html,
  useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useContext, useId, useReducer, useErrorBoundary,
  signal, computed, effect, batch, untracked, useSignal, useComputed, useSignalEffect,
} from '../vendor/preact.js';
