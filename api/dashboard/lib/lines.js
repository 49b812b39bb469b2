// Answers that come as lines of JSON, read as they come.
import { call, parse } from './api.js';

/** The lines of an NDJSON answer, in arrays as they arrive; ends with the answer, or with the signal. */
export async function* lines(path, { query, signal } = {}) {
  const { response } = await call('GET', path, { query, signal, accept: 'application/x-ndjson', raw: true });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const parts = (rest + value).split('\n');
      rest = parts.pop();
      if (parts.length) yield parts.filter(Boolean).map(parse);
    }
    if (rest.trim()) yield [parse(rest)];
  } finally {
    reader.cancel().catch(() => {});
  }
}
