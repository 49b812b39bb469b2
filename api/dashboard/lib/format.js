// Numbers, sizes, durations and times, as people of the browser's language write them.

const language = () => globalThis.navigator?.language || 'en';
const number = new Intl.NumberFormat(language());
const short = new Intl.NumberFormat(language(), { notation: 'compact', maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(language(), { dateStyle: 'medium', timeStyle: 'medium' });
const hours = new Intl.DateTimeFormat(language(), { timeStyle: 'medium' });
const relative = new Intl.RelativeTimeFormat(language(), { numeric: 'auto', style: 'short' });

/** 12,345 */
export const count = (n) => (n === undefined || n === null ? '–' : number.format(n));

/** 12.3K */
export const compact = (n) => (n === undefined || n === null ? '–' : short.format(n));

/** "1 key", "1,204 keys" */
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** Bytes in binary units: 1.5 MiB. */
export function bytes(n) {
  if (n === undefined || n === null) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let unit = 0;
  for (; n >= 1024 && unit < units.length - 1; unit++) n /= 1024;
  return `${n >= 100 || unit === 0 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`;
}

/** Milliseconds as the two units that matter: 3 d 4 h, 12 s, 340 ms. */
export function duration(ms) {
  if (ms === undefined || ms === null || Number.isNaN(ms)) return '–';
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const parts = [['d', 86_400_000], ['h', 3_600_000], ['min', 60_000], ['s', 1_000]];
  const from = parts.findIndex(([, size]) => ms >= size);
  const [unit, size] = parts[from];
  const whole = Math.floor(ms / size);
  const next = parts[from + 1];
  const rest = next && whole < 10 ? Math.floor((ms % size) / next[1]) : 0;
  return rest ? `${whole} ${unit} ${rest} ${next[0]}` : `${whole} ${unit}`;
}

/** Local date and time. */
export const when = (time) => clock.format(new Date(time));

/** Local time of day. */
export const timeOfDay = (time) => hours.format(new Date(time));

/** The same as the API writes it: RFC 3339, UTC, to the second. */
export const utc = (time) => new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');

/** "3 min. ago", "in 2 hr." */
export function ago(time, now = Date.now()) {
  const s = (new Date(time).getTime() - now) / 1000;
  const abs = Math.abs(s);
  if (abs < 5) return 'just now';
  for (const [unit, size] of [['day', 86_400], ['hour', 3_600], ['minute', 60]]) {
    if (abs >= size) return relative.format(Math.round(s / size), unit);
  }
  return relative.format(Math.round(s), 'second');
}

/** For <input type="datetime-local">, in local time; '' for what is no time. */
export function localInput(time) {
  const d = new Date(time);
  if (Number.isNaN(d.getTime())) return '';
  return new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
