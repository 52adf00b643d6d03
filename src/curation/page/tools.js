// The tools: brush, eraser and polygon in mm, windows, zoom.
import { $, button, say } from "./dom.js";
import { fillPolygon, stroke } from "./mask.js";
import { change, picture, selected, step, work } from "./work.js";

const PRESETS = {
  ct: [["soft tissue", -160, 240], ["lung", -1350, 150], ["bone", -500, 1300], ["brain", 0, 80]],
};
const TOOLS = { view: "View (v)", brush: "Brush (b)", eraser: "Eraser (e)", polygon: "Polygon (p)" };
const BRUSH_MM = { least: 0.5, most: 50 };
const ZOOM = { least: 0.5, most: 20 };

let tool = "view", brushMm = 3, preset = 0;

export const usesTool = (name) => tool === name;

export function setTool(name) {
  tool = name;
  picture.points = [];
  picture.cursor = null;
  for (const one of $("tools").children)
    if (one.dataset.tool) one.setAttribute("aria-pressed", one.dataset.tool === name);
  picture.draw();
}

export function resizeBrush(direction) {
  brushMm = Math.min(BRUSH_MM.most, Math.max(BRUSH_MM.least,
    brushMm * (direction > 0 ? 1.25 : 0.8)));
  const unit = work.record?.picture.spacing_mm.length ? "mm" : "pixels";
  say(`Brush ${brushMm.toFixed(1)} ${unit} wide.`);
}

/// Of the brush, in pixels.
export function radii() {
  const mm = work.record.picture.spacing_mm;
  return { rx: brushMm / 2 / (mm[0] ?? 1), ry: brushMm / 2 / (mm[1] ?? 1) };
}

export function paint(from, to, erase) {
  const mask = selected();
  if (!mask) return;
  const { rx, ry } = radii();
  const { width, height } = work.record.picture;
  stroke(mask.pixels, width, height, from, to, rx, ry, erase || tool === "eraser" ? 0 : 1);
  picture.draw();
}

/// Fills the polygon with 1, or cuts it out with 0.
export function closePolygon(value) {
  const mask = selected();
  if (mask && picture.points.length > 2) {
    const { width, height } = work.record.picture;
    fillPolygon(mask.pixels, width, height, picture.points, value);
    change();
  }
  dropPolygon();
}
export function dropPolygon() {
  picture.points = [];
  picture.draw();
}

export function nextPreset() {
  if (!work.record) return;
  const { low, high } = work.record.picture;
  const all = [["first", low, high], ...(PRESETS[work.record.modality] ?? [])];
  preset = (preset + 1) % all.length;
  [, picture.low, picture.high] = all[preset];
  picture.draw();
  say(`Window: ${all[preset][0]}`);
}

export function zoomBy(factor) {
  picture.zoom = Math.min(ZOOM.most, Math.max(ZOOM.least, picture.zoom * factor));
  picture.draw();
}

export function fit() {
  picture.zoom = 1;
  picture.pan = { x: 0, y: 0 };
  picture.draw();
}

$("tools").append(...Object.entries(TOOLS).map(([name, title]) => {
  const made = button(title, () => setTool(name));
  made.dataset.tool = name;
  return made;
}), button("Undo (z)", () => step(-1)), button("Redo (y)", () => step(1)),
button("Smaller ([)", () => resizeBrush(-1)), button("Larger (])", () => resizeBrush(1)),
button("Window (.)", nextPreset), button("Fit (0)", fit));
setTool("view");
