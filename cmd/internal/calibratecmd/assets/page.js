"use strict";
(() => {
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07d00", "#4aa3d8", "#7a5195", "#8c564b"]; // Okabe and Ito's, and two more
const escape = s => s.replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})[c]);
const short = n => n >= 1e4 ? +(n / 1e3).toFixed(1) + " k" : String(+n.toPrecision(4));
const log = {time: false, distr: 3, log: 10, range: (u, lo, hi) => lo == null ? [1, 10] : [Math.pow(10, Math.floor(Math.log10(lo) + 1e-9)), Math.pow(10, Math.ceil(Math.log10(hi) - 1e-9))]};
const powers = (u, i, lo, hi) => {
  const out = [];
  for (let e = Math.ceil(Math.log10(lo) - 1e-9); e <= Math.log10(hi) + 1e-9; e++) out.push(Math.pow(10, e));
  return out;
};
const axis = (label, isLog) => Object.assign({label, labelSize: 22, labelFont: "13px system-ui, sans-serif", font: "12px system-ui, sans-serif", stroke: "#3a4552",
  grid: {stroke: "#e7ebef", width: 1}, ticks: {stroke: "#b9c1cb", width: 1, size: 5}, filter: (u, s) => s, values: (u, v) => v.map(x => x == null ? "" : short(x))}, isLog ? {splits: powers} : {});
window.jitnic = {charts: {}};
const known = [];
const colour = n => { // a name has its colour in all charts
  if (!known.includes(n)) known.push(n);
  return colours[known.indexOf(n) % colours.length];
};
for (const c of JSON.parse(document.getElementById("data").textContent)) {
  const el = document.getElementById("chart-" + c.id);
  const size = () => ({width: Math.max(200, el.clientWidth), height: el.clientWidth < 600 ? 280 : 320});
  const tip = document.createElement("div");
  tip.className = "tip";
  const show = u => {
    const i = u.cursor.idx;
    const rows = i == null || u.cursor.left < 0 ? [] : c.Names.map((n, k) => [u.data[k + 1][i], n, colour(n)]).filter(r => r[0] != null).sort((a, b) => b[0] - a[0]);
    tip.style.display = rows.length ? "block" : "none";
    if (!rows.length) return;
    tip.innerHTML = "<b>" + short(u.data[0][i]) + " " + escape(c.x) + "</b>" + rows.map(r => "<div><i style='border-color:" + r[2] + "'></i>" + escape(r[1]) + "<span>" + +r[0].toPrecision(4) + "</span></div>").join("");
    const w = u.over.clientWidth, left = u.cursor.left;
    const x = left + 14 + tip.offsetWidth > w ? left - 14 - tip.offsetWidth : left + 14;
    tip.style.left = Math.max(0, Math.min(x, w - tip.offsetWidth)) + "px";
    tip.style.top = "4px";
  };
  const u = new uPlot(Object.assign(size(), {
    legend: {show: false}, padding: [10, 30, 0, 0], cursor: {points: {size: 6}, drag: {x: false, y: false}}, hooks: {setCursor: [show]},
    scales: {x: c.logx ? log : {time: false}, y: c.logy ? log : {range: (u, lo, hi) => [0, (hi || 1) * 1.05]}},
    axes: [axis(c.x, c.logx), Object.assign(axis(c.y, c.logy), {size: 62})],
    series: [{}].concat(c.Names.map((n, k) => ({label: n, stroke: colour(n), width: 1.9, spanGaps: true, points: {show: true, size: 5, fill: colour(n)}}))),
  }), [c.At].concat(c.Lines), el);
  u.over.appendChild(tip);
  u.over.addEventListener("mouseleave", () => { tip.style.display = "none"; });
  new ResizeObserver(() => { if (size().width !== u.width) u.setSize(size()); }).observe(el);
  document.getElementById("keys-" + c.id).innerHTML = c.Names.map((n, k) => "<span class='key still'><i style='border-color:" + colour(n) + "'></i>" + escape(n) + "</span>").join("");
  window.jitnic.charts[c.id] = u;
}
})();
