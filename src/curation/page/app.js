// The review page: one record after the other, everything by key.
import { request, values } from "./api.js";
import { History } from "./history.js";
import { fillPolygon, fromRuns, stroke, toRuns } from "./mask.js";
import { Picture, colourOf, css } from "./picture.js";

const $ = (id) => document.getElementById(id);
const PRESETS = {
  ct: [["soft tissue", -160, 240], ["lung", -1350, 150], ["bone", -500, 1300], ["brain", 0, 80]],
};
const TOOLS = { view: "View (v)", brush: "Brush (b)", eraser: "Eraser (e)", polygon: "Polygon (p)" };

const picture = new Picture($("canvas"));
let me = null, record = null, history = null, state = null, tool = "view", brushMm = 3;
let slice = 0, opened = 0, erasing = false, editing = false, saving = null, preset = 0;
const ahead = new Map();  // position → promise of record and picture

function say(text, fault = false) {
  $("message").textContent = text;
  $("message").classList.toggle("fault", fault);
}

// --- signing in ---------------------------------------------------------------------------------

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    enter(await request("POST", "/api/login",
      { name: $("name").value, password: $("password").value }));
  } catch (error) {
    $("login-error").textContent = error.message;
  }
  $("password").value = "";
});

$("logout").onclick = async () => {
  await request("POST", "/api/logout").catch(() => {});
  location.reload();
};

async function enter(who) {
  me = who;
  $("login").hidden = true;
  $("review").hidden = false;
  $("who").textContent = `${who.name} (${who.role})`;
  $("reasons").replaceChildren(...who.reasons.map((reason, i) =>
    button(`${reason} (${i + 1})`, () => decide("reject", reason))));
  await next(-1);
}

function button(text, act) {
  const made = document.createElement("button");
  made.textContent = text;
  made.onclick = act;
  return made;
}

// --- records ------------------------------------------------------------------------------------

async function load(position) {
  const one = await request("GET", `/api/records/${position}`);
  one.values = await values(position, one.picture.slice, one.picture.channels);
  return one;
}

function fetched(position) {
  if (!ahead.has(position)) ahead.set(position, load(position));
  const one = ahead.get(position);
  ahead.delete(position);
  return one;
}

async function next(after) {
  try {
    const found = await request("GET", `/api/next${after >= 0 ? `?after=${after}` : ""}`);
    $("progress").max = Math.max(found.records, 1);
    $("progress").value = found.judged;
    const mean = found.judged ? Math.round(found.seconds / found.judged) : 0;
    $("counts").textContent = `${found.judged} of ${found.records}, ${mean} s a record`;
    if (found.position === null) {
      record = null;
      $("title").textContent = "Nothing is left to judge.";
      $("dialogue").replaceChildren();
      $("masks").replaceChildren();
      say("Done: there is no further record for you.");
      return;
    }
    show(await fetched(found.position));
  } catch (error) {
    fail(error);
  }
}

function fail(error) {
  if (error.status === 401) location.reload();
  say(error.message, true);
}

function show(one) {
  record = one;
  opened = Date.now();
  slice = one.picture.slice;
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
  picture.low = one.picture.low;
  picture.high = one.picture.high;
  picture.zoom = 1;
  picture.pan = { x: 0, y: 0 };
  picture.points = [];
  editing = false;
  $("comment").value = "";
  $("reasons").hidden = true;
  $("title").textContent = `Record ${one.position + 1}, ${one.modality || "picture"}`;
  showOthers();
  take(history.now);
  picture.onOwnSlice = true;
  picture.show(one.picture, one.values);
  showVerdict();
  say(saved ? "Your unfinished work is here again." : "");
  prefetch();
}

async function prefetch() {
  const after = record.position;
  try {
    const found = await request("GET", `/api/next?after=${after}`);
    if (found.position !== null && found.position !== after && !ahead.has(found.position)) {
      if (ahead.size > 3) ahead.clear();
      ahead.set(found.position, load(found.position));
      ahead.get(found.position).catch(() => ahead.delete(found.position));
    }
  } catch { /* the next try says it */ }
}

function showVerdict() {
  const { verdict, decisions } = record.standing;
  $("verdict-now").textContent = verdict ? `Your verdict: ${verdict.replace("_", " ")}`
    : decisions ? "Changed: your verdict is open again." : "";
}

function showOthers() {
  const box = $("others");
  box.hidden = !record.others;
  if (!record.others) return;
  box.replaceChildren(...record.others.map((other, i) => button(
    `Reader ${String.fromCharCode(65 + i)}: ${(other.verdict ?? "open").replace("_", " ")}`, () => {
      const now = JSON.parse(history.states[0]);
      if (other.turns) now.turns = other.turns;
      Object.assign(now.masks, other.masks ?? {});
      change(JSON.stringify(now));
      take(history.now);
    })));
}

// --- state: turns and masks, undo and redo ------------------------------------------------------

function take(text) {
  const shown = new Map(picture.masks.map((mask) => [mask.id, mask]));
  const keep = state !== null && picture.masks.length;
  state = JSON.parse(text);
  picture.masks = Object.entries(state.masks).map(([id, runs], i) => ({
    id, label: record.masks[id].label, pixels: fromRuns(runs), colour: colourOf(i),
    visible: keep ? shown.get(id)?.visible ?? true : true,
    selected: keep ? shown.get(id)?.selected ?? i === 0 : i === 0,
  }));
  if (!picture.masks.some((mask) => mask.selected) && picture.masks.length)
    picture.masks[0].selected = true;
  showMasks();
  showDialogue();
  picture.draw();
}

function text() {
  const { height, width } = record.picture;
  return JSON.stringify({
    turns: state.turns,
    masks: Object.fromEntries(picture.masks.map((mask) =>
      [mask.id, toRuns(mask.pixels, height, width)])),
  });
}

function change(now = text()) {
  if (!history.push(now)) return;
  clearTimeout(saving);
  saving = setTimeout(saveDraft, 250);
}

async function saveDraft() {
  if (!record) return;
  try {
    await request("PUT", `/api/records/${record.position}/draft`,
      { state: JSON.stringify(history) });
  } catch (error) {
    fail(error);
  }
}

function step(direction) {
  const found = direction < 0 ? history.undo() : history.redo();
  if (found === null) return say(direction < 0 ? "Nothing to undo." : "Nothing to redo.");
  take(found);
  clearTimeout(saving);
  saving = setTimeout(saveDraft, 250);
  say(direction < 0 ? "Undone." : "Done again.");
}

// --- decisions ----------------------------------------------------------------------------------

async function send(action, more = {}) {
  const seconds = (Date.now() - opened) / 1000;
  opened = Date.now();
  const standing = await request("POST", `/api/records/${record.position}/decisions`,
    { action, seen: record.standing.decisions, seconds, ...more });
  record.standing = standing;
  return standing;
}

async function decide(action, reason = "") {
  if (!record) return;
  clearTimeout(saving);
  try {
    const comment = $("comment").value.trim();
    if (action === "accept" && history.now !== history.states[0]) {
      const first = JSON.parse(history.states[0]).masks;
      const now = JSON.parse(history.now);
      const masks = Object.fromEntries(Object.entries(now.masks).filter(([id, runs]) =>
        JSON.stringify(runs) !== JSON.stringify(first[id]) || record.standing.masks?.[id]));
      await send("revise", { turns: now.turns, masks });
    }
    await send(action, { reason, comment });
    say(`${action.replace("_", " ")}: record ${record.position + 1}`);
    const position = record.position;
    record = null;
    await next(position);
  } catch (error) {
    if (error.status === 409 && record) {
      ahead.delete(record.position);
      const position = record.position;
      show(await load(position));
    }
    fail(error);
  }
}

$("accept").onclick = () => decide("accept");
$("not-there").onclick = () => decide("not_there");
$("reject").onclick = () => toggleReasons();
$("skip").onclick = () => record && next(record.position);

function toggleReasons() {
  $("reasons").hidden = !$("reasons").hidden;
  if (!$("reasons").hidden) $("reasons").firstChild.focus();
}

// --- masks and dialogue -------------------------------------------------------------------------

function select(id) {
  for (const mask of picture.masks) mask.selected = mask.id === id;
  showMasks();
  showDialogue();
  picture.draw();
}
const selected = () => picture.masks.find((mask) => mask.selected);

function showMasks() {
  $("masks").replaceChildren(...picture.masks.map((mask, i) => {
    const line = document.createElement("li");
    line.tabIndex = 0;
    line.setAttribute("aria-selected", mask.selected);
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.backgroundColor = css(mask.colour);
    const name = document.createElement("span");
    name.textContent = `${i + 1} ${mask.label}`;
    const eye = button(mask.visible ? "shown" : "hidden", (event) => {
      event.stopPropagation();
      mask.visible = !mask.visible;
      showMasks();
      picture.draw();
    });
    const space = document.createElement("span");
    space.className = "space";
    line.append(swatch, name, space, eye);
    line.onclick = () => select(mask.id);
    return line;
  }));
}

function phraseParts(answer, ids) {
  const parts = [];
  const pattern = /<p>(.*?)<\/p>\s*\[SEG\]/gs;
  let from = 0, k = 0;
  for (const match of answer.matchAll(pattern)) {
    parts.push(document.createTextNode(answer.slice(from, match.index)));
    const span = document.createElement("span");
    span.className = "phrase";
    span.textContent = match[1].trim();
    const id = ids[k++]?.[0];
    const mask = picture.masks.find((one) => one.id === id);
    if (mask) {
      span.style.borderColor = css(mask.colour);
      span.classList.toggle("lit", mask.selected);
      span.onclick = () => select(id);
    }
    parts.push(span);
    from = match.index + match[0].length;
  }
  parts.push(document.createTextNode(answer.slice(from)));
  return parts;
}

function showDialogue() {
  $("edit").setAttribute("aria-pressed", editing);
  $("dialogue").replaceChildren(...state.turns.map((turn, i) => {
    const box = document.createElement("div");
    box.className = "turn";
    if (editing) {
      for (const key of ["question", "answer"]) {
        const area = document.createElement("textarea");
        area.rows = key === "answer" ? 4 : 2;
        area.value = turn[key];
        area.setAttribute("aria-label", `${key} ${i + 1}`);
        area.onchange = () => {
          turn[key] = area.value;
          change();
        };
        box.append(area);
      }
      return box;
    }
    const question = document.createElement("p");
    question.className = "question";
    question.textContent = turn.question.replace("<image>\n", "");
    const answer = document.createElement("p");
    answer.append(...phraseParts(turn.answer, record.turns[i].masks));
    box.append(question, answer);
    return box;
  }));
}

function toggleEditing() {
  document.activeElement?.blur();  // its change counts
  editing = !editing;
  showDialogue();
  if (editing) $("dialogue").querySelector("textarea").focus();
}
$("edit").onclick = toggleEditing;
$("opacity").oninput = () => {
  picture.opacity = $("opacity").value / 100;
  picture.draw();
};

// --- tools --------------------------------------------------------------------------------------

$("tools").append(...Object.entries(TOOLS).map(([name, title]) => {
  const made = button(title, () => setTool(name));
  made.dataset.tool = name;
  return made;
}), button("Undo (z)", () => step(-1)), button("Redo (y)", () => step(1)),
button("Smaller ([)", () => resize(-1)), button("Larger (])", () => resize(1)),
button("Window (.)", () => nextPreset()), button("Fit (0)", () => fit()));

function setTool(name) {
  tool = name;
  picture.points = [];
  picture.cursor = null;
  for (const one of $("tools").children)
    if (one.dataset.tool) one.setAttribute("aria-pressed", one.dataset.tool === name);
  picture.draw();
}
setTool("view");

function resize(direction) {
  brushMm = Math.min(50, Math.max(0.5, brushMm * (direction > 0 ? 1.25 : 0.8)));
  say(`Brush ${brushMm.toFixed(1)} ${record?.picture.spacing_mm.length ? "mm" : "pixels"} wide.`);
}

function radii() {
  const mm = record.picture.spacing_mm;
  return { rx: brushMm / 2 / (mm[0] ?? 1), ry: brushMm / 2 / (mm[1] ?? 1) };
}

function nextPreset() {
  if (!record) return;
  const { low, high, modality } = { ...record.picture, modality: record.modality };
  const all = [["first", low, high], ...(PRESETS[modality] ?? [])];
  preset = (preset + 1) % all.length;
  [, picture.low, picture.high] = all[preset];
  picture.draw();
  say(`Window: ${all[preset][0]}`);
}

function fit() {
  picture.zoom = 1;
  picture.pan = { x: 0, y: 0 };
  picture.draw();
}

async function goToSlice(wanted) {
  if (!record || record.picture.slices < 2) return;
  slice = Math.min(record.picture.slices - 1, Math.max(0, wanted));
  const asked = slice, of = record;
  const found = slice === record.picture.slice ? record.values
    : await values(record.position, slice, record.picture.channels);
  if (record !== of || slice !== asked) return;
  picture.onOwnSlice = slice === record.picture.slice;
  picture.show(record.picture, found);
}

picture.onDrawn = (scale) => {
  const mm = picture.info.spacing_mm;
  $("scale").hidden = !mm.length;
  if (mm.length) {
    const perMm = scale.x / mm[0];
    const length = [1, 2, 5, 10, 20, 50, 100].filter((n) => n * perMm < 160).pop() ?? 1;
    $("scale-line").style.width = `${length * perMm}px`;
    $("scale-text").textContent = `${length} mm`;
  }
  const width = picture.high - picture.low;
  $("window-text").textContent =
    `level ${Math.round(picture.low + width / 2)}, width ${Math.round(width)}`;
  $("slice-text").textContent = picture.info.slices > 1
    ? `slice ${slice + 1} of ${picture.info.slices}${picture.onOwnSlice ? "" : " (no masks here)"}`
    : "";
};

let drag = null;
const canvas = $("canvas");
canvas.addEventListener("pointerdown", (event) => {
  if (!record) return;
  canvas.setPointerCapture(event.pointerId);
  const at = picture.pixelAt(event);
  drag = { x: event.clientX, y: event.clientY, low: picture.low, high: picture.high,
           pan: { ...picture.pan }, last: at, button: event.button };
  if (event.button !== 0 || !picture.onOwnSlice) return;
  if (tool === "polygon") {
    picture.points.push(at);
    picture.draw();
  } else if (tool !== "view") {
    paint(at, at, event);
  }
});

function paint(from, to, event) {
  const mask = selected();
  if (!mask) return;
  const { rx, ry } = radii();
  const erase = tool === "eraser" || event.ctrlKey || erasing;
  stroke(mask.pixels, record.picture.width, record.picture.height, from, to, rx, ry, erase ? 0 : 1);
  picture.draw();
}

canvas.addEventListener("pointermove", (event) => {
  if (!record || !picture.info) return;
  const at = picture.pixelAt(event);
  if (tool === "brush" || tool === "eraser") {
    picture.cursor = { ...at, ...radii() };
    if (!drag) picture.draw();
  }
  if (!drag) return;
  const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
  if (drag.button !== 0) {
    picture.pan = { x: drag.pan.x + dx, y: drag.pan.y + dy };
    picture.draw();
  } else if (tool === "view") {
    const width = drag.high - drag.low, level = (drag.high + drag.low) / 2;
    const newWidth = Math.max(1, width * Math.exp(dx / 200));
    const newLevel = level + dy / 300 * width;
    picture.low = newLevel - newWidth / 2;
    picture.high = newLevel + newWidth / 2;
    picture.draw();
  } else if (tool !== "polygon" && picture.onOwnSlice) {
    paint(drag.last, at, event);
    drag.last = at;
  }
});

canvas.addEventListener("pointerup", () => {
  if (drag && drag.button === 0 && (tool === "brush" || tool === "eraser")) change();
  drag = null;
});
canvas.addEventListener("contextmenu", (event) => event.preventDefault());
canvas.addEventListener("dblclick", () => closePolygon(1));
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (!record) return;
  if (event.ctrlKey || record.picture.slices < 2) {
    picture.zoom = Math.min(20, Math.max(0.5, picture.zoom * (event.deltaY < 0 ? 1.15 : 1 / 1.15)));
    picture.draw();
  } else {
    goToSlice(slice + (event.deltaY > 0 ? 1 : -1));
  }
}, { passive: false });

function closePolygon(value) {
  const mask = selected();
  if (mask && picture.points.length > 2) {
    fillPolygon(mask.pixels, record.picture.width, record.picture.height, picture.points, value);
    change();
  }
  picture.points = [];
  picture.draw();
}

// --- keys ---------------------------------------------------------------------------------------

const KEYS = [
  ["a", "accept, with your changes", () => decide("accept")],
  ["n", "not there", () => decide("not_there")],
  ["r", "reject: then a number for the reason", toggleReasons],
  [" ", "next record without a verdict", () => record && next(record.position)],
  ["z", "undo", () => step(-1)], ["y", "redo", () => step(1)],
  ["v", "view: drag changes the window", () => setTool("view")],
  ["b", "brush (Ctrl erases)", () => setTool("brush")],
  ["e", "eraser", () => setTool("eraser")],
  ["p", "polygon: Enter fills, Delete cuts out, Escape drops it", () => setTool("polygon")],
  ["[", "smaller brush", () => resize(-1)], ["]", "larger brush", () => resize(1)],
  ["h", "hide or show all masks", () => { picture.hidden = !picture.hidden; picture.draw(); }],
  ["1 … 9", "choose a mask", null],
  ["ArrowUp", "slice towards the end", () => goToSlice(slice + 1)],
  ["ArrowDown", "slice towards the start", () => goToSlice(slice - 1)],
  [".", "next window preset", nextPreset], ["0", "fit the picture", fit],
  ["+", "zoom in", () => { picture.zoom = Math.min(20, picture.zoom * 1.25); picture.draw(); }],
  ["-", "zoom out", () => { picture.zoom = Math.max(0.5, picture.zoom / 1.25); picture.draw(); }],
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

document.addEventListener("keydown", (event) => {
  if ($("review").hidden || $("help").open) return;
  const inText = ["TEXTAREA", "INPUT"].includes(event.target.tagName) &&
    event.target.type !== "range";
  if (inText) {
    if (event.key !== "Escape") return;
    event.target.blur();
    if (editing) toggleEditing();
    canvas.focus();
    return event.preventDefault();
  }
  if (event.altKey || event.metaKey) return;
  if (event.ctrlKey && !["z", "y"].includes(event.key)) return;
  if (event.key === "Escape") {
    $("reasons").hidden = true;
    picture.points = [];
    return picture.draw();
  }
  if (tool === "polygon" && record && event.key === "Enter") return closePolygon(1);
  if (tool === "polygon" && record && event.key === "Delete") return closePolygon(0);
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

setInterval(() => {
  const seconds = record ? Math.round((Date.now() - opened) / 1000) : 0;
  $("clock").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}, 1000);

// --- themes and start ---------------------------------------------------------------------------

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem("theme", name);
}
setTheme(localStorage.getItem("theme") ??
  (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"));
$("theme").onclick = () =>
  setTheme(document.documentElement.dataset.theme === "light" ? "dark" : "light");

window.addEventListener("pagehide", () => {
  // What the timer has not sent yet.
  if (record && history.changed) saveDraft();
});

request("GET", "/api/me").then(enter).catch(() => {
  $("login").hidden = false;
  $("name").focus();
});
