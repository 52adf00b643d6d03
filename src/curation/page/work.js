// The record at hand: its turns and masks as they stand, undo and redo, and the draft that the
// server keeps of them. What shows them registers with onChange.
import { request } from "./api.js";
import { $, fail, say } from "./dom.js";
import { History } from "./history.js";
import { fromRuns, toRuns } from "./mask.js";
import { Picture, colourOf } from "./picture.js";

const SAVE_AFTER = 250;  // ms without a further change

export const picture = new Picture($("canvas"));
/// record: as the server gave it, null if there is none; turns: as they stand now; opened: when
/// this reader began with it.
export const work = { record: null, turns: [], opened: 0 };

const views = [];
let history = null, saving = null;

export const onChange = (view) => views.push(view);
export function refresh() {
  for (const view of views) view();
  picture.draw();
}

/// Begins with a record, or with the reader's unfinished work on it. Returns whether there was any.
export function begin(one) {
  work.record = one;
  work.opened = Date.now();
  const own = one.standing;
  const first = JSON.stringify({
    turns: (own.turns ?? one.turns).map(({ question, answer }) => ({ question, answer })),
    masks: Object.fromEntries(Object.entries({ ...one.masks, ...(own.masks ?? {}) })
      .map(([id, { size, runs }]) => [id, { size, runs }])),
  });
  let saved = null;
  try {
    saved = one.draft ? JSON.parse(one.draft) : null;
  } catch { /* a draft of another version */ }
  history = new History(first, saved);
  take(history.now);
  return saved !== null;
}

function take(text) {
  const shown = new Map(picture.masks.map((mask) => [mask.id, mask]));
  const state = JSON.parse(text);
  work.turns = state.turns;
  picture.masks = Object.entries(state.masks).map(([id, runs], i) => ({
    id, label: work.record.masks[id].label, pixels: fromRuns(runs), colour: colourOf(i),
    visible: shown.get(id)?.visible ?? true,
    selected: shown.get(id)?.selected ?? i === 0,
  }));
  if (!picture.masks.some((mask) => mask.selected) && picture.masks.length)
    picture.masks[0].selected = true;
  refresh();
}

function asText() {
  const { height, width } = work.record.picture;
  return JSON.stringify({
    turns: work.turns,
    masks: Object.fromEntries(picture.masks.map((mask) =>
      [mask.id, toRuns(mask.pixels, height, width)])),
  });
}

/// To be called after turns or pixels have changed.
export function change(now = asText()) {
  if (history.push(now)) saveSoon();
}

/// Another reader's turns and masks in place of the first ones.
export function takeOver(other) {
  const now = JSON.parse(history.states[0]);
  if (other.turns) now.turns = other.turns;
  Object.assign(now.masks, other.masks ?? {});
  change(JSON.stringify(now));
  take(history.now);
}

export function step(direction) {
  if (!history) return;
  const found = direction < 0 ? history.undo() : history.redo();
  if (found === null) return say(direction < 0 ? "Nothing to undo." : "Nothing to redo.");
  take(found);
  saveSoon();
  say(direction < 0 ? "Undone." : "Done again.");
}

/// What this reader changed, as a decision states it; null if nothing.
export function revision() {
  if (history.now === history.states[0]) return null;
  const first = JSON.parse(history.states[0]).masks;
  const now = JSON.parse(history.now);
  const masks = Object.fromEntries(Object.entries(now.masks).filter(([id, runs]) =>
    JSON.stringify(runs) !== JSON.stringify(first[id]) || work.record.standing.masks?.[id]));
  return { turns: now.turns, masks };
}

export const selected = () => picture.masks.find((mask) => mask.selected);
export function select(id) {
  for (const mask of picture.masks) mask.selected = mask.id === id;
  refresh();
}

// --- the draft ----------------------------------------------------------------------------------

function saveSoon() {
  clearTimeout(saving);
  saving = setTimeout(saveDraft, SAVE_AFTER);
}
export const stopSaving = () => clearTimeout(saving);

async function saveDraft() {
  if (!work.record) return;
  try {
    await request("PUT", `/api/records/${work.record.position}/draft`,
      { state: JSON.stringify(history) });
  } catch (error) {
    fail(error);
  }
}

window.addEventListener("pagehide", () => {
  // What the timer has not sent yet.
  if (work.record && history.changed) saveDraft();
});
