// Every action by key, and the list of keys.
import { decide, toggleReasons } from "./decisions.js";
import { isEditing, toggleEditing } from "./dialogue.js";
import { $ } from "./dom.js";
import { skip } from "./records.js";
import { moveSlice } from "./slices.js";
import {
  closePolygon, dropPolygon, fit, nextPreset, resizeBrush, setTool, usesTool, zoomBy,
} from "./tools.js";
import { picture, select, step, work } from "./work.js";

function toggleMasks() {
  picture.hidden = !picture.hidden;
  picture.draw();
}

const KEYS = [
  ["a", "accept, with your changes", () => decide("accept")],
  ["n", "not there", () => decide("not_there")],
  ["r", "reject: then a number for the reason", toggleReasons],
  [" ", "next record without a verdict", skip],
  ["z", "undo", () => step(-1)], ["y", "redo", () => step(1)],
  ["v", "view: drag changes the window", () => setTool("view")],
  ["b", "brush (Ctrl erases)", () => setTool("brush")],
  ["e", "eraser", () => setTool("eraser")],
  ["p", "polygon: Enter fills, Delete cuts out, Escape drops it", () => setTool("polygon")],
  ["[", "smaller brush", () => resizeBrush(-1)], ["]", "larger brush", () => resizeBrush(1)],
  ["h", "hide or show all masks", toggleMasks],
  ["1 … 9", "choose a mask", null],
  ["ArrowUp", "slice towards the end", () => moveSlice(1)],
  ["ArrowDown", "slice towards the start", () => moveSlice(-1)],
  [".", "next window preset", nextPreset], ["0", "fit the picture", fit],
  ["+", "zoom in", () => zoomBy(1.25)],
  ["-", "zoom out", () => zoomBy(1 / 1.25)],
  ["t", "edit the text (Escape ends)", toggleEditing],
  ["c", "comment (Escape ends)", () => $("comment").focus()],
  ["?", "these keys", () => $("help").showModal()],
];

$("keys").append(...KEYS.map(([key, what]) => {
  const row = document.createElement("tr");
  const left = row.insertCell(), right = row.insertCell();
  const kbd = document.createElement("kbd");
  kbd.textContent = key === " " ? "space" : key;
  left.append(kbd);
  right.textContent = what;
  return row;
}));
$("help-button").onclick = () => $("help").showModal();
$("close-help").onclick = () => $("help").close();

function digit(number) {
  if (!$("reasons").hidden) return $("reasons").children[number - 1]?.click();
  const mask = picture.masks[number - 1];
  if (mask) select(mask.id);
}

const isText = (element) =>
  ["TEXTAREA", "INPUT"].includes(element.tagName) && element.type !== "range";

function leaveText(event) {
  event.target.blur();
  if (isEditing()) toggleEditing();
  $("canvas").focus();
  event.preventDefault();
}

document.addEventListener("keydown", (event) => {
  if ($("review").hidden || $("help").open) return;
  if (isText(event.target)) {
    if (event.key === "Escape") leaveText(event);
    return;
  }
  if (event.altKey || event.metaKey) return;
  if (event.ctrlKey && !["z", "y"].includes(event.key)) return;
  if (event.key === "Escape") {
    $("reasons").hidden = true;
    return dropPolygon();
  }
  if (usesTool("polygon") && work.record && event.key === "Enter") return closePolygon(1);
  if (usesTool("polygon") && work.record && event.key === "Delete") return closePolygon(0);
  if (/^[1-9]$/.test(event.key)) {
    event.preventDefault();
    return digit(Number(event.key));
  }
  if (event.key === " " && event.target.tagName === "BUTTON" && !$("reasons").hidden) return;
  const found = KEYS.find(([key]) => key === event.key);
  if (!found?.[2]) return;
  event.preventDefault();
  found[2]();
});
