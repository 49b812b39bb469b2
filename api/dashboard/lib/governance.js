// What a namespace's settings mean for somebody who wants to change something there now.
import { Exact } from './api.js';
import { when } from './format.js';

const weekday = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const minutes = (clock) => { const [h, m] = clock.split(':').map(Number); return 60 * h + m; };

// A window in words: "mon tue 09:00–17:00 Europe/Berlin".
const windowText = (w) => `${w.days?.length ? w.days.join(' ') : 'every day'} ${w.from}–${w.to} ${w.timezone || 'UTC'}`;

const formats = new Map();

// The day of the week (0 is Sunday) and the minute of the day at a moment in a time zone.
function local(time, zone = 'UTC') {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
    formats.set(zone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(time).map((p) => [p.type, p.value]));
  return { day: weekday.indexOf(parts.weekday.toLowerCase()), minute: 60 * Number(parts.hour) + Number(parts.minute) };
}

// Whether a moment is in a window; one that does not end after it begins ends on the next day.
function within(w, time) {
  const { day, minute } = local(time, w.timezone || 'UTC');
  const [from, to] = [minutes(w.from), minutes(w.to)];
  const on = (d) => !w.days?.length || w.days.includes(weekday[(d + 7) % 7]);
  if (from < to) return on(day) && minute >= from && minute < to;
  return (on(day) && minute >= from) || (on(day - 1) && minute < to);
}

/**
 * What keeps changes from being made now, in words, from resolved settings: {text, until (ms, absent when not known)}; undefined when nothing does.
 */
export function held(settings, now = Date.now()) {
  const freezes = (settings?.freezes ?? []).filter((f) => Date.parse(f.from) <= now && now < Date.parse(f.until));
  if (freezes.length) {
    const last = freezes.reduce((a, b) => (Date.parse(a.until) > Date.parse(b.until) ? a : b));
    return { text: `Frozen until ${when(last.until)}: ${last.reason}`, until: Date.parse(last.until) };
  }
  const windows = settings?.windows ?? [];
  try {
    if (windows.length === 0 || windows.some((w) => within(w, now))) return undefined;
    return { text: `Changes are made only ${windows.map(windowText).join(', ')}. ${opening(windows, now)}`, until: next(windows, now) };
  } catch { // a time zone that this browser does not know
    return undefined;
  }
}

const minute = 60_000;

// When a window opens, to the minute; one that is open for less than five is not seen.
function next(windows, now) {
  const open = (t) => windows.some((w) => within(w, t));
  for (let t = Math.ceil(now / minute) * minute; t < now + 8 * 86_400_000; t += 5 * minute) {
    if (!open(t)) continue;
    while (t - minute > now && open(t - minute)) t -= minute;
    return t;
  }
  return undefined;
}

function opening(windows, now) {
  const t = next(windows, now);
  return t ? `The next window opens ${when(t)}.` : '';
}

/** Which ways a change can take: {direct, why (not), approvals (needed), held}. */
export function ways(settings, now = Date.now()) {
  const hold = held(settings, now);
  const approvals = settings?.requireApproval ? settings.minApprovers ?? 1 : 0;
  const why = approvals ? `Changes in ${settings.from?.requireApproval ?? 'this namespace'} need approval.` : hold?.text ?? '';
  return { direct: !why, why, approvals, held: hold };
}

/** What a live value's type must be, where only the value is told: the proposed type if that fits. */
export function typeOf(value, likely) {
  const kind = typeof value === 'string' ? 'string' : typeof value === 'boolean' ? 'boolean' : typeof value === 'number' || value instanceof Exact ? 'number' : 'json';
  if (likely === 'json') return 'json';
  return kind === 'string' && (likely === 'secret-ref' || likely === 'binary') ? likely : kind;
}
