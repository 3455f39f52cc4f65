// Faces drawn over a picture, readable on any background.

// One colour for each track, as in annotated copies.
const COLOURS = ["#40e0d0", "#ffaa3c", "#be8cff", "#8ce65a", "#ff788c", "#5ab4ff", "#fae150", "#ff8cdc"];
const POINT = "#ffd640", LANDMARK = "#ffffff", INK = "#141820";

export function draw(canvas, picture, width, height, faces) {
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0, width, height);
  if (!faces) return;
  // What is drawn is read at the size that the page shows, which on a phone is smaller than the picture.
  const zoom = Math.max(1, width / (canvas.clientWidth || width));
  const scale = width / faces.width, line = Math.max(1.5 * zoom, Math.min(width, height) / 320);
  pen.lineJoin = "round";
  const tracks = faces.attributes?.track, colour = (at) => COLOURS[(tracks?.[at] ?? 0) % COLOURS.length];
  (faces.boxes ?? []).forEach(([x1, y1, x2, y2], at) => {
    for (const [paint, thick] of [[INK, 2 * line], [colour(at), line]]) {
      pen.strokeStyle = paint; pen.lineWidth = thick;
      pen.strokeRect(x1 * scale, y1 * scale, (x2 - x1) * scale, (y2 - y1) * scale);
    }
  });
  (faces.landmarks ?? []).forEach((dots) => drawDots(pen, dots, scale, LANDMARK, 0.8 * line, 0.008));
  (faces.points ?? []).forEach((dots) => drawDots(pen, dots, scale, POINT, 1.6 * line, 0.06));
  pen.font = `${Math.round(Math.max(11 * zoom, 8 * line))}px system-ui, sans-serif`;
  (faces.boxes ?? []).forEach(([x1, y1, x2], at) => {
    const track = tracks ? `#${tracks[at]}` : "", score = faces.scores?.[at]?.toFixed(2) ?? "";
    const breadth = (text) => pen.measureText(text).width + 8, fits = (text) => text && breadth(text) <= 1.5 * (x2 - x1) * scale;
    const text = [`${track} ${score}`.trim(), track].find(fits);
    if (!text) return;
    const wide = breadth(text), high = Math.max(15 * zoom, 11 * line);
    const left = Math.max(0, x1 * scale - line / 2), top = y1 * scale >= high ? y1 * scale - high : y1 * scale;
    pen.fillStyle = colour(at); pen.fillRect(left, top, wide, high);
    pen.fillStyle = INK; pen.textBaseline = "middle"; pen.fillText(text, left + 4, top + high / 2);
  });
}

function drawDots(pen, dots, scale, colour, most, share) {
  const xs = dots.map(([x]) => x).filter(Number.isFinite), span = (Math.max(...xs) - Math.min(...xs)) * scale;
  const radius = Math.max(0.8, Math.min(most, share * span));
  for (const [paint, size] of [[INK, 1.5 * radius], [colour, radius]]) {
    pen.fillStyle = paint; pen.beginPath();
    for (const [x, y] of dots) {
      if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
      pen.moveTo(x * scale + size, y * scale); pen.arc(x * scale, y * scale, size, 0, 2 * Math.PI);
    }
    pen.fill();
  }
}

// A figure for each model: its canvas, and a caption that a screen reader says.
export function figures(stage, names) {
  const kept = [...stage.querySelectorAll("figure")];
  while (kept.length > names.length) kept.pop().remove();
  while (kept.length < names.length) {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    figure.append(canvas, document.createElement("figcaption"));
    stage.append(figure);
    kept.push(figure);
  }
  return kept.map((figure) => ({
    canvas: figure.querySelector("canvas"),
    caption(text) {
      figure.querySelector("figcaption").textContent = text;
      figure.querySelector("canvas").setAttribute("aria-label", text);
    },
  }));
}

export const counted = (number) => `${number} face${number === 1 ? "" : "s"}`;
