// The review page: one record after the other, everything by key. Each module has one subject and
// binds its own elements; work.js holds the record at hand.
import "./theme.js";
import "./mask_list.js";
import "./dialogue.js";
import "./pointer.js";
import "./keys.js";
import { $ } from "./dom.js";
import { start } from "./sign_in.js";
import { work } from "./work.js";

setInterval(() => {
  const seconds = work.record ? Math.round((Date.now() - work.opened) / 1000) : 0;
  $("clock").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}, 1000);

start();
