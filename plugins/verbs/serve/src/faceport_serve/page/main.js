// The page: settings, tabs, pictures; the camera is in camera.js, people in people.js.

import { Camera } from "./camera.js";
import { counted, draw, figures } from "./drawing.js";
import { Smooth, showDifference, showSpeed, showStages } from "./numbers.js";
import { startPeople } from "./people.js";
import { ask, askPatiently, query, token } from "./server.js";

const $ = (id) => document.getElementById(id);
const PICTURE = /^image\/(jpeg|png|webp)$/;

export function tell(sentence, bad = false) {
  $("said").textContent = sentence;
  $("said").className = bad ? "bad" : "";
}

function worded(one) {
  const parts = [one.detector, one.model].filter(Boolean), own = [...parts, one.target, one.precision].join("-");
  const what = `${parts.join(" + ")} on ${one.target}, ${one.precision}`;
  return one.name === own ? what : `${one.name}: ${what}`;
}

async function listModels() {
  const { models } = await ask("/v1/models");
  for (const select of [$("model"), $("second")]) {
    const before = select.value, first = select === $("second") ? [new Option("nothing", "")] : [];
    select.replaceChildren(...first, ...models.map((one) => new Option(worded(one), one.name)));
    if (before) select.value = before;
  }
}

// What is not loaded is loaded when it is chosen; the one before stays at work meanwhile.
async function choose(select, before) {
  if (select.value) {
    const name = select.value;
    tell(`Loading ${select.selectedOptions[0].text} …`);
    try {
      await ask(`/v1/models/${encodeURIComponent(name)}/load`, { method: "POST" });
      tell(`Now: ${select.selectedOptions[0].text}.`);
    } catch (error) {
      select.value = before;
      tell(error.message, true);
      return;
    }
  }
  changed();
}

const settings = () => ({
  models: [$("model").value, $("second").value].filter(Boolean),
  threshold: Number($("threshold").value),
});

let camera = null;
let shown = null;  // the picture on the stage, to be looked at again when settings change

function changed() {
  if (camera) camera.change();
  else if (shown) look(shown);
}

for (const select of [$("model"), $("second")]) {
  let before = select.value;
  select.addEventListener("focus", () => { before = select.value; });
  select.addEventListener("change", () => choose(select, before).then(() => { before = select.value; }));
}
$("threshold").addEventListener("change", () => { if ($("threshold").checkValidity()) changed(); });
$("token").addEventListener("change", () => { token.value = $("token").value; begin(); });
$("settings").addEventListener("submit", (event) => event.preventDefault());

function fill(full) {
  $("empty").hidden = full;
  $("drop").classList.toggle("full", full);
}

$("camera").addEventListener("click", async () => {
  if (camera) { camera.stop(); return; }
  camera = new Camera($("video"), $("stage"), settings, tell, () => {
    camera = null;
    $("camera").textContent = "Camera";
    $("camera").setAttribute("aria-pressed", "false");
  });
  try {
    await camera.start();
    fill(true);
    tell("");
    $("camera").textContent = "Stop the camera";
    $("camera").setAttribute("aria-pressed", "true");
  } catch (error) {
    camera.stop();
    tell(error.name === "NotAllowedError" ? "The browser was not allowed to use the camera." : error.name === "NotFoundError" ? "There is no camera." : error.message, true);
  }
});

async function look(file) {
  const names = settings().models, smooth = new Smooth(1);
  const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  const begun = performance.now();
  const answers = [];
  for (const model of names) {
    const asked = query({ model, threshold: settings().threshold });
    answers.push(await askPatiently(`/v1/faces?${asked}`, { method: "POST", body: file }));
  }
  const spent = performance.now() - begun;
  fill(true);
  figures($("stage"), names).forEach((figure, at) => {
    draw(figure.canvas, picture, picture.width, picture.height, answers[at]);
    figure.caption(`${counted(answers[at].count)} in ${file.name} by ${answers[at].model}`);
  });
  const inside = answers.flatMap((one) => Object.values(one.milliseconds)).reduce((a, b) => a + b, 0);
  showSpeed({ what: "Picture", fps: null, latency: spent, beyond: spent - inside, dropped: null });
  showStages(answers, smooth);
  showDifference(null);
  shown = file;
  return answers[0];
}

async function lookAtAll(files) {
  if (camera) camera.stop();
  const pictures = files.filter((file) => PICTURE.test(file.type));
  if (!pictures.length) { tell("There is no JPEG, PNG or WebP among them.", true); return; }
  let faces = 0, failed = "";
  for (const [at, file] of pictures.entries()) {
    tell(`Looking at ${at + 1} of ${pictures.length} …`);
    try {
      const found = await look(file);
      faces += found.count;
      addToStrip(file, counted(found.count));
    } catch (error) {
      failed = `${file.name}: ${error.message}`;
    }
  }
  tell(failed || `${counted(faces)} in ${pictures.length} picture${pictures.length === 1 ? "" : "s"}.`, Boolean(failed));
}

function addToStrip(file, text) {
  const item = document.createElement("li"), button = document.createElement("button");
  const image = document.createElement("img"), span = document.createElement("span");
  button.type = "button";
  image.alt = "";
  image.src = URL.createObjectURL(file);
  image.onload = () => URL.revokeObjectURL(image.src);
  span.textContent = `${text}, ${file.name}`;
  button.append(image, span);
  button.addEventListener("click", () => { if (camera) camera.stop(); look(file).catch((error) => tell(error.message, true)); });
  item.append(button);
  $("strip").prepend(item);
  while ($("strip").children.length > 60) $("strip").lastChild.remove();
}

for (const id of ["files", "folder"]) {
  $(id).addEventListener("change", () => { lookAtAll([...$(id).files]); $(id).value = ""; });
}
$("drop").addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
$("drop").addEventListener("dragleave", () => $("drop").classList.remove("over"));
$("drop").addEventListener("drop", async (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  lookAtAll(entries.length ? (await Promise.all(entries.map(filesBelow))).flat() : [...event.dataTransfer.files]);
});

async function filesBelow(entry) {
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return (await Promise.all(found.map(filesBelow))).flat();
    found.push(...some);
  }
}

const tabs = [...document.querySelectorAll('[role="tab"]')];
function open(tab) {
  for (const one of tabs) {
    const chosen = one === tab;
    one.setAttribute("aria-selected", String(chosen));
    one.tabIndex = chosen ? 0 : -1;
    $(one.getAttribute("aria-controls")).hidden = !chosen;
  }
  for (const one of document.querySelectorAll("#settings .looking")) one.hidden = tab.id !== "tab-look";
  if (tab.id !== "tab-look" && camera) camera.stop();
  tell("");
}
tabs.forEach((tab, at) => {
  tab.addEventListener("click", () => open(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(at + step + tabs.length) % tabs.length];
    next.focus();
    open(next);
  });
});

async function begin() {
  try {
    await listModels();
    $("secret").hidden = !token.value;
    tell("");
    people.list();
  } catch (error) {
    $("secret").hidden = error.status !== 401 && $("secret").hidden;
    tell(error.status === 401 ? "This service asks for its token." : error.message, true);
  }
}

const people = startPeople(() => $("model").value, tell);
begin();
