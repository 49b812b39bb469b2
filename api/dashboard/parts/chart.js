// Charts of figures over time: uPlot, in the colours of the page, with the same figures as a table for whoever does not see them.
import { html, useEffect, useRef, useState } from '../lib/ui.js';
import { count, timeOfDay } from '../lib/format.js';

let library;
const uplot = () => (library ??= Promise.all([import('../vendor/uplot.js'), style()]).then(([m]) => m.default));

function style() {
  return new Promise((resolve, reject) => {
    const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: '/dashboard/vendor/uplot.css', onload: resolve, onerror: reject });
    document.head.append(link);
  });
}

const colour = (name) => {
  const probe = document.body.appendChild(Object.assign(document.createElement('i'), { hidden: false }));
  probe.style.color = `var(--${name})`;
  const seen = getComputedStyle(probe).color;
  probe.remove();
  return seen;
};

/**
 * `times` in ms, `series`: [{name, values (null where there is none), tone: a token's name, fill}], `unit(n)` writes a figure. `marks`: times to draw a line at.
 */
export function Chart({ label, times, series, unit = count, height = 150, marks = [] }) {
  const host = useRef();
  const plot = useRef();
  const [theme, setTheme] = useState(0);
  useEffect(() => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const again = () => setTheme((n) => n + 1);
    dark.addEventListener('change', again);
    addEventListener('themechange', again);
    return () => { dark.removeEventListener('change', again); removeEventListener('themechange', again); };
  }, []);

  const names = series.map((s) => s.name).join();
  const data = [times.map((t) => t / 1000), ...series.map((s) => s.values)];
  const latest = useRef();
  latest.current = { data, marks, unit };
  useEffect(() => {
    let over = false;
    let watcher;
    uplot().then((UPlot) => {
      if (over) return;
      const [line, soft, amber] = ['line', 'soft', 'amber'].map(colour);
      const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 }, font: '11px system-ui' };
      plot.current = new UPlot({
        width: host.current.clientWidth || 300, height, legend: { show: false }, cursor: { y: false, points: { size: 6 } }, padding: [8, 8, 0, 0],
        scales: { y: { range: (u, min, max) => [0, Math.max(max * 1.15, 1)] } },
        axes: [{ ...axis, size: 28 }, { ...axis, size: 56, values: (u, all) => all.map((v) => latest.current.unit(v)) }],
        series: [{}, ...series.map((s) => { const c = colour(s.tone ?? 'accent'); return { label: s.name, stroke: c, width: 1.6, fill: s.fill ? c.replace(/^rgb\((.*)\)$/, 'rgba($1, .12)') : undefined, points: { show: false }, spanGaps: false }; })],
        hooks: { draw: [(u) => { for (const t of latest.current.marks) { if (t / 1000 < u.scales.x.min) continue; const x = u.valToPos(t / 1000, 'x', true); u.ctx.save(); u.ctx.strokeStyle = amber; u.ctx.setLineDash([4, 3]); u.ctx.beginPath(); u.ctx.moveTo(x, u.bbox.top); u.ctx.lineTo(x, u.bbox.top + u.bbox.height); u.ctx.stroke(); u.ctx.restore(); } }] },
      }, latest.current.data, host.current);
      watcher = new ResizeObserver(() => { if (host.current) plot.current?.setSize({ width: host.current.clientWidth, height }); });
      watcher.observe(host.current);
    });
    return () => { over = true; watcher?.disconnect(); plot.current?.destroy(); plot.current = undefined; };
  }, [names, height, theme]);
  useEffect(() => { plot.current?.setData(data); });

  const last = times.length - 1;
  const some = [...new Set(Array.from({ length: 12 }, (_, i) => Math.round((i * last) / 11)))].filter((i) => i >= 0);
  return html`<figure class="chart" aria-label=${label}><div ref=${host} aria-hidden="true"></div>
    ${series.length > 1 && html`<div class="row small soft" aria-hidden="true">${series.map((s) => html`<span class="row tight"><span class="pulse" style=${{ color: `var(--${s.tone ?? 'accent'})` }}></span>${s.name}</span>`)}</div>`}
    <figcaption class="out"><table><caption>${label}</caption><thead><tr><th>Time</th>${series.map((s) => html`<th>${s.name}</th>`)}</tr></thead>
      <tbody>${some.map((i) => html`<tr><td>${timeOfDay(times[i])}</td>${series.map((s) => html`<td>${s.values[i] == null ? 'none' : unit(s.values[i])}</td>`)}</tr>`)}</tbody></table></figcaption></figure>`;
}
