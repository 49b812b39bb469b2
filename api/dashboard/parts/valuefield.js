// The control that a value of each type is edited with.
import { html, useMemo, useState } from '../lib/ui.js';
import { bytes } from '../lib/format.js';
import { completion } from '../lib/hints.js';
import { shorten, sizeOf, suspicious } from '../lib/text.js';
import { Button, Icon, Note } from './icon.js';
import { Editor } from './editor.js';
import { Field, Input, Segmented, Select } from './form.js';

/** What types are called, for choosing one. */
export const types = [['string', 'Text'], ['number', 'Number'], ['boolean', 'True or false'], ['json', 'JSON'], ['secret-ref', 'Reference to a secret'], ['binary', 'Binary']];

const usual = 1 << 20; // bytes, the limit of a node that was not told another

/**
 * Edits `form.text` as `form.type`. `set` takes changes of the form; `said` is what the schemas say (hints.words); `errors` [{pointer, detail}] stand under it.
 */
export function ValueField({ form, set, said, schemas, errors, onSave }) {
  const { type } = form;
  const text = (t) => set({ text: t });
  const choices = said.choices?.every((c) => typeof c !== 'object') ? said.choices.map(String) : undefined;
  const invalid = errors.length > 0;
  const rules = rulesOf(said);
  const common = { form, text, invalid, rules, onSave, schemas };
  const Control = choices && type !== 'json' && type !== 'binary' && type !== 'boolean' ? Choice : controls[type] ?? Plain;
  return html`<div class="stack tight"><${Control} ...${common} choices=${choices} key=${type} />
    ${rules && html`<p class="soft small any">${rules}</p>`}
    <${Size} form=${form} /><${Wrong} errors=${errors} /></div>`;
}

// What the schemas demand, in a line.
function rulesOf(said) {
  const rules = [...said.rules, said.default !== undefined && `default ${shorten(JSON.stringify(said.default), 60)}`].filter(Boolean).join(' · ');
  return rules && `${rules[0].toUpperCase()}${rules.slice(1)}`;
}

/** What is wrong with a value, each at its place. */
export function Wrong({ errors }) {
  if (errors.length === 0) return null;
  return html`<div role="alert"><ul class="stack tight" aria-label="What is wrong">${errors.map((e) => html`<li class="field"><span class="error"><${Icon} name="x-circle" /><span>${e.pointer && html`<code>${e.pointer}</code> `}${e.detail}</span></span></li>`)}</ul></div>`;
}

function Size({ form }) {
  const n = form.type === 'binary' ? Math.floor(form.text.replace(/[\s=]/g, '').length * 0.75) : form.text.length > 1_000 ? sizeOf(form.text) : 0;
  if (form.type !== 'binary' && n < 4_096) return null;
  return html`<p class="small ${n > usual ? '' : 'soft'}">${bytes(n)}${n > usual / 2 ? ' of 1 MiB, which is the limit unless the cluster was given another' : ''}</p>`;
}

const quotes = 'Text is saved as it is, without quotes.';

function Plain({ form, text, invalid, onSave }) {
  const [long, setLong] = useState(false);
  const several = long || form.text.length > 300 || /[\r\n]/.test(form.text) || suspicious(form.text);
  if (!several) {
    return html`<${Input} label="Value" mono value=${form.text} onInput=${text} hint=${quotes} aria-invalid=${invalid || undefined} onKeyDown=${(e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) onSave(); }} />
      <div><${Button} quiet small icon="list" onClick=${() => setLong(true)}>Several lines<//></div>`;
  }
  return html`<div class="field"><span class="label" aria-hidden="true">Value</span><${Editor} label="Value" value=${form.text} onInput=${text} onSave=${onSave} invalid=${invalid} autofocus=${long} />
    ${/\r/.test(form.text) && html`<${Note} tone="warn"><p>Lines of this text end in CR LF. Once you change it here they end in LF.</p><//>`}</div>`;
}

function Json({ form, text, invalid, onSave, schemas }) {
  const complete = useMemo(() => completion(schemas), [schemas]);
  return html`<div class="field"><span class="label" aria-hidden="true">Value</span><${Editor} label="Value" language="json" value=${form.text} onInput=${text} onSave=${onSave} invalid=${invalid} complete=${complete} />
    <span class="hint">Ctrl Space completes from the schema. Numbers are kept as you write them.</span></div>`;
}

const Figure = ({ form, text, invalid, onSave }) => html`<${Input} label="Value" mono inputmode="decimal" value=${form.text} onInput=${text} aria-invalid=${invalid || undefined}
  onKeyDown=${(e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) onSave(); }} />`;

const Switch = ({ form, text }) => html`<div class="field"><span class="label" aria-hidden="true">Value</span><div><${Segmented} label="Value" value=${form.text} options=${[['true', 'true'], ['false', 'false']]} onInput=${text} /></div></div>`;

function Choice({ form, text, choices, invalid }) {
  const all = choices.includes(form.text) ? choices : [form.text, ...choices];
  return html`<${Select} label="Value" value=${form.text} options=${all.map((c) => [c, choices.includes(c) ? c : form.text === '' ? 'Choose …' : `${shorten(c, 60)} (not allowed)`])} onInput=${text} aria-invalid=${invalid || undefined} hint="The schema allows these." />`;
}

const schemes = { vault: 'path#field, for example pay/db#password', keyvault: 'vault/secret', env: 'NAME of an environment variable', file: '/path/of/a/file' };

function Reference({ form, text, invalid }) {
  const [, scheme = 'vault', rest = form.text] = form.text.match(/^(vault|keyvault|env|file):\/\/(.*)$/s) ?? [];
  return html`<div class="form-grid reference"><${Select} label="Where the secret is" value=${scheme} options=${Object.keys(schemes).map((s) => [s, `${s}://`])} onInput=${(s) => text(`${s}://${rest}`)} />
    <${Input} label="What it is there" mono value=${rest} hint=${schemes[scheme]} onInput=${(r) => text(`${scheme}://${r}`)} aria-invalid=${invalid || undefined} /></div>
    <p class="soft small">Only this reference is stored. Whoever reads it needs access to the secret itself.</p>`;
}

function Binary({ form, text, invalid }) {
  const [name, setName] = useState('');
  const [raw, setRaw] = useState(false);
  const take = async (file) => {
    if (!file) return;
    const reader = new FileReader();
    reader.onload = () => { setName(file.name); text(String(reader.result).split(',')[1] ?? ''); };
    reader.readAsDataURL(file);
  };
  return html`<${Field} label="File" hint=${name ? `${name} is taken; nothing is saved yet.` : 'The file’s bytes become the value.'}>${(a) => html`<input type="file" class="input" ...${a} onChange=${(e) => take(e.target.files[0])} />`}<//>
    ${raw ? html`<div class="field"><span class="label" aria-hidden="true">Base64</span><${Editor} label="Value in base64" value=${form.text} onInput=${text} invalid=${invalid} /></div>` : html`<div><${Button} quiet small icon="edit-3" onClick=${() => setRaw(true)}>Edit as base64<//></div>`}`;
}

const controls = { string: Plain, number: Figure, boolean: Switch, json: Json, 'secret-ref': Reference, binary: Binary };
