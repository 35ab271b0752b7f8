"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
// Okabe and Ito's colours, which the colour-blind tell apart, and two more.
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07d00", "#4aa3d8", "#7a5195", "#8c564b"];
const escape = s => s.replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})[c]);
const short = n => n >= 1e9 ? +(n / 1e9).toPrecision(3) + " G" : n >= 1e6 ? +(n / 1e6).toPrecision(3) + " M" : n >= 1e4 ? +(n / 1e3).toPrecision(3) + " k" : String(+n.toPrecision(3));
const wide = (lo, hi) => lo == null ? [1, 10] : lo === hi ? [lo / 2, hi * 2] : [lo, hi];
const log = range => ({time: false, distr: 3, log: 10, range: (u, lo, hi) => range(...wide(lo, hi))});
// splits are the powers of ten between, with what lies between them where they are few.
const splits = (u, i, lo, hi) => {
  const from = Math.floor(Math.log10(lo) - 1e-9), to = Math.ceil(Math.log10(hi) + 1e-9);
  const steps = to - from <= 2 ? [1, 2, 5] : to - from <= 4 ? [1, 3] : [1];
  const out = [];
  for (let e = from; e <= to; e++) for (const m of steps) {
    const x = m * Math.pow(10, e);
    if (x >= lo * (1 - 1e-9) && x <= hi * (1 + 1e-9)) out.push(x);
  }
  return out;
};
const axis = (label, isLog, o) => Object.assign({
  label, labelSize: 22, labelFont: "13px system-ui, sans-serif", font: "12px system-ui, sans-serif", stroke: "#3a4552",
  grid: {stroke: "#e7ebef", width: 1}, ticks: {stroke: "#b9c1cb", width: 1, size: 5}, filter: (u, s) => s,
  values: (u, v) => v.map(x => x == null ? "" : short(x)),
}, isLog ? {splits} : {}, o);

const charts = {};
// chart draws one as soon as its element can be seen, lets it follow the
// element's width, and tells the values under the cursor.
function chart(c) {
  const el = document.getElementById("chart-" + c.id);
  const colour = (k => c.bound.map(b => b ? "#111" : colours[k++ % colours.length]))(0);
  const size = () => ({width: Math.max(200, el.clientWidth), height: el.clientWidth < 600 ? 260 : 320});
  document.getElementById("keys-" + c.id).innerHTML = c.names.map((n, k) => "<span class='key still'><i style='border-top:3px " + (c.bound[k] ? "dashed " : "solid ") + colour[k] + "'></i>" + escape(n) + "</span>").join("");
  const draw = () => {
    const tip = document.createElement("div");
    tip.className = "tip";
    const show = u => {
      const i = u.cursor.idx;
      const rows = i == null || u.cursor.left < 0 ? [] : c.names.map((n, k) => [u.data[k + 1][i], n, colour[k]]).filter(r => r[0] != null).sort((a, b) => b[0] - a[0]);
      tip.style.display = rows.length ? "block" : "none";
      if (!rows.length) return;
      tip.innerHTML = "<b>" + short(u.data[0][i]) + " Mpps offered</b>" + rows.map(r => "<div><i style='border-top:3px solid " + r[2] + "'></i>" + escape(r[1]) + "<span>" + short(r[0]) + " " + c.unit + "</span></div>").join("");
      const w = u.over.clientWidth, left = u.cursor.left;
      const x = left + 14 + tip.offsetWidth > w ? left - 14 - tip.offsetWidth : left + 14;
      tip.style.left = Math.max(0, Math.min(x, w - tip.offsetWidth)) + "px";
      tip.style.top = "4px";
    };
    const u = new uPlot(Object.assign(size(), {
      legend: {show: false}, padding: [10, 16, 0, 0], cursor: {points: {size: 6}, drag: {x: false, y: false}}, hooks: {setCursor: [show]},
      scales: {
        x: c.logx ? log((lo, hi) => [lo, hi]) : {time: false},
        y: c.logy ? log((lo, hi) => [lo / 1.3, hi * 1.3]) : {range: (u, lo, hi) => [0, hi > 0 ? hi * 1.06 : 1]},
      },
      axes: [axis(c.x, c.logx, {size: 34}), axis(c.y, c.logy, {size: 58})],
      series: [{}].concat(c.names.map((n, k) => ({label: n, stroke: colour[k], width: c.bound[k] ? 1.4 : 1.9, dash: c.bound[k] ? [7, 4] : [], spanGaps: true, points: {show: !c.bound[k], size: 5, fill: colour[k]}}))),
    }), [c.at].concat(c.lines), el);
    u.over.appendChild(tip);
    u.over.addEventListener("mouseleave", () => { tip.style.display = "none"; });
    charts[c.id] = u;
  };
  const fit = () => {
    if (!el.clientWidth) return; // in a tab that is not shown
    if (!charts[c.id]) draw();
    else if (size().width !== charts[c.id].width) charts[c.id].setSize(size());
  };
  new ResizeObserver(fit).observe(el);
  fit();
}

// Tabs: one device is seen at a time. Links into another one open it.
const tabs = [...document.querySelectorAll("[role=tab]")];
function pick(name) {
  for (const t of tabs) {
    const on = t.dataset.device === name;
    t.setAttribute("aria-selected", on);
    t.tabIndex = on ? 0 : -1;
    document.getElementById("device-" + t.dataset.device).hidden = !on;
  }
}
function reach() {
  const el = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!el) return;
  const device = el.closest(".device");
  if (device) pick(device.id.slice("device-".length));
  for (let d = el.closest("details"); d; d = d.parentElement.closest("details")) d.open = true;
  el.scrollIntoView({block: el.tagName === "TR" ? "center" : "start"});
}
if (tabs.length) pick(tabs[0].dataset.device);
for (const t of tabs) {
  t.addEventListener("click", () => pick(t.dataset.device));
  t.addEventListener("keydown", e => {
    const step = {ArrowRight: 1, ArrowLeft: -1}[e.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(t) + step + tabs.length) % tabs.length];
    pick(next.dataset.device);
    next.focus();
  });
}
for (const c of data) chart(c);
window.addEventListener("hashchange", reach);
reach();
window.jitnic = {charts, data, pick};
})();
