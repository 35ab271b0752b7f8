"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
// Okabe and Ito's colours, which the colour-blind tell apart, and two more.
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07d00", "#4aa3d8", "#7a5195", "#8c564b"];
const dashes = [[], [9, 4], [2, 3], [9, 3, 2, 3], [16, 4], [4, 4]];
const names = data.caches;
if (!Object.keys(data.units).length) data.units.entries = {sizes: [], packets: [], bytes: [], best: [], bound: null}; // interrupted before the first point
let k = 0;
for (const c of names) {
  if (c.bound) { c.colour = "#111"; c.dash = [[7, 4], [2, 3], [10, 3, 2, 3], [14, 5], [4, 2]][(names.filter(x => x.bound).indexOf(c)) % 5]; c.css = "dashed"; }
  else { c.colour = colours[k % colours.length]; c.dash = dashes[Math.floor(k / colours.length) % dashes.length]; c.css = c.dash.length ? (c.dash[0] < 3 ? "dotted" : "dashed") : "solid"; k++; }
}
const group = n => String(n).replace(/\B(?=(\d{3})+$)/g, "\u2009");
const short = n => n >= 1e9 ? +(n / 1e9).toFixed(1) + " G" : n >= 1e6 ? +(n / 1e6).toFixed(1) + " M" : n >= 1e4 ? +(n / 1e3).toFixed(1) + " k" : String(+n.toPrecision(6));
const escape = s => s.replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})[c]);
const shown = new Set(data.first);
const charts = {};

// thin leaves out numbers of an axis that would touch.
const thin = (u, vals, text, px) => {
  const every = Math.max(1, Math.ceil(vals.length * px / (u.bbox.width / devicePixelRatio || 1)));
  return vals.map((v, i) => v == null || i % every ? "" : text(v));
};
const log = base => ({
  time: false, distr: 3, log: base,
  range: (u, lo, hi) => lo == null ? [1, base] : lo === hi ? [lo / base, hi * base] : [lo, hi],
});
const powers = base => (u, i, lo, hi) => {
  const out = [];
  for (let e = Math.ceil(Math.log(lo) / Math.log(base) - 1e-9); e <= Math.log(hi) / Math.log(base) + 1e-9; e++) out.push(Math.pow(base, e));
  return out;
};
const axis = (label, o) => Object.assign({label, labelSize: 22, labelFont: "13px system-ui, sans-serif", font: "12px system-ui, sans-serif", stroke: "#3a4552", grid: {stroke: "#e7ebef", width: 1}, ticks: {stroke: "#b9c1cb", width: 1, size: 5}, filter: (u, s) => s}, o);
const width = el => Math.max(200, el.clientWidth);

// chart makes a uPlot that follows its element's width and tells the values
// under the cursor. where(x, i) is the tip's first line.
function chart(id, opts, values, where) {
  const el = $(id);
  const tip = document.createElement("div");
  tip.className = "tip";
  const height = () => el.clientWidth < 600 ? 280 : opts.tall || 340;
  const u = new uPlot(Object.assign({
    width: width(el), height: height(), legend: {show: false}, padding: [10, 14, 0, 0],
    cursor: {points: {size: 6}, drag: {x: false, y: false}},
    hooks: {setCursor: [u => show(u)]},
  }, opts), values, el);
  u.over.appendChild(tip);
  u.over.addEventListener("mouseleave", () => { tip.style.display = "none"; });
  function show(u) {
    const i = u.cursor.idx;
    if (i == null || u.cursor.left < 0) { tip.style.display = "none"; return; }
    const rows = [];
    for (let s = 1; s < u.series.length; s++) {
      const v = u.data[s][i];
      if (u.series[s].show && v != null) rows.push([v, u.series[s]]);
    }
    if (!rows.length) { tip.style.display = "none"; return; }
    if (opts.sort) rows.sort((a, b) => opts.sort * (a[0] - b[0]));
    const most = 16;
    tip.innerHTML = "<b>" + escape(where(u.data[0][i], i)) + "</b>" + rows.slice(0, most).map(r =>
      "<div><i style='border-top:3px " + (r[1].css || "solid") + " " + r[1].colour + "'></i>" + escape(r[1].label) + "<span>" + opts.text(r[0]) + "</span></div>").join("") +
      (rows.length > most ? "<div>and " + (rows.length - most) + " more</div>" : "");
    tip.style.display = "block";
    const w = u.over.clientWidth, left = u.cursor.left;
    const x = left + 14 + tip.offsetWidth > w ? left - 14 - tip.offsetWidth : left + 14;
    tip.style.left = Math.max(0, Math.min(x, w - tip.offsetWidth)) + "px";
    tip.style.top = "4px";
  }
  new ResizeObserver(() => { if (width(el) !== u.width) u.setSize({width: width(el), height: height()}); }).observe(el);
  charts[id] = u;
  return u;
}
const line = (label, colour, o) => Object.assign({label, stroke: colour, colour, width: 1.8, points: {show: false}, spanGaps: true}, o);
const percent = v => v.toFixed(2) + " %";

// Miss-ratio curves.
const unit = $("unit"), metric = $("metric"), size = $("size");
const option = (sel, value, text) => { const o = document.createElement("option"); o.value = value; o.textContent = text; sel.appendChild(o); };
for (const n of Object.keys(data.units)) option(unit, n, n);
option(metric, "packets", "packets");
if (data.bytes) option(metric, "bytes", "bytes");
for (const u of Object.values(data.units)) if (u.bound != null && ![...metric.options].some(o => o.value === "above")) option(metric, "above", "packets, above the bound");
const of = () => data.units[unit.value];
const curves = () => {
  const u = of();
  if (metric.value !== "above") return [u.sizes].concat(u[metric.value]);
  const b = u.bound == null ? [] : u.packets[u.bound];
  return [u.sizes].concat(u.packets.map(row => row.map((v, k) => v == null || b[k] == null ? null : v - b[k])));
};
const what = () => metric.value === "above" ? "misses above " + (of().bound == null ? "the bound" : names[of().bound].name) + " (pp)" : "misses (% of " + metric.value + ")";
const sizeLabel = () => "cache size (" + unit.value + ", log₂)";
const cacheSeries = o => names.map((c, i) => line(c.name, c.colour, Object.assign({dash: c.dash, css: c.css, width: c.bound ? 1.6 : 1.9, show: shown.has(i)}, o)));
const xs = {
  log: base => axis("", {size: 34, splits: powers(base), values: (u, v) => thin(u, v, short, 40)}),
  lin: label => axis(label, {size: 34, values: (u, v) => thin(u, v, short, 52)}),
};
const top = chart("chart-curves", {
  tall: 440, sort: -1, text: v => v.toFixed(2) + (metric.value === "above" ? " pp" : " %"),
  scales: {x: log(2), y: {range: (u, lo, hi) => [Math.min(0, lo || 0), hi > 0 ? Math.min(100, hi * 1.05) : 1]}},
  axes: [Object.assign(xs.log(2), {label: sizeLabel()}), axis(what(), {size: 50})],
  series: [{}].concat(cacheSeries({points: {show: true, size: 4}})),
}, curves(), x => group(x) + " " + unit.value);
const keys = $("keys");
const boxes = names.map((c, i) => {
  const l = document.createElement("label");
  l.className = "key";
  l.title = c.is;
  const b = document.createElement("input");
  b.type = "checkbox";
  b.dataset.cache = c.name;
  const s = document.createElement("i");
  s.style.borderTop = "3px " + c.css + " " + c.colour;
  l.append(b, s, c.name);
  b.addEventListener("change", () => { b.checked ? shown.add(i) : shown.delete(i); sync(); });
  keys.append(l);
  return b;
});

function redraw() {
  top.axes[0].label = sizeLabel();
  top.axes[1].label = what();
  top.setData(curves());
}

// Hit ratio over time.
const over = data.windows;
const hits = () => {
  const at = over.units[unit.value];
  const rows = at ? at.hits[size.selectedIndex] || [] : [];
  return [over.x].concat(names.map((c, i) => rows[i] || over.x.map(() => null)));
};
const sizes = () => {
  size.textContent = "";
  const at = over.units[unit.value];
  if (!at) return;
  for (const n of at.sizes) option(size, n, group(n) + " " + unit.value);
  size.selectedIndex = Math.max(0, at.sizes.indexOf(at.first));
};
sizes();
const hitChart = chart("chart-hits", {
  sort: -1, text: percent,
  scales: {x: {time: false}, y: {range: (u, lo, hi) => [0, 100]}},
  axes: [xs.lin("packet"), axis("hits in the window (%)", {size: 50})],
  series: [{}].concat(cacheSeries({width: 1.5})),
}, hits(), x => "around packet " + group(Math.round(x)));

function sync() {
  for (const u of [top, hitChart]) u.batch(() => names.forEach((c, i) => {
    if (u.series[i + 1].show !== shown.has(i)) u.setSeries(i + 1, {show: shown.has(i)});
  }));
  boxes.forEach((b, i) => { b.checked = shown.has(i); b.parentElement.classList.toggle("off", !b.checked); });
}
function pick(which) {
  shown.clear();
  const few = of().best;
  names.forEach((c, i) => { if (which === "all" || which === "best" && few.includes(i)) shown.add(i); });
  sync();
}
for (const b of document.querySelectorAll("[data-pick]")) b.addEventListener("click", () => pick(b.dataset.pick));
unit.addEventListener("change", () => { redraw(); sizes(); hitChart.setData(hits()); });
metric.addEventListener("change", redraw);
size.addEventListener("change", () => hitChart.setData(hits()));
sync();

// Working set, popularity, reuse.
const count = v => group(Math.round(v * 100) / 100);
chart("chart-ws", {
  text: count, scales: {x: {time: false}, y: {range: (u, lo, hi) => [0, Math.max(1, hi * 1.08)]}},
  axes: [xs.lin("packet"), axis("paths in the window", {size: 50})],
  series: [{}, line("different paths", colours[0], {fill: "rgba(0,114,178,.10)"}), line("of these, new", colours[1])],
}, [data.ws.x, data.ws.unique, data.ws.fresh], (x, i) => "packets " + group(data.ws.from[i]) + " to " + group(data.ws.to[i]));
chart("chart-pop", {
  text: count, scales: {x: log(10), y: log(10)},
  axes: [Object.assign(xs.log(10), {label: "rank of the path (log)"}), axis("packets (log)", {size: 56, splits: powers(10), values: (u, v) => v.map(short)})],
  series: [{}, line("packets", colours[0], {width: 0, stroke: colours[0], paths: () => null, points: {show: true, size: 4, fill: colours[0]}}), line("Zipf fit", colours[1], {dash: [7, 4], css: "dashed"})],
}, [data.pop.rank, data.pop.requests, data.pop.fit], x => "rank " + group(x));
chart("chart-reuse", {
  text: percent, scales: {x: log(2), y: {range: () => [0, 100]}},
  axes: [Object.assign(xs.log(2), {label: "distance (log₂)"}), axis("repeats within it (%)", {size: 50})],
  series: [{}, line("different paths since", colours[0]), line("packets since", colours[1], {dash: [9, 4], css: "dashed"})],
}, [data.reuse.to, data.reuse.stack, data.reuse.time], x => "within " + group(x));
for (const el of document.querySelectorAll("[data-keys]")) for (const s of charts[el.dataset.keys].series.slice(1)) {
  const k = document.createElement("span"), i = document.createElement("i");
  k.className = "key still";
  i.style.borderTop = "3px " + (s.css || "solid") + " " + s.colour;
  k.append(i, s.label);
  el.append(k);
}
window.jitnic = {charts, names, shown};
})();
