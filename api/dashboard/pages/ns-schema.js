// The schema of a namespace: what holds and where it comes from, its own, and what a new one would have refused.
import { html, useMemo, useState } from '../lib/ui.js';
import { nsPath, parse, write } from '../lib/api.js';
import { count, plural } from '../lib/format.js';
import { keyHref, nsHref, withQuery } from '../lib/route.js';
import { textOf } from '../lib/text.js';
import { lacking, useRole } from '../lib/session.js';
import { Editor } from '../parts/editor.js';
import { Check, Select } from '../parts/form.js';
import { Button, Chip, Failure, Loaded, Loading, Note } from '../parts/icon.js';
import { Changed, Moved, SavePolicy, useEditing, usePolicy } from '../parts/policy.js';
import { complete } from '../parts/schema-words.js';
import { Card } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { Text, ValueBlock } from '../parts/value.js';

const begun = '{\n  "type": "object",\n  "properties": {\n    \n  }\n}';

/** The tab of a namespace. */
export function NamespaceSchema({ namespace }) {
  const path = `${nsPath(namespace)}/schema`;
  const state = usePolicy(path, 'namespace.schema-changed');
  return html`<div class="stack"><${Loaded} of=${state}>${(data) => html`<${Above} namespace=${namespace} effective=${data.effective.effective ?? []} />
    <${Own} key=${namespace} namespace=${namespace} path=${path} data=${data} reload=${state.again} />`}<//></div>`;
}

function Above({ namespace, effective }) {
  const others = effective.filter((e) => e.from !== namespace);
  if (others.length === 0) return null;
  return html`<${Card} title="From the namespaces above"><div class="stack"><p class="soft">A value must satisfy each of these, too.</p>
    ${others.map((e) => html`<details key=${e.from}><summary><a class="mono" href=${nsHref(e.from, 'schema')}>${e.from}</a> <span class="soft small">since event ${count(e.index)}</span></summary><${ValueBlock} value=${e.schema} type="json" label=${`Schema of ${e.from}`} /></details>`)}</div><//>`;
}

const sent = (schema, inherit) => ({ schema, ...(inherit ? {} : { inherit: false }) });

function read(text) {
  try {
    return { schema: parse(text) };
  } catch (error) {
    return { fault: `This is no JSON: ${error.message}` };
  }
}

function Own({ namespace, path, data, reload }) {
  const { role, may } = useRole(namespace);
  const why = role && !may('admin') ? lacking('admin', namespace) : '';
  const [edit, setEdit] = useState(); // {text, inherit, began}
  const [dialog, setDialog] = useState('');
  const form = useEditing(Boolean(edit));
  const own = data.own;
  const begin = () => setEdit({ text: own.schema === undefined ? begun : textOf(own.schema, { indent: 2 }), inherit: own.inherit !== false, began: data });
  const before = sent(edit?.began.own.schema ?? null, edit?.began.own.inherit !== false);
  const { schema, fault } = useMemo(() => (edit ? read(edit.text) : {}), [edit?.text]);
  const wrong = fault ?? (edit && (schema === null || typeof schema !== 'object' || Array.isArray(schema)) && typeof schema !== 'boolean' ? 'A schema is an object.' : '');
  const after = dialog === 'remove' ? sent(null, edit?.inherit ?? true) : sent(schema, edit?.inherit ?? true);
  const same = edit && !wrong && textOf(before) === textOf(after);
  const moved = edit && !dialog && edit.began.etag !== data.etag;
  const close = () => setDialog('');
  const remove = () => { if (!edit) begin(); setDialog('remove'); };
  return html`<${Card} title="Own schema" actions=${edit ? html`<${Button} onClick=${() => setEdit(undefined)}>Cancel<//><${Button} main why=${wrong || (same ? 'Nothing is changed yet.' : '')} onClick=${() => setDialog('save')}>Look at the change …<//>`
    : html`${own.schema !== undefined && html`<${Button} danger icon="trash-2" why=${why} onClick=${remove}>Take away …<//>`}<${Button} icon="pencil" data-key="e" why=${why} onClick=${begin}>${own.schema === undefined ? 'Write one' : 'Edit'}<//>`}>
    <div class="stack" ref=${form}>${moved && html`<${Moved} onTake=${begin} />`}
      ${edit ? html`<${Editor} language="json" label=${`Schema of ${namespace}`} value=${edit.text} complete=${complete} invalid=${Boolean(wrong)} autofocus onInput=${(text) => setEdit((e) => ({ ...e, text }))} onSave=${() => !wrong && !same && setDialog('save')} />
        ${wrong && html`<p class="field"><span class="error" role="alert">${wrong}</span></p>`}
        ${namespace !== '/' && html`<${Check} label="Schemas of the namespaces above hold here, too" checked=${edit.inherit} onInput=${(inherit) => setEdit((e) => ({ ...e, inherit }))} />`}
        <${BackTest} key=${`${edit.text}${edit.inherit}`} path=${path} body=${after} why=${wrong || why} />`
    : own.schema === undefined ? html`<p class="soft">This namespace has no schema of its own: any value of any type may be written. A schema says which keys there are, what their values look like, and what they are for; editors see it while they type.</p>`
      : html`<${ValueBlock} value=${own.schema} type="json" label=${`Schema of ${namespace}`} />${own.inherit === false && html`<p><${Chip} tone="warn">not inherited<//> Schemas of the namespaces above do not hold here.</p>`}<${BackTest} path=${path} body=${sent(own.schema, own.inherit !== false)} why=${why} />`}
      ${!edit && html`<${Changed} own=${own} />`}</div>
    ${dialog && edit && html`<${Save} namespace=${namespace} path=${path} before=${before} after=${after} etag=${edit.began.etag} remove=${dialog === 'remove'} onClose=${close} saved=${() => reload().then(() => { setEdit(undefined); close(); })} conflict=${reload} />`}<//>`;
}

function Save({ namespace, path, before, after, etag, remove, onClose, saved, conflict }) {
  const [broken, setBroken] = useState(false);
  const [force, setForce] = useState(false);
  return html`<${SavePolicy} title=${remove ? `Take away the schema of ${namespace}` : `Change the schema of ${namespace}`} path=${path} old=${before.schema === null ? undefined : before} now=${after.schema === null ? undefined : after}
    body=${{ ...after, ...(force && { force: true }) }} etag=${etag} comments danger=${remove || force} verb=${remove ? 'Take the schema away' : force ? 'Save all the same' : 'Save the schema'} onClose=${onClose} saved=${saved} conflict=${conflict} onError=${(e) => e.status === 422 && setBroken(true)}>
    <p class="soft">${remove ? 'Values are no longer held to it. The history keeps it.' : 'It holds for all that is written from now on, here and below.'}</p>
    ${broken && html`<${Note} tone="warn" title="Live values break it"><p>They stay as they are until somebody changes them; what is written next must satisfy the schema.</p><${Check} label="Save it although live values break it" checked=${force} onInput=${setForce} /><//>`}<//>`;
}

// What a schema would say of the live values, and of what was changed lately.
function BackTest({ path, body, why }) {
  const [last, setLast] = useState('100');
  const [state, setState] = useState({});
  const run = () => {
    setState({ busy: true });
    write('POST', path, body, { query: { dry_run: true, last } }).then((a) => setState({ result: a.data }), (error) => setState({ error }));
  };
  return html`<section class="stack tight" aria-label="Back-test"><div class="filters"><${Select} label="Back-test against the last" value=${last} options=${[['100', '100 changes'], ['1000', '1,000 changes'], ['0', 'no changes, only what is live']]} onInput=${setLast} />
      <${Button} icon="history" busy=${state.busy} why=${why} onClick=${run}>Back-test<//></div>
    <div role="status">${state.busy && html`<${Loading}>Judging …<//>`}${state.result && html`<${Verdict} result=${state.result} />`}</div><${Failure} error=${state.error} again=${run} /></section>`;
}

const Errors = ({ errors }) => html`<ul>${errors.slice(0, 20).map((e) => html`<li class="any"><code><${Text} text=${e.pointer || '/'} /></code> <${Text} text=${e.detail} /></li>`)}${errors.length > 20 && html`<li>… and ${count(errors.length - 20)} more</li>`}</ul>`;

function Verdict({ result: r }) {
  const looked = `It looked at ${plural(r.looked, 'past change')}`;
  return html`<div class="stack tight">${r.valid ? html`<${Note} tone="good" title="All live values satisfy it"><p>${looked}${r.changes.length ? '' : ', and would have refused none of them'}.</p><//>`
    : html`<${Note} tone="bad" title=${`Live values in ${plural(r.live.length, 'namespace')} break it`}>${r.live.map((b) => html`<div><a class="mono" href=${nsHref(b.namespace)}>${b.namespace}</a><${Errors} errors=${b.errors} /></div>`)}<//>`}
    ${r.changes.length > 0 && html`<${Note} tone="warn" title=${`It would have refused ${plural(r.changes.length, 'change')} of the past`}><p class="small">${looked}.</p>
      ${r.changes.slice(0, 50).map((c) => html`<div><span class="any"><a href=${withQuery('/ui/audit', { event: c.index })}>Event ${count(c.index)}</a> · <strong><${Text} text=${c.actor} /></strong> · <a class="mono" href=${keyHref(c.namespace, c.key)}>${c.namespace} · <${Text} text=${c.key} /></a> · <${Time} at=${c.time} relative /></span><${Errors} errors=${c.errors} /></div>`)}<//>`}</div>`;
}
