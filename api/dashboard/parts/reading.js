// A key's value and the facts about it.
import { html, useEffect, useRef, useState } from '../lib/ui.js';
import { get, nsPath } from '../lib/api.js';
import { keyHref } from '../lib/route.js';
import { useData } from '../lib/data.js';
import { count } from '../lib/format.js';
import { Chip, Note } from './icon.js';
import { Card, Facts } from './table.js';
import { Time } from './time.js';
import { Text, TypeChip, ValueBlock } from './value.js';

// What the schemas in force say about a key by its name; the nearest comes first.
function hintsOf(effective, key) {
  const found = [];
  for (const { from, schema } of effective ?? []) {
    if (typeof schema !== 'object' || schema === null) continue;
    const own = schema.properties && Object.hasOwn(schema.properties, key) ? [schema.properties[key]] : [];
    const patterns = Object.entries(schema.patternProperties ?? {}).filter(([p]) => { try { return new RegExp(p, 'u').test(key); } catch { return false; } }).map(([, s]) => s);
    for (const rule of [...own, ...patterns]) if (typeof rule === 'object' && rule !== null) found.push({ from, rule });
  }
  return found;
}

/** What the schemas in force say about a key by its name: [{from, rule}], the nearest first. */
export function useHints(namespace, key) {
  const state = useData(namespace, (signal) => get(`${nsPath(namespace)}/schema`, { resolve: true }, { signal }).catch(() => ({})), { filter: { namespace, events: 'namespace.schema-changed' } });
  return hintsOf(state.data?.effective, key);
}

/** Why the schema calls a key deprecated, in words; '' when it does not. */
export function saysDeprecated(hints) {
  const found = hints.find((h) => h.rule['x-confman-deprecated']);
  if (!found) return '';
  const said = found.rule['x-confman-deprecated'];
  return typeof said === 'string' ? said : `The schema of ${found.from} says that it is on its way out.`;
}

/** The value in full, and beside it who, when, which version, what the schema says. `flash`: a number that changes when the value just did. */
export function Reading({ keyName, entry, inherited, hints = [], title = 'Value', flash }) {
  const deprecated = saysDeprecated(hints);
  const box = useRef();
  const [before] = useState(flash);
  useEffect(() => {
    if (flash === undefined || flash === before) return;
    box.current.classList.remove('fresh');
    requestAnimationFrame(() => box.current?.classList.add('fresh'));
  }, [flash]);
  const flag = (name) => hints.some((h) => h.rule[name]);
  const said = hints.find((h) => h.rule.title || h.rule.description);
  return html`<div class="side">
    <div ref=${box}><${Card} title=${title} actions=${html`<${TypeChip} type=${entry.type} />`}>
      ${entry.type === 'secret-ref' && html`<p class="soft small">A reference: the secret itself is kept elsewhere, and whoever reads this key fetches it there.</p>`}
      <${ValueBlock} value=${entry.value} type=${entry.type} name=${keyName} label=${`Value of ${keyName}`} /><//></div>
    <${Card} title="Facts"><${Facts} of=${[
    ['Version', html`${count(entry.version)} <span class="soft">· event ${entry.index}</span>`],
    ['Changed', html`<${Time} at=${entry.updatedAt} relative /> by <${Text} text=${entry.updatedBy} />`],
    ['Comment', entry.comment && html`<${Text} text=${entry.comment.slice(0, 1000)} />`],
    ['Created', entry.createdAt && html`<${Time} at=${entry.createdAt} relative />${entry.createdBy && html` by <${Text} text=${entry.createdBy} />`}`],
    ['Inherited', inherited && html`from <a class="mono" href=${keyHref(entry.from, keyName)}>${entry.from}</a>`],
    ['Schema', said && html`${said.rule.title && html`<strong><${Text} text=${String(said.rule.title)} /></strong> `}<${Text} text=${String(said.rule.description ?? '')} /> <span class="soft small">(${said.from})</span>`],
    ['Rules', (flag('x-confman-immutable') || flag('x-confman-secret-ref')) && html`<span class="row tight">${flag('x-confman-immutable') && html`<${Chip} icon="lock" title="The schema does not let it change">immutable<//>`}
      ${flag('x-confman-secret-ref') && html`<${Chip} icon="shield" title="The schema wants a reference to a secret">secret reference only<//>`}</span>`],
  ]} />${deprecated && html`<div class="after"><${Note} tone="warn" title="Deprecated"><p><${Text} text=${deprecated} /></p><//></div>`}<//></div>`;
}
