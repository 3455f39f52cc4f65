// The numbers beside the picture: smoothed, so that they can be read while they change.

const STAGES = ["decode", "preprocess", "networks", "postprocess", "waiting"];
const shown = (id, text) => { document.getElementById(id).textContent = text; };
const ms = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

export class Smooth {
  constructor(share = 0.1) { this.share = share; this.values = new Map(); }
  add(name, value) {
    const before = this.values.get(name);
    const now = before === undefined ? value : before + this.share * (value - before);
    this.values.set(name, now);
    return now;
  }
  clear() { this.values.clear(); }
}

export function showSpeed({ what = "Camera", fps, latency, beyond, dropped }) {
  shown("from", `${what} to drawing`);
  shown("fps", fps === null ? "–" : fps.toFixed(1));
  shown("latency", latency === null ? "–" : ms(latency));
  shown("beyond", beyond === null ? "–" : ms(beyond));
  shown("dropped", dropped === null ? "–" : String(dropped));
}

export function showStages(answers, smooth) {
  const table = document.getElementById("stages");
  const cell = (row, text, tag = "td") => { const one = document.createElement(tag); one.textContent = text; row.append(one); return one; };
  const head = document.createElement("tr");
  cell(head, "", "th");
  answers.forEach((_, at) => cell(head, answers.length > 1 ? (at ? "right" : "left") : "", "th").scope = "col");
  table.tHead.replaceChildren(head);
  const rows = [...STAGES, "together"].map((stage) => {
    const row = document.createElement("tr");
    row.dataset.stage = stage;
    cell(row, stage, "th").scope = "row";
    answers.forEach((answer, at) => {
      const spent = answer.milliseconds ?? {};
      const value = stage === "together" ? Object.values(spent).reduce((a, b) => a + b, 0) : spent[stage] ?? 0;
      cell(row, ms(smooth.add(`${at}${stage}`, value)));
    });
    if (stage === "together") row.className = "sum";
    return row;
  });
  table.tBodies[0].replaceChildren(...rows);
}

export function showDifference(said) {
  const place = document.getElementById("differ");
  place.hidden = !said;
  if (!said) return;
  const lines = [
    ["Faces that both find", said.both], ["Left alone", said.first_only], ["Right alone", said.second_only],
    ["Overlap of boxes", said.overlap == null ? "–" : `${(100 * said.overlap).toFixed(1)} %`],
  ];
  if (said.landmarks !== undefined) lines.push(["Landmarks apart", `${(100 * said.landmarks).toFixed(2)} % of the box`]);
  else if (said.points !== undefined) lines.push(["Points apart", `${(100 * said.points).toFixed(2)} % of the box`]);
  document.getElementById("differences").replaceChildren(...lines.map(([name, value]) => {
    const row = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name; dd.textContent = String(value); row.append(dt, dd);
    return row;
  }));
}
