import {h} from 'preact';
import htm from 'htm';

export {h, Fragment, render, createContext, Component, options} from 'preact';
export {
  useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useContext, useErrorBoundary, useId, useReducer,
} from 'preact/hooks';
export {signal, computed, effect, batch, untracked, useSignal, useComputed, useSignalEffect} from '@preact/signals';
export const html = htm.bind(h);
