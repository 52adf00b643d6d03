// Mouse and pen on the picture: the window, painting, polygons, zoom and slices.
import { $ } from "./dom.js";
import { moveSlice } from "./slices.js";
import { closePolygon, paint, radii, usesTool, zoomBy } from "./tools.js";
import { change, picture, work } from "./work.js";

const canvas = $("canvas");
let drag = null;

canvas.addEventListener("pointerdown", (event) => {
  if (!work.record) return;
  canvas.setPointerCapture(event.pointerId);
  const at = picture.pixelAt(event);
  drag = { x: event.clientX, y: event.clientY, low: picture.low, high: picture.high,
           pan: { ...picture.pan }, last: at, button: event.button };
  if (event.button !== 0 || !picture.onOwnSlice) return;
  if (usesTool("polygon")) {
    picture.points.push(at);
    picture.draw();
  } else if (!usesTool("view")) {
    paint(at, at, event.ctrlKey);
  }
});

canvas.addEventListener("pointermove", (event) => {
  if (!work.record || !picture.info) return;
  const at = picture.pixelAt(event);
  if (usesTool("brush") || usesTool("eraser")) {
    picture.cursor = { ...at, ...radii() };
    if (!drag) picture.draw();
  }
  if (!drag) return;
  const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
  if (drag.button !== 0) {
    picture.pan = { x: drag.pan.x + dx, y: drag.pan.y + dy };
    picture.draw();
  } else if (usesTool("view")) {
    changeWindow(dx, dy);
  } else if (!usesTool("polygon") && picture.onOwnSlice) {
    paint(drag.last, at, event.ctrlKey);
    drag.last = at;
  }
});

// To the right wider, downwards brighter levels.
function changeWindow(dx, dy) {
  const width = drag.high - drag.low, level = (drag.high + drag.low) / 2;
  const newWidth = Math.max(1, width * Math.exp(dx / 200));
  const newLevel = level + dy / 300 * width;
  picture.low = newLevel - newWidth / 2;
  picture.high = newLevel + newWidth / 2;
  picture.draw();
}

canvas.addEventListener("pointerup", () => {
  if (drag && drag.button === 0 && (usesTool("brush") || usesTool("eraser"))) change();
  drag = null;
});
canvas.addEventListener("contextmenu", (event) => event.preventDefault());
canvas.addEventListener("dblclick", () => work.record && closePolygon(1));
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (!work.record) return;
  if (event.ctrlKey || work.record.picture.slices < 2) {
    zoomBy(event.deltaY < 0 ? 1.15 : 1 / 1.15);
  } else {
    moveSlice(event.deltaY > 0 ? 1 : -1);
  }
}, { passive: false });
