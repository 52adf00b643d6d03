// What a reader decides about the record at hand.
import { request } from "./api.js";
import { $, button, fail, say } from "./dom.js";
import { forget, load, next, show } from "./records.js";
import { revision, stopSaving, work } from "./work.js";

async function send(action, more = {}) {
  const { record } = work;
  const seconds = (Date.now() - work.opened) / 1000;
  work.opened = Date.now();
  record.standing = await request("POST", `/api/records/${record.position}/decisions`,
    { action, seen: record.standing.decisions, seconds, ...more });
}

export async function decide(action, reason = "") {
  if (!work.record) return;
  stopSaving();
  const { position } = work.record;
  try {
    const comment = $("comment").value.trim();
    const changed = action === "accept" ? revision() : null;
    if (changed) await send("revise", changed);
    await send(action, { reason, comment });
    say(`${action.replace("_", " ")}: record ${position + 1}`);
    work.record = null;
    await next(position);
  } catch (error) {
    if (error.status === 409 && work.record) {
      forget(position);
      show(await load(position));
    }
    fail(error);
  }
}

export function offerReasons(reasons) {
  $("reasons").replaceChildren(...reasons.map((reason, i) =>
    button(`${reason} (${i + 1})`, () => decide("reject", reason))));
}

export function toggleReasons() {
  $("reasons").hidden = !$("reasons").hidden;
  if (!$("reasons").hidden) $("reasons").firstChild.focus();
}

$("accept").onclick = () => decide("accept");
$("not-there").onclick = () => decide("not_there");
$("reject").onclick = () => toggleReasons();
