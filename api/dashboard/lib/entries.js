// The entries of one namespace, as many as there are. Rows come page after page and are patched by events in place; nothing is sorted or
// searched as a whole while they come, and of long values only the beginning is kept.
import { node, nsPath, pages } from './api.js';
import { entryOf } from './entry.js';
import { follow } from './live.js';
import { atFrame } from './soon.js';
import { textOf } from './text.js';

const kept = 240; // characters of a value
const limit = 1_000; // entries a page
const fetchMost = 50; // keys that are asked for one by one; more are all loaded again

/** Whether JavaScript may have rounded a number in a value that came by the stream. */
export const inexact = (value) => typeof value !== 'string' && /\d{16}|\de/i.test(JSON.stringify(value) ?? '');

const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

function rowOf(entry, namespace) {
  const text = entry.type === 'erased' ? '' : textOf(entry.value);
  const from = entry.from ?? namespace;
  return {
    key: entry.key, from, own: from === namespace, type: entry.type, text: text.slice(0, kept), length: text.length, version: entry.version, index: entry.index,
    at: entry.updatedAt, by: entry.updatedBy, hay: `${entry.key}\n${entry.type === 'binary' ? '' : text.slice(0, kept)}`.toLowerCase(), fresh: 0,
  };
}

// Where a key is among rows by key, or would be.
function seek(rows, key) {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** `changed()` is told, once a frame at most, that there is something else to show. */
export class Entries {
  #namespace; #changed; #rows = []; #shown; #words = []; #inherited = true; #extra = new Set(); #pending = new Map(); #ask = new Set(); #stops = []; #abort; #due; #asking = false;
  complete = false; error; cut = 0; // values of which only the beginning is here

  constructor(namespace, changed) {
    this.#namespace = namespace;
    this.#changed = changed;
  }

  /** The rows to show. */
  get list() { return this.#shown ?? this.#rows; }

  /** How many there are so far. */
  get count() { return this.#rows.length; }

  /** The row of a key. */
  at(key) {
    const row = this.#rows[seek(this.#rows, key)];
    return row?.key === key ? row : undefined;
  }

  /** Loads, and follows what happens from now on. Returns how to stop. */
  begin() {
    const top = this.#namespace.split('/')[0];
    const on = (event) => this.#event(event);
    this.#follow({ namespace: this.#namespace }, on);
    if (top !== this.#namespace) this.#follow({ namespace: top, values: 'none' }, (event) => { if (event.namespace !== this.#namespace) on(event); });
    this.#load();
    return () => {
      this.#abort?.abort();
      this.#stops.splice(0).forEach((stop) => stop());
      this.#due?.();
      this.#due = undefined;
    };
  }

  /** Loads everything again. */
  again() {
    this.#rows = [];
    this.#pending.clear();
    this.cut = 0;
    this.#filter();
    this.#load();
  }

  /** Shows only rows with all words in key or value, and inherited ones only if wanted. `extra`: keys that match beyond what is kept. */
  filter(text, inherited, extra = new Set()) {
    this.#words = wordsOf(text);
    this.#inherited = inherited;
    this.#extra = extra;
    this.#filter();
    this.#tell();
  }

  #follow(filter, on) {
    this.#stops.push(follow({ ...filter, events: 'config' }, { after: node.value.position || 'now', on, anew: () => this.again() }));
  }

  async #load() {
    this.#abort?.abort();
    const { signal } = this.#abort = new AbortController();
    this.complete = false;
    this.error = undefined;
    try {
      for await (const page of pages(`${nsPath(this.#namespace)}/config`, { resolve: true, limit }, { signal })) {
        if (signal.aborted) return;
        this.#append(page);
        await new Promise((resolve) => { setTimeout(resolve); }); // the page is drawn before the next comes
      }
      this.complete = true;
      this.#settle();
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
    }
    this.#tell();
  }

  #append(page) {
    for (const entry of page) {
      const row = rowOf(entry, this.#namespace);
      if (row.length > kept) this.cut++;
      this.#rows.push(row);
      if (this.#shown && this.#passes(row)) this.#shown.push(row);
    }
    this.#settle();
    this.#tell();
  }

  // Events about keys whose page has come meanwhile.
  #settle() {
    for (const [key, event] of this.#pending) {
      if (!this.#reached(key)) continue;
      this.#pending.delete(key);
      this.#patch(event);
    }
  }

  #reached(key) { return this.complete || key <= (this.#rows.at(-1)?.key ?? ''); }

  #event(event) {
    if (!event.key) return;
    if (event.namespace === this.#namespace) {
      if (this.#reached(event.key)) this.#patch(event);
      else this.#pending.set(event.key, event);
    } else if (this.#namespace.startsWith(`${event.namespace}/`) && this.#reached(event.key)) {
      this.#fetch(event.key);
    }
  }

  #patch(event) {
    const { key, data } = event;
    const row = this.at(key);
    if (row?.own && row.index >= event.index) return;
    if (data.type === undefined) { // deleted: perhaps one above answers now
      if (row?.own) this.#put(key, undefined);
      if (this.#namespace.includes('/')) this.#fetch(key);
    } else if (inexact(data.value)) {
      this.#fetch(key);
    } else {
      const next = rowOf({ key, value: data.value, type: data.type, version: data.version, index: event.index, updatedAt: event.time, updatedBy: event.actor }, this.#namespace);
      this.#put(key, { ...next, fresh: Date.now() });
    }
    this.#tell();
  }

  #put(key, row) {
    for (const rows of [this.#rows, this.#shown]) {
      if (!rows) continue;
      const i = seek(rows, key);
      const there = rows[i]?.key === key ? 1 : 0;
      if (row && (rows === this.#rows || this.#passes(row))) rows.splice(i, there, row);
      else rows.splice(i, there);
    }
  }

  async #fetch(key) {
    this.#ask.add(key);
    if (this.#asking) return;
    this.#asking = true;
    await new Promise((resolve) => { setTimeout(resolve, 60); });
    const keys = [...this.#ask];
    this.#ask.clear();
    try {
      if (keys.length > fetchMost) this.again();
      else for (const one of keys) await this.#one(one);
    } finally {
      this.#asking = false;
    }
    if (this.#ask.size) this.#fetch([...this.#ask][0]);
    this.#tell();
  }

  async #one(key) {
    try {
      const entry = await entryOf(this.#namespace, key, { resolve: true, signal: this.#abort.signal });
      if (!entry) this.#put(key, undefined);
      else if (this.at(key)?.index !== entry.index) this.#put(key, { ...rowOf(entry, this.#namespace), fresh: Date.now() });
    } catch { /* the frame says how the node is */ }
  }

  #passes(row) {
    if (!row.own && !this.#inherited) return false;
    return this.#words.every((word) => row.hay.includes(word)) || this.#extra.has(row.key);
  }

  #filter() {
    this.#shown = this.#words.length === 0 && this.#inherited ? undefined : this.#rows.filter((row) => this.#passes(row));
  }

  #tell() {
    this.#due ??= atFrame(() => { this.#due = undefined; this.#changed(); });
  }
}
