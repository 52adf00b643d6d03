// The dialogue beside the picture, its phrases in their masks' colours, and its editing.
import { $ } from "./dom.js";
import { css } from "./picture.js";
import { change, onChange, picture, select, work } from "./work.js";

let editing = null;  // the record whose text is being edited

export const isEditing = () => editing !== null && editing === work.record;

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

function editor(turn, i) {
  return ["question", "answer"].map((key) => {
    const area = document.createElement("textarea");
    area.rows = key === "answer" ? 4 : 2;
    area.value = turn[key];
    area.setAttribute("aria-label", `${key} ${i + 1}`);
    area.onchange = () => {
      turn[key] = area.value;
      change();
    };
    return area;
  });
}

function reading(turn, i) {
  const question = document.createElement("p");
  question.className = "question";
  question.textContent = turn.question.replace("<image>\n", "");
  const answer = document.createElement("p");
  answer.append(...phraseParts(turn.answer, work.record.turns[i].masks));
  return [question, answer];
}

function showDialogue() {
  $("edit").setAttribute("aria-pressed", isEditing());
  $("dialogue").replaceChildren(...work.turns.map((turn, i) => {
    const box = document.createElement("div");
    box.className = "turn";
    box.append(...(isEditing() ? editor : reading)(turn, i));
    return box;
  }));
}

export function toggleEditing() {
  if (!work.record) return;
  document.activeElement?.blur();  // its change counts
  editing = isEditing() ? null : work.record;
  showDialogue();
  if (editing) $("dialogue").querySelector("textarea").focus();
}

onChange(showDialogue);
$("edit").onclick = toggleEditing;
