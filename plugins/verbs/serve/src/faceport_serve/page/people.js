// Two faces held against each other, and the gallery.

import { ask, askPatiently, query } from "./server.js";

const $ = (id) => document.getElementById(id);

export function startPeople(model, tell) {
  const chosen = new Map();

  async function verify() {
    if (chosen.size < 2) return;
    const form = new FormData();
    form.set("first", chosen.get("first"));
    form.set("second", chosen.get("other"));
    $("verdict").textContent = "…";
    try {
      const said = await askPatiently(`/v1/verify?${query({ model: model(), fields: "boxes" })}`, { method: "POST", body: form });
      const verdict = said.same === undefined ? "" : said.same ? "One person: " : "Two people: ";
      $("verdict").textContent = `${verdict}similarity ${said.similarity.toFixed(3)}, distance ${said.distance.toFixed(3)}`;
    } catch (error) {
      $("verdict").textContent = error.message;
    }
  }

  for (const id of ["first", "other"]) {
    $(id).addEventListener("change", () => {
      const [file] = $(id).files;
      if (!file) return;
      chosen.set(id, file);
      const image = $(`${id}-shown`);
      image.src = URL.createObjectURL(file);
      image.alt = file.name;
      image.hidden = false;
      verify();
    });
  }

  const item = (text, more) => {
    const one = document.createElement("li"), span = document.createElement("span");
    span.textContent = text;
    one.append(span, ...(more ? [more] : []));
    return one;
  };

  async function list() {
    const { count, faces } = await ask("/v1/gallery?limit=1000");
    $("people").replaceChildren(...faces.map((face) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Forget";
      button.setAttribute("aria-label", `Forget ${face.name}`);
      button.addEventListener("click", async () => { await ask(`/v1/gallery/${face.id}`, { method: "DELETE" }).catch((error) => tell(error.message, true)); list(); });
      return item(face.name, button);
    }));
    if (!count) $("people").replaceChildren(item("Nobody yet."));
    if (count > faces.length) $("people").append(item(`and ${count - faces.length} more`));
  }

  $("enrol").addEventListener("submit", (event) => event.preventDefault());
  $("enrolled").addEventListener("change", async () => {
    const [file] = $("enrolled").files;
    $("enrolled").value = "";
    if (!file || !$("name").reportValidity()) return;
    try {
      const said = await askPatiently(`/v1/gallery?${query({ name: $("name").value, model: model(), fields: "boxes" })}`, { method: "POST", body: file });
      tell(`${said.name} is enrolled.`);
      $("name").value = "";
      await list();
    } catch (error) {
      tell(error.message, true);
    }
  });
  $("searched").addEventListener("change", async () => {
    const [file] = $("searched").files;
    $("searched").value = "";
    if (!file) return;
    try {
      const said = await askPatiently(`/v1/search?${query({ top: 3, threshold: 0.5, model: model(), fields: "boxes" })}`, { method: "POST", body: file });
      tell("");
      const lists = said.matches.map((matches, at) => {
        const head = document.createElement("h2"), all = document.createElement("ul");
        head.textContent = `Face ${at + 1} of ${said.count}`;
        all.append(...(matches.length ? matches.map((one) => item(`${one.name}: ${one.similarity.toFixed(3)}`)) : [item("The gallery is empty for this model.")]));
        return [head, all];
      });
      $("found").replaceChildren(...lists.flat());
      if (!said.count) tell("There is no face in the picture.", true);
    } catch (error) {
      tell(error.message, true);
    }
  });
  return { list };
}
