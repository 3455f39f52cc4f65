"use strict";
// Everything that comes from data reaches the page as textContent, or, in plots, through safe().
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const DASH = "–", BARS = 16, LINES = 12, CURVES = 14;
const COLOURS = ["#0b66c3", "#e07a1f", "#0a9b6c", "#a24bd1", "#d0364f", "#8a6d3b", "#17a2b8", "#7d8b99"];
const safe = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
// The end of a name tells more than its beginning.
const cut = (text, most) => (text.length > most ? `${text.slice(0, Math.floor(most * 0.3))}…${text.slice(1 - Math.ceil(most * 0.7))}` : text);
const state = { sort: null, turn: 1, words: [], shown: [], visible: new Set() };

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function written(value) {
  if (value === null || value === undefined) return DASH;
  const size = Math.abs(value);
  if (size > 0 && size < 1e-3) return value.toPrecision(3);
  return value.toFixed(size <= 1 ? 4 : size < 10 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0);
}

// ---------------------------------------------------------------- the table

const columns = [
  { key: "label", title: "run", get: (row) => row.label, show: true },
  { key: "status", title: "status", get: (row) => row.status, show: true },
  ...data.settings.map((key, at) => ({ key, title: key, get: (row) => row.settings[at], show: false })),
  ...Object.entries(data.numbers).map(([key, about]) => ({
    key, title: about.title, above: key.split(".")[0], number: true, sign: about.sign, show: about.head,
    get: (row) => (row.numbers[key] ? row.numbers[key][0] : null),
  })),
];
// At first: one number of each metric, what decides, and the costs that every run has.
const firsts = new Set(["latency.mean_ms", "latency.p99_ms", "speed.per_second", "size.mb", data.best]), metrics = new Set();
for (const column of columns.filter((one) => one.number)) {
  const first = data.numbers[column.key].accuracy && column.show && !metrics.has(column.above);
  if (first) metrics.add(column.above);
  column.show = (first && metrics.size <= 5) || firsts.has(column.key);
}

function rowsShown() {
  const rows = data.rows.map((row, at) => at).filter((at) => state.words.every((word) => data.rows[at].text.includes(word)));
  const column = columns.find((one) => one.key === state.sort);
  if (column) {
    rows.sort((a, b) => {
      const x = column.get(data.rows[a]), y = column.get(data.rows[b]);
      if (x === null || x === undefined) return y === null || y === undefined ? a - b : 1;
      if (y === null || y === undefined) return -1;
      return state.turn * (column.number ? x - y : String(x).localeCompare(String(y))) || a - b;
    });
  }
  return rows;
}

function heading() {
  const line = make("tr");
  for (const column of columns.filter((one) => one.show)) {
    const cell = make("th", undefined, column.number ? "" : "text");
    cell.scope = "col";
    cell.dataset.key = column.key;
    if (column.above) cell.append(make("small", column.above));
    cell.append(make("button", column.title));
    if (state.sort === column.key) cell.setAttribute("aria-sort", state.turn > 0 ? "ascending" : "descending");
    line.append(cell);
  }
  byId("table").tHead.replaceChildren(line);
}

function cellOf(row, column) {
  if (!column.number) {
    const bad = column.key === "status" && row.status !== "done";
    const cell = make("td", column.get(row), bad ? "text bad" : "text");
    if (bad) cell.title = row.reason;
    return cell;
  }
  const found = row.numbers[column.key];
  if (!found) return make("td", DASH, "soft");
  const cell = make("td", undefined, row.best.includes(column.key) ? "best" : "");
  cell.append(written(found[0]) + (row.status !== "done" ? " !" : row.void.includes(column.key) ? " ?" : ""));
  if (found.length === 3 && found[1] !== null && found[2] - found[1] > 1e-9) {
    cell.append(make("span", ` ±${((found[2] - found[1]) / 2).toPrecision(2)}`, "soft"));
  }
  return cell;
}

function draw() {
  state.shown = rowsShown();
  heading();
  const body = document.createDocumentFragment(), visible = columns.filter((one) => one.show);
  for (const at of state.shown) {
    const line = make("tr", undefined, at === data.winner ? "winner" : "");
    line.tabIndex = 0;
    line.dataset.row = at;
    for (const column of visible) line.append(cellOf(data.rows[at], column));
    body.append(line);
  }
  byId("table").tBodies[0].replaceChildren(body);
  byId("shown").textContent = `${state.shown.length} of ${data.rows.length} runs`;
  plots();
}

function chooser() {
  const box = byId("columns").querySelector("div");
  for (const column of columns.slice(1)) {
    const label = make("label"), input = make("input");
    input.type = "checkbox";
    input.checked = column.show;
    input.addEventListener("change", () => { column.show = input.checked; draw(); });
    label.append(input, ` ${column.above ? `${column.above}: ` : ""}${column.title}`);
    box.append(label);
  }
}

function detail(at) {
  const row = data.rows[at], box = byId("detail").querySelector("div"), list = make("dl");
  const add = (what, text, className) => list.append(make("dt", what), make("dd", text, className));
  if (row.reason) add(row.status, row.reason);
  add("to run it again", data.pool[row.command], "command");
  for (const [what, place] of row.facts) add(what, data.pool[place]);
  for (const place of row.notes) add("note", data.pool[place]);
  box.replaceChildren(make("h3", row.label), list);
  byId("detail").showModal();
}

// ---------------------------------------------------------------- the plots

function layout(more) {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: of("--line"), zerolinecolor: of("--line"), linecolor: of("--line"), automargin: true };
  const { xaxis, yaxis, ...rest } = more;
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: of("--ink"), size: 12 },
    margin: { l: 50, r: 12, t: 8, b: 44 }, hoverlabel: { align: "left" },
    legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom", font: { size: 11 } },
    xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, ...rest,
  };
}

const CONFIG = { responsive: true, displaylogo: false, displayModeBar: false };

// The legend stands below the plot, which grows by as much.
function show(id, traces, more) {
  const named = traces.filter((one) => one.showlegend !== false).length, phone = innerWidth < 800;
  const rows = named > 1 || more.showlegend ? Math.ceil(named / (phone ? 1 : 2)) : 0, below = 62 + 19 * rows;
  byId(id).style.height = `${(phone ? 280 : 340) + below}px`;
  const whole = layout(more);
  whole.margin.b = below;
  Plotly.react(id, traces, whole, CONFIG);
}
const about = (key) => data.numbers[key];

function front(points, up, across) {
  const ordered = [...points].sort((a, b) => across * (b.x - a.x) || up * (b.y - a.y)), kept = [];
  for (const point of ordered) if (!kept.length || up * (point.y - kept[kept.length - 1].y) > 0) kept.push(point);
  return kept;
}

function plotFront() {
  const up = byId("up").value, across = byId("across").value;
  if (!up || !across) return;
  const groups = new Map();
  for (const at of state.shown) {
    const row = data.rows[at], y = row.numbers[up], x = row.numbers[across];
    if (!x || !y || x[0] === null || y[0] === null) continue;
    if (!groups.has(row.group)) groups.set(row.group, []);
    groups.get(row.group).push({ x: x[0], y: y[0], row, interval: y });
  }
  const models = [...new Set(data.rows.map((row) => row.label.split(" ")[0]))], traces = [];
  for (const points of groups.values()) {
    const valid = points.filter(({ row }) => row.status === "done" && ![up, across].some((key) => row.void.includes(key)));
    const best = front(valid, about(up).sign, about(across).sign);
    if (about(up).sign && about(across).sign && best.length > 1) {
      traces.push({ x: best.map((one) => one.x), y: best.map((one) => one.y), mode: "lines", hoverinfo: "skip",
        line: { dash: "dot", width: 2, color: "#7d8b99" }, showlegend: false });
    }
  }
  const every = [...groups.values()].flat();
  for (const [at, model] of models.entries()) {
    const own = every.filter((one) => one.row.label.split(" ")[0] === model);
    if (!own.length) continue;
    traces.push({
      x: own.map((one) => one.x), y: own.map((one) => one.y), mode: "markers", name: safe(cut(model, 40)),
      text: own.map((one) => safe(one.row.label)), hovertemplate: "%{text}<br>%{x} , %{y}<extra></extra>",
      marker: { size: 11, color: COLOURS[at % COLOURS.length], symbol: own.map((one) => (one.row.status === "done" ? "circle" : "x")) },
      error_y: { type: "data", symmetric: false, thickness: 1, width: 3,
        array: own.map((one) => (one.interval.length === 3 ? one.interval[2] - one.y : 0)),
        arrayminus: own.map((one) => (one.interval.length === 3 ? one.y - one.interval[1] : 0)) },
    });
  }
  show("plot-front", traces, {
    hovermode: "closest",
    xaxis: { title: { text: safe(`${across.split(".")[0]}: ${about(across).title}`) } },
    yaxis: { title: { text: safe(`${up.split(".")[0]}: ${about(up).title}`) } },
  });
}

function plotStages() {
  const rows = state.shown.filter((at) => Object.keys(data.rows[at].stages).length).slice(0, BARS).reverse();
  byId("stages").hidden = !rows.length;
  const order = ["decode", "preprocess", "network", "postprocess"];
  const rank = (name) => { const at = order.findIndex((start) => name.startsWith(start)); return at < 0 ? 9 : at; };
  const names = [...new Set(rows.flatMap((at) => Object.keys(data.rows[at].stages)))].sort((a, b) => rank(a) - rank(b));
  const phone = innerWidth < 800;
  show("plot-stages", names.map((name, at) => ({
    type: "bar", orientation: "h", name: safe(name.replace("network:", "")), y: rows.map((_, place) => place),
    x: rows.map((row) => data.rows[row].stages[name] ?? null), text: rows.map((row) => safe(data.rows[row].label)),
    textposition: "none", hovertemplate: "%{text}<br>%{x:.2f} ms<extra>%{fullData.name}</extra>",
    marker: { color: COLOURS[at % COLOURS.length] },
  })), {
    barmode: "stack", xaxis: { title: { text: "ms per picture" } },
    yaxis: { tickvals: rows.map((_, place) => place), tickfont: { size: 10 },
      ticktext: rows.map((row) => safe(cut(data.rows[row].label, phone ? 24 : 44))) },
  });
}

function plotLatency() {
  const rows = state.shown.filter((at) => data.rows[at].latency.some((one) => one !== null)).slice(0, LINES);
  byId("latency").hidden = !rows.length;
  show("plot-latency", rows.map((at, place) => ({
    x: data.shares.map((share) => 100 * share), y: data.rows[at].latency, mode: "lines+markers", connectgaps: false,
    name: safe(cut(data.rows[at].label, innerWidth < 800 ? 30 : 44)), line: { color: COLOURS[place % COLOURS.length], dash: place < 8 ? "solid" : "dot" },
    hovertemplate: "%{x} %: %{y:.2f} ms<extra>%{fullData.name}</extra>",
  })), {
    xaxis: { title: { text: "share of pictures, %" } }, yaxis: { title: { text: "ms" }, rangemode: "tozero" },
    showlegend: rows.length > 0,
  });
}

const kinds = [...new Set(data.curves.map((one) => one.kind))];

function curvePlaces() {
  for (const [number, kind] of kinds.entries()) {
    const section = make("section"), plot = make("div", undefined, "plot");
    plot.id = `plot-curve-${number}`;
    section.append(make("h2", kind), plot);
    byId("curves").append(section);
  }
}

function plotCurves() {
  const shown = new Set(state.shown);
  for (const [number, kind] of kinds.entries()) {
    const some = data.curves.filter((one) => one.kind === kind && shown.has(one.row)).slice(0, CURVES);
    const first = data.curves.find((one) => one.kind === kind);
    show(`plot-curve-${number}`, some.map((one, at) => ({
      x: one.x, y: one.y, mode: "lines", name: safe(cut(`${data.rows[one.row].label} ${one.name}`.trim(), 44)),
      line: { color: COLOURS[at % COLOURS.length], dash: at < 8 ? "solid" : "dot" },
    })), {
      xaxis: { title: { text: first.titles[0] }, type: first.log ? "log" : "linear" }, yaxis: { title: { text: first.titles[1] } },
      showlegend: true,
    });
  }
}

function nodePlaces() {
  byId("nodes").hidden = !data.nodes.length;
  for (const [number, one] of data.nodes.entries()) {
    const plot = make("div", undefined, "plot");
    plot.id = `plot-nodes-${number}`;
    byId("node-plots").append(make("h3", one.title), plot);
    if (one.departs) byId("node-plots").append(make("p", `departs from the reference at ${one.departs}`, "bad"));
  }
}

function plotNodes() {
  for (const [number, one] of data.nodes.entries()) {
    const at = one.names.map((_, place) => place + 1), text = one.names.map(safe);
    const shared = { x: at, text, hovertemplate: "%{text}<br>%{y:.3g}<extra>%{fullData.name}</extra>" };
    const positive = (values) => values.map((value) => (value > 0 ? value : null));
    show(`plot-nodes-${number}`, [
      { ...shared, type: "bar", name: "own", y: positive(one.own), marker: { color: COLOURS[0] } },
      { ...shared, mode: "markers", name: "at the end", y: positive(one.at_end), marker: { color: COLOURS[4], size: 6 } },
      { ...shared, mode: "lines", name: "so far", y: positive(one.so_far), line: { color: COLOURS[1], width: 2 } },
    ], {
      xaxis: { title: { text: "node, in the order of computation" } },
      yaxis: { title: { text: "noise / signal" }, type: "log", dtick: 1, exponentformat: "power" }, bargap: 0.2,
    });
  }
}

// The table is there before the library of plots is read; until then there is nothing to plot with.
function plots() {
  if (!window.Plotly) return;
  for (const id of Object.keys(DRAWN)) stale.add(id);
  redraw();
}

// What is not in sight is drawn when it comes near, or is printed.
const DRAWN = { front: plotFront, stages: plotStages, latency: plotLatency, curves: plotCurves, nodes: plotNodes };
const stale = new Set(), near = new Set();

function redraw() {
  for (const id of [...stale].filter((one) => near.has(one))) {
    stale.delete(id);
    DRAWN[id]();
  }
}

function watch() {
  const watcher = new IntersectionObserver((seen) => {
    for (const one of seen) if (one.isIntersecting) near.add(one.target.id); else near.delete(one.target.id);
    if (window.Plotly) redraw();
  }, { rootMargin: "300px" });
  for (const id of Object.keys(DRAWN)) watcher.observe(byId(id));
  addEventListener("beforeprint", () => { Object.keys(DRAWN).forEach((id) => near.add(id)); redraw(); });
}

function selects() {
  const heads = Object.keys(data.numbers).filter((key) => about(key).sign);
  const ups = heads.filter((key) => about(key).accuracy), rest = heads.filter((key) => !about(key).accuracy);
  const fill = (id, keys, chosen) => {
    for (const key of keys) byId(id).append(new Option(`${key.split(".")[0]}: ${about(key).title}`, key, false, key === chosen));
    byId(id).addEventListener("change", plots);
  };
  const up = ups.includes(data.best) ? data.best : ups[0] || rest.find((key) => key.startsWith("speed.")) || rest[0];
  fill("up", [...ups, ...rest], up);
  fill("across", [...rest, ...ups], rest.find((key) => key === "latency.mean_ms") || rest.find((key) => key !== up));
  byId("front").hidden = heads.length < 2;
}

function begin() {
  for (const row of data.rows) {
    row.text = [row.label, row.status, ...row.settings, ...data.settings.map((key, at) => `${key}=${row.settings[at]}`)].join(" ").toLowerCase();
  }
  chooser();
  selects();
  curvePlaces();
  nodePlaces();
  watch();
  byId("filter").addEventListener("input", (event) => {
    state.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    draw();
  });
  byId("table").tHead.addEventListener("click", (event) => {
    const key = event.target.closest("th")?.dataset.key;
    if (!key) return;
    const column = columns.find((one) => one.key === key);
    if (state.sort === key) state.turn = -state.turn;
    else { state.sort = key; state.turn = column.sign > 0 ? -1 : 1; }
    draw();
  });
  const body = byId("table").tBodies[0];
  body.addEventListener("click", (event) => { const line = event.target.closest("tr"); if (line) detail(Number(line.dataset.row)); });
  body.addEventListener("keydown", (event) => { if (event.key === "Enter") detail(Number(event.target.closest("tr").dataset.row)); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", plots);
  draw();
  document.documentElement.dataset.ready = "yes";
}

begin();
