// What the node would say of a value before it is saved.
import { useEffect, useState } from '../lib/ui.js';
import { call, Problem } from '../lib/api.js';
import { malformed, tagsOf } from '../lib/editing.js';
import { step } from '../lib/text.js';

/** A pointer into the namespace or the body, as one into the value of the key. */
export function within(pointer, key) {
  const own = `/${step(key)}`;
  if (pointer === own || pointer.startsWith(`${own}/`)) return pointer.slice(own.length);
  return /^\/changes\/0(\/value)?$/.test(pointer) ? '' : pointer.replace(/^\/changes\/0\/value/, '');
}

/**
 * The node's verdict on what is typed, asked when one pauses: {errors: [{pointer, detail}], local (it is not even a value of its type), pending}.
 */
export function useJudge(namespace, key, form, off) {
  const [state, setState] = useState({ errors: [] });
  const wrong = off ? '' : malformed(form);
  const { type, text, description, tags } = form;
  useEffect(() => {
    if (off || wrong) return undefined;
    const abort = new AbortController();
    setState((s) => ({ ...s, pending: true }));
    const timer = setTimeout(() => judge(namespace, key, form, abort.signal).then((errors) => { if (!abort.signal.aborted) setState({ errors }); }), text.length > 100_000 ? 1_500 : 300);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [namespace, key, type, text, description, tags, wrong, off]);
  if (wrong) return { errors: [{ pointer: '', detail: wrong }], local: true, pending: false };
  return off ? { errors: [] } : state;
}

async function judge(namespace, key, form, signal) {
  try {
    const { data } = await call('POST', '/api/v1/validate', { signal, body: { namespace, changes: [{ key, value: form.text, type: form.type, ...(form.description && { description: form.description }), ...(form.tags && { tags: tagsOf(form.tags) }) }] } });
    return data.valid ? [] : data.errors.map((e) => ({ pointer: within(e.pointer, key), detail: e.detail }));
  } catch (problem) {
    if (signal.aborted) return [];
    if (!(problem instanceof Problem)) throw problem;
    if (problem.passing || problem.status === 403 || problem.status === 429) return []; // saving will say it
    return problem.errors.length ? problem.errors.map((e) => ({ pointer: within(e.pointer, key), detail: e.detail })) : [{ pointer: '', detail: problem.message }];
  }
}
