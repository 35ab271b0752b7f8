"use strict";
// The page's trees of choices: folded by what the reader picks, with the source beside
// them, and a path's packets, bytes and trace when it is clicked.
(() => {
const holder = document.getElementById("choices");
if (!holder) return;
const make = (tag, cls, text) => {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  if (text !== undefined) e.textContent = text;
  return e;
};
const count = n => String(n).replace(/\B(?=(\d{3})+$)/g, "\u2009");
const plural = (n, what) => count(n) + " " + what + (n === 1 ? "" : "s");
const views = {};

function view(c) {
  const root = document.getElementById("choices-" + c.id);
  const tree = root.querySelector(".choice-tree"), source = root.querySelector(".choice-source"), detail = root.querySelector(".choice-path");
  const fold = root.querySelector("select.fold"), file = root.querySelector("select.file");
  const all = c.paths.reduce((n, p) => n + p.packets, 0) || 1;
  const said = step => { const p = c.preds[step >> 1]; return step & 1 ? p.holds : p.fails; };
  const key = step => c.preds[step >> 1].keys[fold.value] || "";

  // A run is a path's next answers to one question, as the fold has it.
  const run = (p, at) => {
    const k = key(p.steps[at]);
    let to = at;
    while (to < p.steps.length && key(p.steps[to]) === k) to++;
    return p.steps.slice(at, to);
  };
  // grow makes the tree of paths that agree in their first steps.
  function grow(paths, at) {
    const node = {paths, packets: paths.reduce((n, p) => n + p.packets, 0), passed: [], ways: []};
    for (;;) {
      if (paths.some(p => at >= p.steps.length)) return node;
      const groups = new Map();
      for (const p of paths) {
        const r = run(p, at), k = r.join(" ");
        if (!groups.has(k)) groups.set(k, {steps: r, paths: []});
        groups.get(k).paths.push(p);
      }
      const list = [...groups.values()];
      if (list.length === 1) {
        if (paths.length === 1) {
          node.passed = node.passed.concat(paths[0].steps.slice(at));
          return node;
        }
        node.passed = node.passed.concat(list[0].steps);
        at += list[0].steps.length;
        continue;
      }
      node.asks = list[0].steps[0] >> 1;
      node.ways = list.map(g => {
        const mine = g.steps.filter(s => !list.every(o => o.steps.includes(s)));
        return {steps: mine.length ? mine : g.steps, node: grow(g.paths, at + g.steps.length)};
      }).sort((a, b) => b.node.packets - a.node.packets);
      return node;
    }
  }
  const bar = node => {
    const s = make("span", "share"), i = make("i");
    i.style.width = (100 * node.packets / all).toFixed(1) + "%";
    s.append(i);
    return s;
  };
  function fill(el, node) {
    if (node.passed.length) {
      const d = make("details", "passed");
      d.append(make("summary", "", plural(node.passed.length, "check") + " that all of them pass"));
      for (const s of node.passed) d.append(lineOf(s));
      el.append(d);
    }
    if (node.asks === undefined) {
      for (const p of node.paths) el.append(leaf(p));
      return;
    }
    const q = c.preds[node.asks], b = make("button", "ask", (q.keys[fold.value] || q.where) + (fold.value === "line" ? "" : " at " + q.where));
    b.type = "button";
    b.title = "show it in the source";
    b.addEventListener("click", () => show(q));
    el.append(b, make("small", "", " " + plural(node.ways.length, "way") + " here" + (q.asks ? ": " + q.asks : "")));
    for (const w of node.ways) {
      const d = make("details", "way"), s = make("summary");
      s.append(bar(w.node), (100 * w.node.packets / all).toFixed(2) + " % ", make("code", "", w.steps.map(said).join(", ")),
        make("small", "", " " + (w.node.paths.length === 1 ? "path " + w.node.paths[0].number : plural(w.node.paths.length, "path"))));
      d.append(s);
      d.addEventListener("toggle", () => { if (d.open && !d.dataset.full) { d.dataset.full = 1; fill(d, w.node); } });
      el.append(d);
    }
  }
  function lineOf(step) {
    const p = c.preds[step >> 1], row = make("div", "step"), b = make("button", "ask", p.where);
    b.type = "button";
    b.addEventListener("click", () => show(p));
    row.append(b, " ", make("code", "", said(step)));
    return row;
  }
  function leaf(p) {
    const b = make("button", "leaf", "path " + p.number + ": " + p.verdict + ", " + plural(p.packets, "packet") + ", " + plural(p.packets - p.hits, "miss").replace("misss", "misses"));
    b.type = "button";
    b.dataset.path = p.number;
    b.addEventListener("click", () => pick(p.number));
    return b;
  }
  function draw() {
    tree.textContent = "";
    if (!c.paths.length) return;
    fill(tree, grow(c.paths, 0));
    if (c.more) tree.append(make("p", "note", c.more));
  }

  // show has the source panel show a place.
  function show(at) {
    for (const l of source.querySelectorAll(".line.here")) l.classList.remove("here");
    if (!at.file) return;
    lay(at.file);
    const l = source.querySelector('.line[data-line="' + at.line + '"]');
    if (!l) return;
    l.classList.add("here");
    source.scrollTop = Math.max(0, l.offsetTop - source.clientHeight / 3);
  }
  function lay(name) {
    if (source.dataset.file === name) return;
    const f = c.source.find(f => f.name === name);
    if (!f) return;
    source.dataset.file = file.value = name;
    source.textContent = "";
    let last = 0;
    for (const l of f.lines) {
      if (last && l.number > last + 1) source.append(make("div", "gap", "⋮"));
      last = l.number;
      const row = make("div", "line"), p = c.points.find(p => p.file === name && p.line === l.number);
      row.dataset.line = l.number;
      row.append(make("span", "makes" + (p && p.makes ? " some" : ""), p ? "+" + p.makes : ""), make("span", "number", String(l.number)), make("span", "text", l.text));
      if (p) {
        row.title = p.asks + ": makes " + p.makes + " paths; " + p.left + " left without it";
        row.classList.add("point");
      }
      source.append(row);
    }
  }

  function chart(p) {
    const most = Math.max(1, ...p.hit.map((h, i) => h + p.miss[i])), w = p.hit.length;
    const ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg");
    svg.setAttribute("viewBox", "0 0 " + 4 * w + " 40");
    svg.setAttribute("class", "over");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "hits and misses over time");
    const rect = (x, y, h, cls) => {
      if (h <= 0) return;
      const r = document.createElementNS(ns, "rect");
      r.setAttribute("x", x); r.setAttribute("y", y); r.setAttribute("width", 3); r.setAttribute("height", h); r.setAttribute("class", cls);
      svg.append(r);
    };
    p.hit.forEach((h, i) => {
      const tall = n => n ? Math.max(1, 38 * Math.sqrt(n / most)) : 0;
      rect(4 * i, 40 - tall(h), tall(h), "hit");
      rect(4 * i, 0, p.miss[i] ? 4 : 0, "miss");
    });
    return svg;
  }
  // dump has 16 bytes a line, and 8 where there is no room for them.
  function dump(p) {
    const pre = make("pre", "dump"), read = new Set(p.read || []), bytes = p.data.match(/../g) || [], wide = detail.clientWidth < 560 ? 8 : 16;
    for (let at = 0; at < bytes.length; at += wide) {
      pre.append(at.toString(16).padStart(4, "0") + "  ");
      const part = bytes.slice(at, at + wide);
      part.forEach((b, i) => pre.append(read.has(at + i) ? make("mark", "", b) : b, i === 7 ? "  " : " "));
      pre.append("   ".repeat(wide - part.length) + (part.length < 8 ? " " : ""));
      part.forEach((b, i) => {
        const k = parseInt(b, 16), s = k > 32 && k < 127 ? String.fromCharCode(k) : ".";
        pre.append(read.has(at + i) ? make("mark", "", s) : s);
      });
      pre.append("\n");
    }
    if (p.length > bytes.length) pre.append("… " + (p.length - bytes.length) + " bytes more\n");
    return pre;
  }
  function pick(number) {
    const p = c.paths.find(p => p.number === number);
    if (!p) return;
    for (const b of tree.querySelectorAll(".leaf.here")) b.classList.remove("here");
    for (const b of tree.querySelectorAll('.leaf[data-path="' + number + '"]')) b.classList.add("here");
    detail.textContent = "";
    detail.dataset.path = number;
    detail.append(make("h3", "", "Path " + number));
    const dl = make("dl", "facts");
    for (const [k, v] of p.facts) dl.append(make("dt", "", k), make("dd", "", v));
    detail.append(dl, make("h4", "", "Hits over time (the root of how many; misses are the marks above)"), chart(p),
      make("h4", "", "The packet that showed it: " + p.length + " bytes, what the condition reads is marked"));
    const scroll = el => { const s = make("div", "scroll"); s.tabIndex = 0; s.append(el); return s; };
    detail.append(scroll(dump(p)));
    const fold = (name, el, open) => { const d = make("details", "table"); d.open = !!open; d.append(make("summary", "", name), el); detail.append(d); };
    const cond = make("div", "condition");
    for (const s of p.steps) cond.append(lineOf(s));
    fold("Its condition: " + plural(p.steps.length, "predicate"), cond, true);
    fold("Its trace: " + plural(p.code.length, "line"), scroll(make("pre", "", p.code.join("\n"))));
  }

  for (const f of c.folds) fold.append(new Option(f, f));
  for (const f of c.source) file.append(new Option(f.name, f.name));
  file.parentElement.hidden = !c.source.length;
  source.hidden = !c.source.length;
  fold.addEventListener("change", draw);
  file.addEventListener("change", () => lay(file.value));
  window.addEventListener("resize", () => {
    const old = detail.querySelector(".dump");
    if (old) old.replaceWith(dump(c.paths.find(p => p.number === +detail.dataset.path)));
  });
  draw();
  const first = c.points.find(p => p.file);
  if (first) show(first);
  if (c.paths.length) pick(c.paths[0].number);
  views[c.id] = {pick, show, fold: name => { fold.value = name; draw(); }, open: () => { for (let d; (d = tree.querySelector("details.way:not([open])")); ) { d.open = true; if (!d.dataset.full) d.dispatchEvent(new Event("toggle")); } }};
}
for (const c of JSON.parse(holder.textContent)) view(c);
window.jitnic.choices = views;
})();
