// From one record to the next: each is fetched while the one before it is judged.
import { request, values } from "./api.js";
import { $, button, fail, say } from "./dom.js";
import { begin, picture, takeOver, work } from "./work.js";

const ahead = new Map();  // position → promise of record and picture
const MOST_AHEAD = 3;

export async function load(position) {
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
export const forget = (position) => ahead.delete(position);

export async function next(after) {
  try {
    const found = await request("GET", `/api/next${after >= 0 ? `?after=${after}` : ""}`);
    showProgress(found);
    if (found.position === null) {
      work.record = null;
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
export const skip = () => work.record && next(work.record.position);

function showProgress({ records, judged, seconds }) {
  $("progress").max = Math.max(records, 1);
  $("progress").value = judged;
  const mean = judged ? Math.round(seconds / judged) : 0;
  $("counts").textContent = `${judged} of ${records}, ${mean} s a record`;
}

export function show(one) {
  picture.low = one.picture.low;
  picture.high = one.picture.high;
  picture.zoom = 1;
  picture.pan = { x: 0, y: 0 };
  picture.points = [];
  $("comment").value = "";
  $("reasons").hidden = true;
  $("title").textContent = `Record ${one.position + 1}, ${one.modality || "picture"}`;
  const unfinished = begin(one);
  showOthers();
  picture.onOwnSlice = true;
  picture.show(one.picture, one.values);
  showVerdict();
  say(unfinished ? "Your unfinished work is here again." : "");
  prefetch();
}

async function prefetch() {
  const after = work.record.position;
  try {
    const found = await request("GET", `/api/next?after=${after}`);
    if (found.position !== null && found.position !== after && !ahead.has(found.position)) {
      if (ahead.size > MOST_AHEAD) ahead.clear();
      ahead.set(found.position, load(found.position));
      ahead.get(found.position).catch(() => ahead.delete(found.position));
    }
  } catch { /* the next try says it */ }
}

function showVerdict() {
  const { verdict, decisions } = work.record.standing;
  $("verdict-now").textContent = verdict ? `Your verdict: ${verdict.replace("_", " ")}`
    : decisions ? "Changed: your verdict is open again." : "";
}

/// For the adjudicator.
function showOthers() {
  const { others } = work.record;
  $("others").hidden = !others;
  $("others").replaceChildren(...(others ?? []).map((other, i) => button(
    `Reader ${String.fromCharCode(65 + i)}: ${(other.verdict ?? "open").replace("_", " ")}`,
    () => takeOver(other))));
}

$("skip").onclick = skip;
