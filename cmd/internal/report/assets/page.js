"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const escape = s => s.replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})[c]);
const short = n => n >= 1e9 ? +(n / 1e9).toPrecision(4) + " G" : n >= 1e6 ? +(n / 1e6).toPrecision(4) + " M" : n >= 1e4 ? +(n / 1e3).toPrecision(4) + " k" : String(+n.toPrecision(4));
const group = n => Number.isInteger(n) ? String(n).replace(/\B(?=(\d{3})+$)/g, "\u2009") : short(n);

// look is a series' colour and dashes: those of bounds, and of each colour's first,
// second, … use; plots for papers have the same.
const dashes = [[], [9, 4], [2, 3], [9, 3, 2, 3]], bounds = [[7, 4], [2, 3], [10, 3, 2, 3], [14, 5]];
function look(series) {
  let k = 0, b = 0;
  return series.map(s => {
    const at = s.bound ? b++ : k++;
    const dash = s.bound ? bounds[at % bounds.length] : s.dashed ? dashes[1] : dashes[Math.floor(at / 8) % dashes.length];
    return {colour: css(s.bound ? "--bound" : "--c" + at % 8), dash, css: !dash.length ? "solid" : dash[0] < 3 ? "dotted" : "dashed"};
  });
}

// splits are the powers of an axis' base between, and what lies between them where
// they are few.
const splits = base => (u, i, lo, hi) => {
  const log = x => Math.log(x) / Math.log(base);
  const from = Math.floor(log(lo) - 1e-9), to = Math.ceil(log(hi) + 1e-9);
  const steps = base !== 10 ? [1] : to - from <= 2 ? [1, 2, 5] : to - from <= 4 ? [1, 3] : [1];
  const out = [];
  for (let e = from; e <= to; e++) for (const m of steps) {
    const x = m * Math.pow(base, e);
    if (x >= lo * (1 - 1e-9) && x <= hi * (1 + 1e-9)) out.push(x);
  }
  return out;
};
// thin leaves out numbers of an axis that would touch.
const thin = (u, vals) => {
  const every = Math.max(1, Math.ceil(vals.length * 44 / (u.bbox.width / devicePixelRatio || 1)));
  return vals.map((v, i) => v == null || i % every ? "" : short(v));
};
const axis = (label, base, o) => Object.assign({
  label, labelSize: 22, labelFont: "13px system-ui, sans-serif", font: "12px system-ui, sans-serif", stroke: css("--soft"),
  grid: {stroke: css("--faint"), width: 1}, ticks: {stroke: css("--edge"), width: 1, size: 5}, filter: (u, s) => s,
}, base ? {splits: splits(base)} : {}, o);
const scale = (base, pad, linear) => base ? {time: false, distr: 3, log: base, range: (u, lo, hi) => lo == null ? [1, base] : lo === hi ? [lo / base, hi * base] : [lo / pad, hi * pad]} : Object.assign({time: false}, linear);

// bands shades the interval around each line that has one, under the lines.
function bands(u, at, shown, looks) {
  const g = u.ctx;
  g.save();
  g.beginPath();
  g.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  g.clip();
  g.globalAlpha = 40 / 255;
  at.series.forEach((s, k) => {
    if (!at.low || !at.low[k] || !shown.has(s.name)) return;
    const x = i => u.valToPos(at.at[i], "x", true), y = v => u.valToPos(v, "y", true);
    const there = at.at.map((_, i) => i).filter(i => at.low[k][i] != null);
    g.beginPath();
    for (const i of there) g.lineTo(x(i), y(at.high[k][i]));
    for (const i of there.reverse()) g.lineTo(x(i), y(at.low[k][i]));
    g.fillStyle = looks[k].colour;
    g.fill();
  });
  g.restore();
}

const charts = {}, figures = [];
// figure draws a chart as soon as its element can be seen, lets it follow the
// element's width, and tells the values under the cursor.
function figure(c) {
  const el = $("chart-" + c.id), keys = $("keys-" + c.id);
  let at = c; // or one of its choices
  const shown = new Set(c.series.filter(s => !s.hidden).map(s => s.name));
  const size = () => ({width: Math.max(200, el.clientWidth), height: el.clientWidth < 600 ? 270 : c.wide ? 430 : 330});
  const unit = () => at.unit ? " " + at.unit : "";
  const draw = () => {
    if (charts[c.id]) charts[c.id].destroy();
    const looks = look(at.series);
    const tip = document.createElement("div");
    tip.className = "tip";
    const show = u => {
      const i = u.cursor.idx;
      const rows = i == null || u.cursor.left < 0 ? [] : at.series.map((s, k) => [u.data[k + 1][i], s.name, looks[k]]).filter(r => r[0] != null && shown.has(r[1])).sort((a, b) => b[0] - a[0]);
      tip.style.display = rows.length ? "block" : "none";
      if (!rows.length) return;
      tip.innerHTML = "<b>" + escape(at.x) + ": " + group(u.data[0][i]) + "</b>" + rows.slice(0, 16).map(r =>
        "<div><i style='border-top:3px " + r[2].css + " " + r[2].colour + "'></i>" + escape(r[1]) + "<span>" + short(r[0]) + escape(unit()) + "</span></div>").join("") +
        (rows.length > 16 ? "<div>and " + (rows.length - 16) + " more</div>" : "");
      const w = u.over.clientWidth, left = u.cursor.left;
      const x = left + 14 + tip.offsetWidth > w ? left - 14 - tip.offsetWidth : left + 14;
      tip.style.left = Math.max(0, Math.min(x, w - tip.offsetWidth)) + "px";
      tip.style.top = "4px";
    };
    const few = at.at.length <= 40;
    const u = new uPlot(Object.assign(size(), {
      legend: {show: false}, padding: [10, 18, 0, 0], cursor: {points: {size: 6}, drag: {x: false, y: false}}, hooks: {setCursor: [show], drawAxes: [u => bands(u, at, shown, looks)], draw: [u => {
        const g = u.ctx;
        g.save();
        g.strokeStyle = g.fillStyle = css("--soft");
        g.setLineDash([3, 3]);
        g.font = 11 * devicePixelRatio + "px system-ui, sans-serif";
        for (const m of at.marks || []) {
          const x = Math.round(u.valToPos(m.x, "x", true));
          if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
          g.beginPath();
          g.moveTo(x, u.bbox.top);
          g.lineTo(x, u.bbox.top + u.bbox.height);
          g.stroke();
          g.fillText(m.text, x + 4, u.bbox.top + 12 * devicePixelRatio);
        }
        g.restore();
      }]},
      scales: {
        x: scale(at.logx, 1),
        y: scale(at.logy, 1.15, {range: (u, lo, hi) => [Math.min(0, lo || 0), at.top || (hi > 0 ? hi * 1.06 : 1)]}),
      },
      axes: [axis(at.x, at.logx, {size: 34, values: thin}), axis(at.y, at.logy, {size: 58, values: (u, v) => v.map(x => x == null ? "" : short(x))})],
      series: [{}].concat(at.series.map((s, k) => Object.assign({
        label: s.name, show: shown.has(s.name), stroke: looks[k].colour, width: s.bound ? 1.5 : 1.9, dash: looks[k].dash, spanGaps: true,
        points: {show: s.dots || few && !s.bound, size: s.dots ? 4 : 5, fill: looks[k].colour},
      }, s.dots ? {paths: () => null} : {}))),
    }), [at.at].concat(at.lines), el);
    u.over.appendChild(tip);
    u.over.addEventListener("mouseleave", () => { tip.style.display = "none"; });
    charts[c.id] = u;
  };
  const legend = () => {
    const looks = look(at.series);
    keys.textContent = "";
    at.series.forEach((s, k) => {
      const key = document.createElement(c.pick ? "label" : "span"), i = document.createElement("i");
      key.className = c.pick ? "key" : "key still";
      if (s.about) key.title = s.about;
      i.style.borderTop = "3px " + looks[k].css + " " + looks[k].colour;
      if (c.pick) {
        const box = document.createElement("input");
        box.type = "checkbox";
        box.dataset.series = s.name;
        box.checked = shown.has(s.name);
        key.classList.toggle("off", !box.checked);
        box.addEventListener("change", () => toggle(n => n === s.name ? box.checked : shown.has(n)));
        key.append(box);
      }
      key.append(i, s.name);
      if (!c.with) keys.append(key);
    });
  };
  // toggle shows the series that want names, here and in the charts that follow.
  const toggle = want => {
    for (const f of figures) if (f.c === c || f.c.with === c.id) f.set(want);
  };
  const set = want => {
    for (const s of at.series) want(s.name) ? shown.add(s.name) : shown.delete(s.name);
    const u = charts[c.id];
    if (u) u.batch(() => at.series.forEach((s, k) => { if (u.series[k + 1].show !== shown.has(s.name)) u.setSeries(k + 1, {show: shown.has(s.name)}); }));
    legend();
  };
  const controls = $("controls-" + c.id);
  if (c.choices) {
    const pick = document.createElement("select");
    pick.setAttribute("aria-label", "what is shown");
    [c].concat(c.choices).forEach((x, k) => pick.append(new Option(x.name, k)));
    pick.addEventListener("change", () => { at = +pick.value ? c.choices[pick.value - 1] : c; legend(); draw(); });
    controls.append(pick);
  }
  if (c.pick) for (const [name, want] of [["few", n => c.series.some(s => s.name === n && !s.hidden)], ["all", () => true], ["none", () => false]]) {
    const b = document.createElement("button");
    b.type = "button";
    b.textContent = b.dataset.pick = name;
    b.addEventListener("click", () => toggle(want));
    controls.append(b);
  }
  const fit = () => {
    if (!el.clientWidth) return; // in a tab that is not shown
    if (!charts[c.id]) draw();
    else if (size().width !== charts[c.id].width) charts[c.id].setSize(size());
  };
  figures.push({c, set, redraw: () => { legend(); if (charts[c.id]) draw(); }});
  legend();
  new ResizeObserver(fit).observe(el);
  fit();
}

// Tabs: one is seen at a time. Links into another one open it.
const tabs = [...document.querySelectorAll("[role=tab]")];
function pick(name) {
  for (const t of tabs) {
    const on = t.dataset.tab === name;
    t.setAttribute("aria-selected", on);
    t.tabIndex = on ? 0 : -1;
    $("tab-" + t.dataset.tab).hidden = !on;
  }
}
function reach() {
  const el = location.hash.length > 1 && $(decodeURIComponent(location.hash.slice(1)));
  if (!el) return;
  const tab = el.closest("div.tab");
  if (tab) pick(tab.id.slice("tab-".length));
  for (let d = el.closest("details"); d; d = d.parentElement.closest("details")) d.open = true;
  el.scrollIntoView({block: el.tagName === "TR" ? "center" : "start"});
}
if (tabs.length) pick(tabs[0].dataset.tab);
for (const t of tabs) {
  t.addEventListener("click", () => pick(t.dataset.tab));
  t.addEventListener("keydown", e => {
    const step = {ArrowRight: 1, ArrowLeft: -1}[e.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(t) + step + tabs.length) % tabs.length];
    pick(next.dataset.tab);
    next.focus();
  });
}
for (const c of data) figure(c);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => figures.forEach(f => f.redraw()));
window.addEventListener("hashchange", reach);
reach();
window.jitnic = {charts, data, pick};
})();
